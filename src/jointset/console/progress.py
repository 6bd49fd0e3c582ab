"""News of a run on the terminal: a bar with the time left, or plain lines without one."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console

from jointset.config import Config
from jointset.console.augmentation import augmentation_lines
from jointset.console.relatedness import relatedness_lines
from jointset.console.weights import again_line, trial_line, weights_lines
from jointset.console.words import counted
from jointset.records import ACTIONS

EVERY = 15.0


class Progress:
    """Shows the events of a run on stderr; one line per round and task.

    The time left is what the epochs done so far took, times the epochs still expected: the trials of a search, a joint
    training, then per round one training per fold and one or two for the gate.
    """

    def __init__(self, config: Config, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.quiet = quiet
        self.config = config
        self.started = time.monotonic()
        self.said = self.started
        self.done = 0
        self.per_fit = config.training.epochs
        self.rounds_left = config.improve.rounds
        self.rounds_before = 0  # of earlier sittings
        search = config.training.search
        self.trials_left = search.trainings if search else 0
        self.expected = self._expected()
        self.status = self.console.status("reading") if self.console.is_terminal and not quiet else None

    def __enter__(self) -> Progress:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event."""
        handler = getattr(self, f"_{event['event']}", None)
        if handler and not self.quiet:
            handler(event)

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, soft_wrap=True, markup=False)

    def _prepared(self, event: dict[str, Any]) -> None:
        self.line(
            f"{event['rows']:,} rows in {counted(len(self.config.datasets), 'dataset')}, "
            f"{counted(len(self.config.tasks), 'task')}"
        )
        for note in event["notes"]:
            self.line(f"  note: {note}")

    def _reviewed(self, event: dict[str, Any]) -> None:
        self.rounds_before = event["rounds"]
        self.line(
            f"{event['decisions']:,} decisions by people since the run was finished; it goes on with them"
        )

    def _stage(self, event: dict[str, Any]) -> None:
        folds = f"cross-fit, {self.config.training.folds} folds"
        named = {
            "train": "joint training",
            "checks": "checks of the data",
            "alone": "a task alone",
            "foresight": "what cheap signals foresee",
            "interpretation": "whose labels help which task",
        }
        what = named.get(event["stage"], folds)
        where = event.get("name") or f"round {event['round']}"
        self._show(f"{what} ({where})", stay=True)

    def _augmentation(self, event: dict[str, Any]) -> None:
        for line in augmentation_lines(event):
            self.line(line)

    def _relatedness(self, event: dict[str, Any]) -> None:
        for line in relatedness_lines(event):
            self.line(line)

    def _trial(self, event: dict[str, Any]) -> None:
        search = self.config.training.search
        self.trials_left = event["of"] - event["number"] - 1 + (2 * search.confirm if search else 0)
        self._stopped_after(len(event["curve"]) - self.config.training.patience)
        self.line("  " + trial_line(event))

    def _again(self, event: dict[str, Any]) -> None:
        self.trials_left -= 2
        self.line("  " + again_line(event))

    def _weights(self, event: dict[str, Any]) -> None:
        self.trials_left = 0
        self.expected = self.done + self._expected()
        for line in weights_lines(event):
            self.line(line)

    def _epoch(self, event: dict[str, Any]) -> None:
        self.done += 1
        fold = f", fold {event['fold'] + 1} of {self.config.training.folds}" if "fold" in event else ""
        left = self._left()
        self._show(f"epoch {event['epoch']} of at most {event['of']}{fold}, loss {event['loss']:.3f}{left}")

    def _trained(self, event: dict[str, Any]) -> None:
        self._stopped_after(event["epochs"])
        passes = ", ".join(f"{n} {e:g}" for n, e in list(event["effective_epochs"].items())[:20])
        self.line(
            f"  best after {event['epochs']} epochs, held-out skill {event['skill']:.3f}; "
            f"passes over the data: {passes}"
        )
        for note in event.get("notes", ()):
            self.line(f"  note: {note}")

    def _round(self, event: dict[str, Any]) -> None:
        self.rounds_left = self.config.improve.rounds + self.rounds_before - event["round"]
        verdict = event["verdict"]
        judged = "nothing to judge"
        if verdict and verdict["outcome"] == "not judged":
            judged = "not judged"
        elif verdict:
            before, after = verdict["before"], verdict["after"]
            judged = f"{verdict['metric']} {before:.3f} → {after:.3f} ({verdict['outcome']})"
            if verdict.get("aside"):
                judged += f", {verdict['aside']:,} leaked rows set aside"
        noise = "" if event["noise_rate"] is None else f", noise about {event['noise_rate']:.1%}"
        if not event["proposed"]:
            self.line(f"round {event['round']} {event['task']}: no edit proposed{noise}")
            return
        counts = ", ".join(f"{event[a]} {a}" for a in ACTIONS if event.get(a)) or "no edit"
        self.line(
            f"round {event['round']} {event['task']}: {counts} of {event['proposed']} proposed{noise}; "
            f"held out {judged}"
        )

    def _show(self, text: str, *, stay: bool = False) -> None:
        if self.status:
            self.status.update(text)
        elif stay or time.monotonic() - self.said > EVERY:
            self.said = time.monotonic()
            self.line(f"  {text}")
            sys.stderr.flush()

    def _stopped_after(self, epochs: int) -> None:
        self.per_fit = min(self.per_fit, epochs + self.config.training.patience)
        self.expected = self.done + self._expected()

    def _expected(self) -> int:
        first = 1 if self.trials_left or not self.done else 0
        return self.per_fit * (self.trials_left + first + self.rounds_left * (self.config.training.folds + 1))

    def _left(self) -> str:
        if self.rounds_left == self.config.improve.rounds and self.per_fit == self.config.training.epochs:
            return ""  # nothing is known before the first training has stopped
        seconds = (time.monotonic() - self.started) / self.done * max(self.expected - self.done, 0)
        return f", about {seconds / 60:.0f} min left" if seconds > 90 else f", about {seconds:.0f} s left"
