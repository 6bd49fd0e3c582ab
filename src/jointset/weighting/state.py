"""Entries of a state that there are one a task of, read and written together; losses as one tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.weighting.base import State

LEAST_SHARE = 1e-6


def read(state: State, name: str, tasks: Sequence[str]) -> Floats:
    """The entries ``name.TASK`` of a state, ``(k,)``.

    >>> read({"seen.a": torch.tensor(1.0), "seen.b": torch.tensor(2.0)}, "seen", ["b", "a"])
    array([2., 1.])
    """
    return np.array([state[f"{name}.{task}"].item() for task in tasks])


def write(state: State, name: str, tasks: Sequence[str], values: Floats) -> State:
    """A copy of the state with the entries ``name.TASK`` replaced; float64, so that a checkpoint loses nothing.

    >>> write({}, "seen", ["a"], np.array([0.5]))
    {'seen.a': tensor(0.5000, dtype=torch.float64)}
    """
    fresh = torch.from_numpy(np.array(values, dtype=np.float64)).unbind()
    return {**state, **{f"{name}.{task}": value.clone() for task, value in zip(tasks, fresh, strict=True)}}


def stacked(losses: Mapping[str, Tensor]) -> Tensor:
    """The losses as one tensor ``(k,)``, with their graph.

    >>> stacked({"a": torch.tensor(1.0), "b": torch.tensor(2.0)})
    tensor([1., 2.])
    """
    return torch.stack([loss.reshape(()) for loss in losses.values()])


def numbers(losses: Tensor) -> Floats:
    """Losses without their graph, ``(k,)`` float64."""
    return losses.detach().cpu().double().numpy()


def like(values: Floats, reference: Tensor) -> Tensor:
    """Numbers as a tensor of the type and on the device of ``reference``."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(reference)


def not_negative(losses: Tensor, tasks: Sequence[str], method: str) -> None:
    """Raise :class:`~jointset.errors.ArrayError` where a method takes logarithms and a loss is below zero.

    >>> not_negative(torch.tensor([0.5, 0.0]), ["a", "b"], "gls")
    """
    values = numbers(losses)
    if (values < 0).any():
        worst = int(values.argmin())
        raise ArrayError(
            f"{method}: the loss of task {tasks[worst]!r} is {values[worst]:.4g}, and {method} takes its logarithm; "
            "add a constant to the loss, or choose a weighting that takes any, such as uncertainty"
        )


def shares(state: State, tasks: Sequence[str]) -> Floats:
    """The entries ``share.TASK`` of a distribution over all tasks, as one over those that are present, ``(k,)``.

    >>> shares({"share.a": torch.tensor(0.25), "share.b": torch.tensor(0.25), "share.c": torch.tensor(0.5)}, ["a", "b"])
    array([0.5, 0.5])
    """
    held = read(state, "share", tasks)
    total = held.sum()
    return held / total if total > LEAST_SHARE else np.full(len(tasks), 1.0 / len(tasks))


def with_shares(state: State, tasks: Sequence[str], values: Floats) -> State:
    """The state with the present tasks' part of the distribution divided anew; the part of the others stays."""
    part = max(float(read(state, "share", tasks).sum()), LEAST_SHARE)
    return write(state, "share", tasks, part * values)


def even_shares(tasks: Sequence[str]) -> State:
    """The uniform distribution over all tasks."""
    return write({}, "share", tasks, np.full(len(tasks), 1.0 / max(len(tasks), 1)))
