"""Unconflicting projection of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.nonnegative import solve_nonnegative
from jointset.weighting.preference import checked, mean_preference
from jointset.weighting.state import like


class UPGrad(GramianWeighting):
    """The mean of the task gradients, each projected onto the cone where no task loses (Quinton & Rey 2024).

    arXiv 2406.16232, eq. 3 for the projection π onto the dual cone of the gradients, proposition 1 for its weights:
    π(Σ u_i g_i) = Σ v_i g_i with v = argmin vᵀGv over v ≥ u. The update is (1/k) Σ π(g_i); it conflicts with no task,
    and each task's share grows with its gradient. ``weights`` by task replace the 1/k.

    The k problems share a matrix and are solved together, exactly, on the cosines of the gradients; the peers' 10⁻⁴ on
    the diagonal is here the rounding error of the Gramian, and does not drown tasks of small gradients.

    >>> import torch
    >>> UPGrad().weigh(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([0.7500, 0.7500])
    """

    def __init__(self, *, weights: Mapping[str, float] | None = None) -> None:
        self.weights = checked(weights)

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Σ_i of the weights of π(u_i g_i)."""
        found = cosines(gramian)
        share = mean_preference(self.weights, tasks) * found.norms
        projected = np.eye(len(tasks)) + solve_nonnegative(found.raised(), found.matrix)
        return like(found.rows(share @ projected), gramian), state
