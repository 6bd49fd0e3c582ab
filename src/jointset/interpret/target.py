"""What an attribution explains: one number per row, the log-odds of a class, or the value of a regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jointset.errors import DataError, nearest
from jointset.records import Floats, Task

if TYPE_CHECKING:
    from torch import Tensor

SURE = 1e-7  # probabilities nearer to 0 or 1 count as this


@dataclass(frozen=True)
class Target:
    """A task's class, or its value where it has none.

    >>> Target(Task("t", "binary", ("no", "yes")), 1).of(np.array([[0.2, 0.8]])).round(3).tolist()
    [1.386]
    """

    task: Task
    index: int = 0

    @property
    def name(self) -> str:
        """The class's name, or the unit."""
        return self.task.classes[self.index] if self.task.classes else (self.task.unit or "value")

    @property
    def measure(self) -> str:
        """What contributions are counted in."""
        return "log-odds" if self.task.classes else (self.task.unit or "units")

    def of(self, outputs: Floats) -> Floats:
        """From a task's outputs ``(n, K)`` to ``(n,)``: log p/(1 − p), or the value."""
        if not self.task.classes:
            return np.asarray(outputs[:, 0], np.float64)
        p = np.clip(np.asarray(outputs[:, self.index], np.float64), SURE, 1 - SURE)
        return np.asarray(np.log(p) - np.log1p(-p))

    def of_logits(self, calibrated: Tensor) -> Tensor:
        """The same, differentiable, from calibrated logits ``(n, K)``; see :class:`~jointset.tasks.base.TaskKind`."""
        import torch

        if self.task.kind == "regression":
            mean, std = self.task.scale
            return calibrated[:, 0] * std + mean
        own = calibrated[:, self.index]
        if self.task.kind == "multilabel":
            return own
        others = torch.cat([calibrated[:, : self.index], calibrated[:, self.index + 1 :]], 1)
        return own - others.logsumexp(1)


def target_of(task: Task, outputs: Floats, label: str | None = None) -> Target:
    """The class named ``label``, or the likeliest one of ``outputs`` ``(1, K)``; raises ``DataError`` for no class, and
    for a ``label`` where the task has none."""
    if not task.classes:
        if label is not None:
            raise DataError(
                f"task {task.name!r} predicts a number and has no class {label!r}; leave the label out"
            )
        return Target(task)
    if label is None:
        return Target(task, int(np.argmax(outputs[0])))
    if label not in task.classes:
        raise DataError(
            f"task {task.name!r} has no class {label!r}{nearest(label, task.classes)}; one of {', '.join(task.classes)}"
        )
    return Target(task, task.classes.index(label))
