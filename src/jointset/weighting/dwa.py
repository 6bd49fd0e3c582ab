"""Dynamic weight average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import like, numbers, read, stacked, write


class DWA(LossWeighting):
    """More weight for tasks whose loss falls more slowly (Liu, Johns & Davison 2019, arXiv 1803.10704, eq. 7).

    λ_t = k softmax(r_t / ``temperature``), r_t the mean loss of the last epoch over that of the epoch before; 1 until
    two are known. An epoch is here ``window`` steps in which the task was present, so that it means the same for
    tasks that are rare and needs no sign from the loop; set it to the steps of an epoch for the paper's method. A
    negative or zero mean loss counts as one that stays.

    >>> import torch
    >>> method = DWA()
    >>> method.step({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, method.init(["a", "b"]))[0]
    tensor(3.)
    """

    def __init__(self, *, temperature: float = 2.0, window: int = 100) -> None:
        if not temperature > 0 or not window >= 1:
            raise ValueError(
                f"temperature is more than 0, window at least 1, found {temperature} and {window}"
            )
        self.temperature = temperature
        self.window = window

    def init(self, tasks: Sequence[str]) -> State:
        """The loss summed over this window, its steps, and the mean loss of the last two windows (0: not known)."""
        state: State = {}
        for name in ("sum", "steps", "last", "before"):
            state = write(state, name, tasks, np.zeros(len(tasks)))
        return state

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ λ_t L_t."""
        values, tasks = stacked(losses), list(losses)
        total, steps, last, before = (read(state, name, tasks) for name in ("sum", "steps", "last", "before"))
        known = (last > 0) & (before > 0)
        rate = np.where(known, last / np.where(known, before, 1.0), 1.0) / self.temperature
        weights = np.exp(rate - rate.max())
        weights *= len(tasks) / weights.sum()
        total, steps = total + numbers(values), steps + 1
        full = steps >= self.window
        before, last = np.where(full, last, before), np.where(full, total / steps, last)
        total, steps = np.where(full, 0.0, total), np.where(full, 0.0, steps)
        for name, entry in (("sum", total), ("steps", steps), ("last", last), ("before", before)):
            state = write(state, name, tasks, entry)
        return (like(weights, values) * values).sum(), state
