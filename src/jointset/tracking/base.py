"""What every tracker is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Facts:
    """What is known of a run before it trains: its name, its directory, and the resolved configuration."""

    name: str
    path: Path
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where trackers keep their own files."""
        return self.path / "tracking"


class Tracker(ABC):
    """One program that keeps parameters, metrics and files of runs.

    What it needs to know of its own, such as a server's address, it reads from its usual environment variables. Any
    exception ends the tracking, never the run.
    """

    package: ClassVar[str]  # the module that must be installed

    @abstractmethod
    def start(self, facts: Facts) -> None:
        """Begin, or go on with what an interrupted run began."""

    @abstractmethod
    def metrics(self, of: str, values: Mapping[str, float], step: int) -> None:
        """Numbers of a training (``round-01/fold-2``), of the rounds or of the summary, at an epoch or a round."""

    @abstractmethod
    def finish(self, files: Sequence[Path], summary: Mapping[str, Any] | None) -> None:
        """End; ``files`` and folders are worth keeping; without a ``summary`` the run did not end well."""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys, without what is not set.

    >>> dict(flat({"model": {"width": 64, "depth": None}, "seed": 0}))
    {'model.width': 64, 'seed': 0}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value
