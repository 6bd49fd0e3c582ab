"""Projection of the mean gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.nonnegative import solve_nonnegative
from jointset.weighting.preference import checked, mean_preference
from jointset.weighting.state import like


class DualProj(GramianWeighting):
    """The mean of the task gradients, projected onto the cone where no task loses (Lopez-Paz & Ranzato 2017, eq. 11).

    arXiv 1706.08840 for past tasks; Quinton & Rey 2024 (arXiv 2406.16232, section 4) for tasks trained together:
    π(Σ u_i g_i) with u = 1/k, or ``weights`` by task. It is the nearest update to the mean gradient that conflicts with
    no task. One problem, where UPGrad solves k.

    >>> import torch
    >>> DualProj().weigh(torch.tensor([[1.0, -2.0], [-2.0, 9.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.0000, 0.5000])
    """

    def __init__(self, *, weights: Mapping[str, float] | None = None) -> None:
        self.weights = checked(weights)

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The weights of π(Σ u_i g_i)."""
        found = cosines(gramian)
        share = mean_preference(self.weights, tasks) * found.norms
        added = solve_nonnegative(found.raised(), (share @ found.matrix)[None])[0]
        return like(found.rows(share + added), gramian), state
