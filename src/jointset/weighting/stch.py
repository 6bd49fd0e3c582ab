"""Smooth Tchebycheff scalarisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.preference import checked, mean_preference, preference
from jointset.weighting.state import like, not_negative, numbers, read, stacked, write

FLOOR = 1e-20


class STCH(LossWeighting):
    """The largest loss, smoothed: μ log Σ exp(λ_t (L_t − z_t) / μ) (Lin et al. 2024, arXiv 2402.19078, section 3.2).

    λ is 1/k, or ``weights`` by task over k; z, the best loss that can be hoped for, is ``ideal`` by task and else 0. As
    ``mu`` falls, the largest λ_t (L_t − z_t) takes all the weight. Losses of different scales need λ or ``nadir``.

    With ``nadir`` > 0 it is what the authors run on networks: over its first ``nadir`` steps, a task's mean loss is
    taken as its nadir n_t while Σ log L_t is minimised; afterwards, k μ log Σ exp(log(L_t / n_t) / μ). Until all
    present tasks have their nadir, those that have it count by log(L_t / n_t) in the sum. A negative loss is then an
    error, and ``weights`` and ``ideal`` are not used.

    >>> import torch
    >>> STCH(mu=0.01).step({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, {})[0]
    tensor(1.)
    """

    def __init__(
        self,
        *,
        mu: float = 0.1,
        weights: Mapping[str, float] | None = None,
        ideal: Mapping[str, float] | None = None,
        nadir: int = 0,
    ) -> None:
        if not mu > 0 or not nadir >= 0:
            raise ValueError(f"mu is more than 0 and nadir at least 0, found {mu} and {nadir}")
        self.mu = mu
        self.weights = checked(weights)
        self.ideal = ideal
        self.nadir = nadir

    def init(self, tasks: Sequence[str]) -> State:
        """With ``nadir``, the sum of a task's first losses and their number."""
        if not self.nadir:
            return {}
        zeros = np.zeros(len(tasks))
        return write(write({}, "sum", tasks, zeros), "steps", tasks, zeros)

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """The smoothed maximum."""
        values, tasks = stacked(losses), list(losses)
        if self.nadir:
            return self._ratios(values, tasks, state)
        ideal = preference({task: (self.ideal or {}).get(task, 0.0) for task in tasks}, tasks)
        weights = mean_preference(self.weights, tasks)
        return self._maximum(like(weights, values) * (values - like(ideal, values))), state

    def _maximum(self, values: Tensor) -> Tensor:
        return self.mu * torch.logsumexp(values / self.mu, 0)

    def _ratios(self, values: Tensor, tasks: Sequence[str], state: State) -> tuple[Tensor, State]:
        not_negative(values, tasks, "stch")
        total, steps = read(state, "sum", tasks), read(state, "steps", tasks)
        known = steps >= self.nadir
        nadir = np.where(known & (total > 0), total / np.maximum(steps, 1.0), 1.0)
        logs = (values / like(nadir, values) + FLOOR).log()
        state = write(state, "sum", tasks, np.where(known, total, total + numbers(values)))
        state = write(state, "steps", tasks, np.where(known, steps, steps + 1))
        return len(tasks) * self._maximum(logs) if known.all() else logs.sum(), state
