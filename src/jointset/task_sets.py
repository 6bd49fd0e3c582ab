"""Joint trainings of some of the tasks: what a measured gain is measured with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.data import Overlay
from jointset.models.grouped import TaskGroup
from jointset.prepare import Work
from jointset.records import HOLDOUT, TRAIN, Floats, Task
from jointset.relatedness import says_nothing
from jointset.relatedness.columns import known, parts
from jointset.training.evaluate import predict, row_losses, told_apart
from jointset.training.loop import fit
from jointset.workbench import Bench


@dataclass(frozen=True, eq=False)
class Trainer:
    """A callable: tasks → held-out skill of each, and of each of its held-out rows, after training these jointly.

    Trained as a run would, on the rows that label one of the tasks, with early stopping on their held-out rows. A
    task's held-out rows are the same in every set. The skill is 1 less the loss over that of the best constant; its
    mean over rows is the score, NaN and without rows where no two held-out labels differ. Skills are read off the rows
    that early stopping watches, which flatters every set a little. ``worthless`` says of every task that was trained
    alone whether its model tells its held-out labels no better than chance does, as a run asks before it sets a task
    apart.
    """

    bench: Bench
    overlay: Overlay
    seed: int
    worthless: dict[str, bool] = field(default_factory=dict)

    def __call__(self, tasks: tuple[str, ...]) -> dict[str, tuple[float, Floats]]:
        """Train these tasks."""
        bench, split = self.bench, self.bench.work.pool.split
        own = bench.problem(self.overlay).of_group(TaskGroup(tasks))
        held = np.flatnonzero(own.usable() & (split == HOLDOUT))
        result = fit(
            own,
            own.trained_on(split == TRAIN),
            held,
            bench.settings.of(tasks),
            seed=self.seed,
            report=lambda event: bench.emit({"event": "epoch", "name": "+".join(tasks), **event}),
        )
        outputs, _ = predict(result.model, bench.inputs, held)
        found: dict[str, tuple[float, Floats]] = {}
        for task in own.tasks:
            labels = self.overlay.labels[task.name][held]
            rows = row_skills(task, labels, outputs[task.name])
            found[task.name] = (float(rows.mean()) if len(rows) else float("nan"), rows)
            if len(tasks) == 1:
                said = outputs[task.name].astype(np.float64)
                self.worthless[task.name] = says_nothing(labels, said, seed=self.seed)
        return found


def row_skills(task: Task, labels: NDArray[Any], outputs: Floats) -> Floats:
    """1 less each labelled row's loss over that of the best constant; empty where there is nothing to tell apart."""
    losses, counts, constant = row_losses(task, labels, outputs)
    if not told_apart(task, constant):
        return np.zeros(0)
    there = counts > 0
    best = losses[there][:, losses.sum(0).argmin()] / counts[there]
    return np.asarray(1 - best / constant)


def judges(labels: NDArray[Any]) -> bool:
    """Whether models can be compared by these labels: two of them differ.

    >>> judges(np.array([1, -1, 0])), judges(np.array([1.0, np.nan])), judges(np.array([[0, 1], [0, -1]]))
    (True, False, False)
    """
    return any(len(np.unique(column[known(column)])) > 1 for column in parts(labels))


def unscored(work: Work) -> list[str]:
    """The tasks that no training can be compared on, for want of two different held-out labels."""
    held = work.pool.split == HOLDOUT
    return [t.name for t in work.tasks if not judges(work.given[t.name][held])]
