"""The edits of a ledger as columns of numbers: a million of them in some tens of megabytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.ledger import Ledger
from jointset.records import ACTIONS, STATUSES, Bools, Floats, Ints
from jointset.report.rows import AllRows

CODED = ("dataset", "task", "position", "action", "old", "new")
NUMBERS = ("weight", "confidence", "expected_precision")
PROPOSED, ACCEPTED, REJECTED, UNDONE = range(4)


@dataclass(frozen=True, eq=False)
class EditTable:
    """``codes[name]`` ``(n,)`` are codes into ``names[name]``; ``place`` is the row among all rows of the run.

    ``id`` ascends; ``status`` holds codes of ``records.STATUSES``, current as of ``entry``, the last entry that was
    heeded. Arrays of numbers are float32.
    """

    id: Ints
    round: Ints
    status: Ints
    place: Ints
    codes: Mapping[str, Ints]
    numbers: Mapping[str, Floats]
    names: Mapping[str, list[str]]
    entry: int = 0

    def __len__(self) -> int:
        return len(self.id)

    def is_(self, name: str, value: str) -> Bools:
        """Where a coded column has a value, ``(n,)``."""
        names = self.names[name]
        return np.asarray(self.codes[name] == (names.index(value) if value in names else -1))

    @property
    def in_force(self) -> Bools:
        """Accepted and not undone, ``(n,)``."""
        return np.asarray(self.status == ACCEPTED)

    def address(self) -> Ints:
        """A number per label, ``(n,)``, the same for all edits of one label."""
        tasks, positions = len(self.names["task"]), len(self.names["position"])
        return (self.place.astype(np.int64) * tasks + self.codes["task"]) * positions + self.codes["position"]

    def last(self) -> Ints:
        """Of the edits in force, the last of every label that changes it (a weight changes none)."""
        changing = np.flatnonzero(self.in_force & ~self.is_("action", "weight"))
        _, index = np.unique(self.address()[changing][::-1], return_index=True)
        return np.sort(changing[len(changing) - 1 - index])


def read_edits(ledger: Ledger, rows: AllRows) -> EditTable:
    """All edits of a ledger, read by chunks."""
    codes: dict[str, Coder] = {name: Coder() for name in CODED}
    codes["action"] = Coder(dict.fromkeys(ACTIONS))
    status_of = {name: code for code, name in enumerate(STATUSES)}
    parts: dict[str, list[NDArray[Any]]] = {}
    ids = []
    for chunk in ledger.scan(("round", "status", "row", *CODED, *NUMBERS)):
        id, round, status, row, *rest = zip(*chunk, strict=True)
        ids.append(pa.array(row, pa.large_string()))
        found: dict[str, NDArray[Any]] = {
            "id": np.array(id, np.int64),
            "round": np.array(round, np.int16),
            "status": np.array([status_of[s] for s in status], np.int8),
        }
        found |= {n: codes[n].encode(v) for n, v in zip(CODED, rest, strict=False)}
        found |= {n: np.array(v, np.float32) for n, v in zip(NUMBERS, rest[len(CODED) :], strict=True)}
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    whole = {name: np.concatenate(values) for name, values in parts.items()} or _empty()
    names = {n: list(c.code) for n, c in codes.items()}
    entry = 0
    for made in ledger.entries():
        entry = made["id"]
        if made["kind"] == "undo":
            whole["status"][np.searchsorted(whole["id"], made["edit"])] = UNDONE
    return EditTable(
        whole["id"],
        whole["round"],
        whole["status"],
        _places(rows, pa.chunked_array(ids, pa.large_string()), whole["dataset"], names["dataset"]),
        {n: whole[n] for n in CODED},
        {n: whole[n] for n in NUMBERS},
        names,
        entry,
    )


def _places(rows: AllRows, ids: pa.ChunkedArray, dataset: Ints, names: list[str]) -> Ints:
    """The place of every (dataset, row) among all rows of the run, ``(n,) int32``; -1 where there is none."""
    place = np.full(len(dataset), -1, np.int32)
    for code, name in enumerate(names):
        if name in rows.datasets:
            at = dataset == code
            place[at] = rows.datasets[name].places(ids.filter(pa.array(at)))
    return place


@dataclass
class Coder:
    """Codes for values, in the order they were first seen.

    >>> coder = Coder()
    >>> coder.encode(["a", "b", "a"]).tolist(), list(coder.code)
    ([0, 1, 0], ['a', 'b'])
    """

    code: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.code = {name: i for i, name in enumerate(self.code)}

    def encode(self, values: Any) -> Ints:
        """The code of every value, ``(n,) int32``."""
        for value in dict.fromkeys(values):
            self.code.setdefault(value, len(self.code))
        return np.array([self.code[v] for v in values], np.int32)


def _empty() -> dict[str, NDArray[Any]]:
    kinds: dict[str, Any] = {"id": np.int64, "round": np.int16, "status": np.int8, "place": np.int32}
    kinds |= dict.fromkeys(CODED, np.int32) | dict.fromkeys(NUMBERS, np.float32)
    return {name: np.empty(0, kind) for name, kind in kinds.items()}
