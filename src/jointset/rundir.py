"""The run directory: what a run writes, each file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jointset import config as configs
from jointset.config import Config
from jointset.errors import RunError, UserError

VERSIONED = ("torch", "numpy", "scipy", "scikit-learn", "pyarrow", "pandas", "pydantic", "safetensors")


@dataclass(frozen=True)
class RunDirectory:
    """Paths and small files of one run."""

    path: Path

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.path / "ledger.db"

    @property
    def data(self) -> Path:
        """Base, cache and prepared inputs."""
        return self.path / "data"

    @property
    def model(self) -> Path:
        """The joint model that is handed back."""
        return self.path / "model"

    @property
    def held_out(self) -> Path:
        """Outputs on the held-out rows, of the models before and after."""
        return self.path / "held_out.npz"

    @property
    def leaked(self) -> Path:
        """Which held-out rows the training rows know."""
        return self.path / "leaked.npz"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def kept(self) -> list[Path]:
        """What is worth keeping of a finished run elsewhere: the report, the summary, the configuration, the model."""
        return [self.report, self.path / "summary.json", self.path / "config.yaml", self.model]

    def round(self, number: int) -> Path:
        """The folder of a round's records."""
        return self.path / "rounds" / f"{number:02d}"

    @property
    def weights(self) -> Path:
        """What the search of task weights found."""
        return self.path / "weights.json"

    def trial(self, number: int, kind: str) -> Path:
        """A file of a trial of the search: ``json`` its record, ``npz`` its held-out outputs."""
        return self.path / "search" / f"trial-{number:03d}.{kind}"

    @property
    def augmentation(self) -> Path:
        """The augmentation that was found, and why."""
        return self.path / "augment.json"

    @property
    def relatedness(self) -> Path:
        """How joint training compares with each task alone."""
        return self.path / "relatedness.json"

    @property
    def affinity(self) -> Path:
        """How the tasks' gradients and losses went together in the first joint training."""
        return self.path / "affinity.json"

    @property
    def interpretation(self) -> Path:
        """What which dataset's labels do to which task, and which layers the tasks share."""
        return self.path / "interpretation.json"

    def checkpoint(self, name: str) -> Path:
        """A file of weights."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def config(self) -> Config:
        """The resolved configuration the run began with."""
        file = self.path / "config.yaml"
        if not file.is_file():
            raise RunError(
                f"{self.path}: not a run directory (no config.yaml); start one with: jointset run CONFIG"
            )
        return configs.load(file)

    def has_begun(self) -> bool:
        """Whether anything was trained."""
        made = any(
            (self.path / name).exists() for name in ("checkpoints", "search", "augment", "summary.json")
        )
        return made and (self.path / "config.yaml").is_file()

    def discard(self) -> None:
        """Remove what stands here before anything is trained, and the folder if nothing else is in it."""
        for name in (
            "config.yaml",
            "environment.json",
            "data.lock",
            "metrics.jsonl",
            "log.txt",
            "ledger.db",
            ".lock",
        ):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.data, self.path / "tracking"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.path, self.path.parent):
            with contextlib.suppress(OSError):  # not empty: somebody else's files
                folder.rmdir()

    def summary(self) -> dict[str, Any]:
        """``summary.json`` of a finished run."""
        file = self.path / "summary.json"
        if not file.is_file():
            raise RunError(f"{self.path}: the run has not finished; repeat jointset run to go on")
        return read_json(file)

    def log(self, line: str) -> None:
        """Append a line with the time to ``log.txt``."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line}\n")

    def metric(self, values: Mapping[str, Any]) -> None:
        """Append a record to ``metrics.jsonl``."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(values), allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, default=float) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def open_run(config: Config, root: Path, *, new_run: bool = False) -> RunDirectory:
    """Make the run's directory, or find the one to go on with."""
    path = root / config.name
    if new_run:
        number = 2
        while path.exists():
            path = root / f"{config.name}-{number}"
            number += 1
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be made ({error.strerror}); name another folder with --runs"
        ) from None
    return RunDirectory(path)


@contextlib.contextmanager
def begun(run: RunDirectory, config: Config) -> Iterator[None]:
    """Write down what the run begins with, or hold it against what it began with.

    A run has begun once something was trained. A mistake before that leaves nothing behind, so that mending the
    configuration or the data is all it takes. Raises :class:`RunError` for another configuration, naming the first key.
    """
    if run.has_begun():
        changed = _first_difference(run.config().model_dump(mode="json"), config.model_dump(mode="json"))
        if changed:
            raise RunError(
                f"{run.path}: {changed} differs from the configuration this run began with; "
                "undo the change to go on, or start afresh with --new-run"
            )
    else:
        (run.path / "data.lock").unlink(missing_ok=True)
        write_json(run.path / "environment.json", environment())
        write_text(run.path / "config.yaml", configs.dump(config))
    try:
        yield
    except UserError:
        if not run.has_begun():
            run.discard()
        raise


def check_data(run: RunDirectory, facts: Mapping[str, Any]) -> None:
    """Write ``data.lock``, or compare with the one the run began with."""
    file = run.path / "data.lock"
    facts = json.loads(json.dumps(facts))
    if not file.is_file():
        write_json(file, facts)
        return
    changed = _first_difference(json.loads(file.read_text(encoding="utf-8")), facts)
    if changed:
        raise RunError(
            f"{run.path}: the data changed since the run began ({changed}); "
            "put it back to go on, or start afresh with --new-run"
        )


def environment() -> dict[str, Any]:
    """Versions and machine, for ``environment.json``."""
    from importlib import metadata

    versions = {}
    for name in ("jointset", *VERSIONED):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": versions,
    }


@contextlib.contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the run for one process; a second one gets a :class:`RunError`. A killed process lets go."""
    import fcntl

    with (run.path / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"{run.path}: another process is working on this run; wait for it, or use --new-run"
            ) from None
        yield


@contextlib.contextmanager
def disk_errors(run: RunDirectory) -> Iterator[None]:
    """Turn a full disk into one line; what is written so far resumes."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"{run.path}: no space left on the disk; free some and repeat the command to go on"
            ) from None
        raise


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _plain(value: Any) -> Any:
    """JSON values, with ``None`` for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _first_difference(old: Any, new: Any, path: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            found = _first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
            if found:
                return found
        return ""
    return path if old != new else ""
