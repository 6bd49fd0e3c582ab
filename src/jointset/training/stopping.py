"""When training stops, for all tasks and for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Stopping:
    """Early stopping on the mean held-out skill (Prechelt 1998), and, with ``by_task``, of every task on its own.

    Tasks learn at different speeds. One whose skill has not risen for ``patience`` epochs rests: its loss is left out,
    so that those that still learn no longer pay for it, until its skill rises above its best after all. Training is
    over when the mean has not risen for ``patience`` epochs, or when every task rests.

    >>> stopping = Stopping(patience=2, by_task=True)
    >>> for a, b in [(0.5, 0.1), (0.4, 0.3), (0.4, 0.5)]:
    ...     better = stopping.add({"a": a, "b": b})
    >>> better, stopping.best_epoch, sorted(stopping.resting), stopping.over
    (True, 3, ['a'], False)
    """

    patience: int
    by_task: bool = False
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, skills: Mapping[str, float]) -> bool:
        """Take in the skills after an epoch, none without held-out rows; whether the mean is the best so far."""
        score = float(np.mean(list(skills.values()))) if skills else float("nan")
        self.scores.append(score)
        for task, own in skills.items():
            if task not in self.best or own > self.best[task][0]:
                self.best[task] = (own, len(self.scores))
        better = not self.best_epoch or not score <= self.scores[self.best_epoch - 1]
        if better:
            self.best_epoch = len(self.scores)
        return better

    @property
    def resting(self) -> set[str]:
        """The tasks whose loss is left out for now."""
        if not self.by_task:
            return set()
        return {t for t, (_, epoch) in self.best.items() if len(self.scores) - epoch >= self.patience}

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected."""
        waited = len(self.scores) - self.best_epoch >= self.patience
        return waited or (bool(self.best) and len(self.resting) == len(self.best))

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` goes on from."""
        return {"scores": self.scores, "best_epoch": self.best_epoch, "best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self.scores, self.best_epoch = list(state["scores"]), int(state["best_epoch"])
        self.best = {t: (float(own), int(epoch)) for t, (own, epoch) in state["best"].items()}
