"""All trackers of a run, none of which can harm it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jointset.errors import MissingExtra
from jointset.tracking.base import Facts, Tracker
from jointset.tracking.events import measured
from jointset.tracking.table import TRACKERS, make_tracker


def ready(names: Sequence[str]) -> None:
    """Raise :class:`MissingExtra` for a tracker that is not installed; call it before anything is trained."""
    for name in names:
        if find_spec(TRACKERS[name].package) is None:
            raise MissingExtra(TRACKERS[name].package, "tracking", f"tracking: {name}")


class Tracking:
    """Hears a run's events and passes their numbers on.

    Trackers start with the first event that comes from training, so that a mistake before that leaves nothing behind.
    One that fails is left out from then on, with a line in the log that says why.

    Parameters
    ----------
    names : of the trackers.
    facts : of the run.
    log : takes a line.
    """

    def __init__(self, names: Sequence[str], facts: Facts, log: Callable[[str], None]) -> None:
        self.facts = facts
        self.log = log
        self.waiting: list[str] = list(names)
        self.started: dict[str, Tracker] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Hear an event."""
        if event["event"] == "prepared":
            return
        self._start()
        found = measured(event)
        if found is not None and found[1]:
            self._each(lambda tracker: tracker.metrics(*found))

    def finish(self, files: Sequence[Path] = (), summary: Mapping[str, Any] | None = None) -> None:
        """End all trackers; see :meth:`Tracker.finish`."""
        there = [f for f in files if f.exists()]
        self._each(lambda tracker: tracker.finish(there, summary))
        self.started = {}

    def _start(self) -> None:
        names, self.waiting = self.waiting, []
        for name in names:
            self.started[name] = made = make_tracker(name)
            self._tried(name, partial(made.start, self.facts))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.started.items()):
            self._tried(name, partial(call, tracker))

    def _tried(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever another program raises, the run goes on
            reason = next(iter(str(error).splitlines()), "")
            self.log(f"warning: tracking by {name} stopped: {type(error).__name__}: {reason}")
            del self.started[name]
