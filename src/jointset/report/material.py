"""Everything a report is made of, read from the run's files; nothing is computed twice and nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.data import HeldOutLabels, held_out_labels
from jointset.ledger import Ledger
from jointset.records import Task
from jointset.report.edit_table import EditTable, read_edits
from jointset.report.rows import AllRows, open_rows
from jointset.rundir import RunDirectory, read_json


@dataclass(frozen=True, eq=False)
class Material:
    """A run, as far as it got: ``summary`` is empty while it has not finished."""

    directory: RunDirectory
    ledger: Ledger
    summary: Mapping[str, Any]

    @cached_property
    def rows(self) -> AllRows:
        """Datasets, splits and given labels."""
        return open_rows(self.directory)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks by name."""
        return self.rows.tasks

    @cached_property
    def edits(self) -> EditTable:
        """All edits."""
        return read_edits(self.ledger, self.rows, edits_file(self.directory))

    @cached_property
    def decisions(self) -> list[dict[str, Any]]:
        """What people decided and did not take back."""
        return self.ledger.decisions()

    @cached_property
    def truth(self) -> HeldOutLabels:
        """The labels that held-out rows are judged by: as people decided them, else as given."""
        given = {name: self.rows.given(name) for name in self.tasks}
        split = self.rows.column("split")
        return held_out_labels(given, self.ledger.reviewed(), self.tasks, self.rows, split)

    @property
    def unheeded(self) -> int:
        """Decisions that a finished run has not gone on with."""
        return self.ledger.decided_after(self.summary.get("heeded", 0)) if self.summary else 0

    @cached_property
    def verdicts(self) -> list[dict[str, Any]]:
        """The gate's verdicts, in order."""
        return self.ledger.verdicts()

    @cached_property
    def facts(self) -> Mapping[int, dict[str, Any]]:
        """Round → what was recorded about it."""
        return {r: self.ledger.facts(r) for r in self.ledger.rounds()}

    @property
    def last_facts(self) -> dict[str, Any]:
        """What was recorded about the last round."""
        return self.facts[max(self.facts)] if self.facts else {}

    @cached_property
    def counts(self) -> dict[str, Any]:
        """Edits by dataset, task and action, with their present status."""
        return self.ledger.counts()

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as plain values."""
        import yaml

        return dict(yaml.safe_load((self.directory.path / "config.yaml").read_text(encoding="utf-8")))

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions and machine."""
        file = self.directory.path / "environment.json"
        return read_json(file) if file.is_file() else {}

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The run's events but for epochs."""
        file = self.directory.path / "metrics.jsonl"
        if not file.is_file():
            return []
        with file.open(encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines if '"event": "epoch"' not in line]
        return [e for e in found if isinstance(e, dict)]

    @cached_property
    def held_out(self) -> Mapping[str, NDArray[Any]]:
        """Outputs on the held-out rows before and after: ``before.I``, ``after.I`` per task, and ``rows`` (places)."""
        return arrays(self.directory.held_out)

    def predictions(self, round: int | None = None) -> Mapping[str, NDArray[Any]]:
        """Cross-fitted outputs of a round (None: the last), each array read when it is asked for."""
        if round is not None:
            return arrays(self.directory.round(round) / "predictions.npz")
        files = sorted((self.directory.path / "rounds").glob("*/predictions.npz"))
        return arrays(files[-1]) if files else {}


def edits_file(directory: RunDirectory) -> Path:
    """Where the edits are kept in the form that readers map."""
    return directory.data / "rows" / "edits.arrow"


def read(directory: RunDirectory, ledger: Ledger) -> Material:
    """The material of a run, finished or not."""
    file = directory.path / "summary.json"
    return Material(directory, ledger, read_json(file) if file.is_file() else {})


def arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of an ``.npz`` by name, memory-mapped where the file holds them as they are."""
    return Arrays(path) if path.is_file() else {}


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of an ``.npz``, without reading what is not looked at."""

    def __init__(self, path: Path) -> None:
        import zipfile

        self.path = path
        with zipfile.ZipFile(path) as file:
            self._found = {i.filename.removesuffix(".npy"): i for i in file.infolist()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        import zipfile

        info = self._found[name]
        if info.compress_type != zipfile.ZIP_STORED:
            with np.load(self.path, allow_pickle=False) as stored:
                return np.asarray(stored[name])
        with self.path.open("rb") as file:
            # The local header has a length of its own, which the directory at the end does not know.
            file.seek(info.header_offset + 26)
            name_length, extra = np.frombuffer(file.read(4), "<u2").tolist()
            file.seek(info.header_offset + 30 + name_length + extra)
            version = np.lib.format.read_magic(file)
            reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[
                version[0]
            ]
            shape, fortran, dtype = reader(file)
            if dtype.hasobject or not np.prod(shape):
                return np.empty(shape, dtype)
            return np.memmap(
                self.path, dtype, "r", offset=file.tell(), shape=shape, order="F" if fortran else "C"
            )

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
