"""Random loss weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.draws import after_step, by_name, first_step, generator
from jointset.weighting.state import like, stacked


class RLW(LossWeighting):
    """Weights drawn anew at every step, the softmax of a normal draw (Lin et al. 2021, arXiv 2111.10603, section 3).

    They sum to 1. A baseline: what does not beat it has not shown that its weights matter. Draws follow from ``seed``
    and the number of the step, and belong to the tasks in alphabetical order.

    >>> import torch
    >>> method = RLW()
    >>> method.step({"a": torch.tensor(2.0)}, method.init(["a"]))[0]
    tensor(2.)
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def init(self, tasks: Sequence[str]) -> State:
        """The number of the step."""
        return first_step()

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ λ_t L_t."""
        values, weights = stacked(losses), np.empty(len(losses))
        weights[by_name(list(losses))] = np.exp(generator(self.seed, state).normal(size=len(losses)))
        return (like(weights / weights.sum(), values) * values).sum(), after_step(state)
