"""Excess risks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import JacobianWeighting, State
from jointset.weighting.state import even_shares, like, numbers, read, shares, with_shares, write

FLOOR = 1e-7
LEAST = 1e-12  # of a weight, so that it can come back


class ExcessMTL(JacobianWeighting):
    """More weight for tasks that are far from their own optimum, not for those that are noisy (He et al. 2024, ICML).

    arXiv 2402.02009: the excess risk of a task, its loss over the least one, is estimated by g_iᵀ H_i⁻¹ g_i with the
    diagonal H_i = √(Σ over steps of g_i²) (eq. 6, 7), divided by its value at first, and the weights on the simplex are
    multiplied by exp(``rate`` · excess) (eq. 9). Label noise raises a loss but not this, so it does not draw weight.

    The value at first is the mean over a task's first ``warmup`` steps, in which its excess counts as 1 (the paper
    takes three epochs; the authors' code takes the first step and feeds it in undivided, which one long gradient can
    turn into a weight of 1 for good). It needs one more copy of the shared parameters a task.

    >>> method = ExcessMTL()
    >>> jacobian = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    >>> method.combine(jacobian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([0.5000, 2.0000])
    """

    along = ("square",)

    def __init__(self, *, rate: float = 0.01, warmup: int = 1) -> None:
        if not rate > 0 or not warmup >= 1:
            raise ValueError(f"rate is more than 0 and warmup at least 1, found {rate} and {warmup}")
        self.rate = rate
        self.warmup = warmup

    def init(self, tasks: Sequence[str]) -> State:
        """Even weights, and the sum and number of first excesses; ``square.TASK`` comes with a task's first step."""
        zeros = np.zeros(len(tasks))
        return even_shares(tasks) | write(write({}, "first", tasks, zeros), "steps", tasks, zeros)

    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Σ w_i g_i."""
        squares = jacobian.square()
        sums = torch.stack([squares[i] + state.get(f"square.{task}", 0.0) for i, task in enumerate(tasks)])
        excess = numbers((squares / (sums + FLOOR).sqrt()).sum(1))
        first, steps = read(state, "first", tasks), read(state, "steps", tasks)
        early = steps < self.warmup
        ratio = np.where(early, 1.0, excess / (first / np.maximum(steps, 1.0) + FLOOR))
        share = shares(state, tasks)
        share = share * np.exp(self.rate * (ratio - ratio.max()))
        share = np.maximum(share / share.sum(), LEAST)
        state = with_shares(state, tasks, share / share.sum())
        state = write(state, "first", tasks, np.where(early, first + excess, first))
        state = write(state, "steps", tasks, np.where(early, steps + 1, steps))
        state |= {f"square.{task}": row.clone() for task, row in zip(tasks, sums, strict=True)}
        return like(share / share.sum(), jacobian) @ jacobian, state
