"""What came of the steps of a training: how gradients were weighed, and which tasks were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from jointset.errors import ConfigError
from jointset.weighting import Step
from jointset.weighting.step import IDLE

MOST = 0.1  # of an epoch's steps may lack a task whose loss or gradient is not finite; one in any case


class Steps:
    """Counts over a training of ``tasks``, ``in_epoch`` steps an epoch.

    A task whose loss or gradient is not finite is left out of the step. If it goes on, or happens to all tasks at
    once, the training ends.

    >>> steps = Steps(["a", "b"], 20)
    >>> list(steps.sound({"a": torch.tensor(1.0), "b": torch.tensor(float("nan"))}, 0))
    ['a']
    >>> steps.record()["absent"]
    {'b': {'the loss is nan': 1}}
    >>> steps.sound({"a": torch.tensor(float("inf")), "b": torch.tensor(float("nan"))}, 0)
    Traceback (most recent call last):
        ...
    jointset.errors.ConfigError: training: the loss is inf in epoch 1, for all tasks; lower training.learning_rate, \
or look for extreme values in inputs and labels
    """

    def __init__(self, tasks: Sequence[str], in_epoch: int) -> None:
        self.tasks, self.in_epoch = tuple(tasks), in_epoch
        self.ways: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.formed: dict[str, int] = {}
        self.absent: dict[str, Counter[str]] = {}
        self._epoch, self._bad = -1, Counter[str]()

    def sound(self, losses: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        """The losses that are finite; the others are counted."""
        values = torch.stack([x.detach() for x in losses.values()])
        if bool(values.isfinite().all()):
            return losses
        bad = {n: f"the loss is {float(x)}" for n, x in zip(losses, values, strict=True) if not x.isfinite()}
        self.leave_out(bad, losses, epoch)
        return {n: x for n, x in losses.items() if n not in bad}

    def add(self, step: Step, losses: Mapping[str, Tensor], epoch: int) -> None:
        """Count a step on ``losses``."""
        self.ways[step.way] += 1
        if step.note:
            self.notes[step.note] += 1
        self.formed |= step.formed
        self.leave_out(step.absent, losses, epoch)

    def leave_out(self, absent: Mapping[str, str], losses: Mapping[str, Tensor], epoch: int) -> None:
        """Count tasks that are left out of a step on ``losses``; ConfigError if that cannot go on."""
        if epoch != self._epoch:
            self._epoch, self._bad = epoch, Counter()
        for task, why in absent.items():
            self.absent.setdefault(task, Counter())[why] += 1
        bad = {task: why for task, why in absent.items() if why != IDLE}
        self._bad.update(list(bad))
        advice = "lower training.learning_rate, or look for extreme values in"
        if bad and len(bad) == len(losses) and (len(bad) > 1 or len(self.tasks) == 1):
            why = next(iter(bad.values()))
            raise ConfigError(
                f"training: {why} in epoch {epoch + 1}, for all tasks; {advice} inputs and labels"
            )
        for task, why in bad.items():
            if self._bad[task] > max(1.0, MOST * self.in_epoch):
                raise ConfigError(
                    f"training: {task}: {why}, in {self._bad[task]} of the {self.in_epoch} steps of epoch {epoch + 1} "
                    f"so far; {advice} its inputs and labels"
                )

    def record(self) -> dict[str, Any]:
        """As JSON values: steps by way, by note, and by task and reason; numbers formed, by operation."""
        return {
            "ways": dict(self.ways),
            "notes": dict(self.notes),
            "formed": dict(self.formed),
            "absent": {task: dict(reasons) for task, reasons in self.absent.items()},
        }

    def restore(self, record: Mapping[str, Any]) -> None:
        """Go on from what :meth:`record` returned."""
        self.ways, self.notes = Counter(record["ways"]), Counter(record["notes"])
        self.formed = dict(record["formed"])
        self.absent = {task: Counter(reasons) for task, reasons in record["absent"].items()}


def added(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The records of several trainings as one.

    >>> one = {"ways": {"rows": 2}, "notes": {}, "formed": {}, "absent": {"a": {"the loss is nan": 1}}}
    >>> added([one, one])["ways"], added([one, one])["absent"]
    ({'rows': 4}, {'a': {'the loss is nan': 2}})
    """
    whole = Steps((), 0)
    for record in records:
        whole.ways.update(record["ways"])
        whole.notes.update(record["notes"])
        whole.formed |= record["formed"]
        for task, reasons in record["absent"].items():
            whole.absent.setdefault(task, Counter()).update(reasons)
    return whole.record()


def lines(record: Mapping[str, Any]) -> list[str]:
    """What a reader should know of it.

    >>> lines({"ways": {"layers": 9}, "notes": {"rows meet": 9}, "absent": {"a": {"the loss is nan": 1}}})
    ['the Gramian was not had as asked in 9 steps: rows meet', 'a was left out of 1 step: the loss is nan']
    """
    found = [f"the Gramian was not had as asked in {_steps(n)}: {why}" for why, n in record["notes"].items()]
    return found + [
        f"{task} was left out of {_steps(n)}: {why}"
        for task, reasons in record["absent"].items()
        for why, n in reasons.items()
        if why != IDLE
    ]


def _steps(n: int) -> str:
    return f"{n:,} step{'s' if n != 1 else ''}"
