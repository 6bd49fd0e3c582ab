"""Projection of conflicting gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.draws import after_step, first_step, generator, visits
from jointset.weighting.state import like


class PCGrad(GramianWeighting):
    """The sum of the task gradients, each without what conflicts with the others (Yu et al. 2020, arXiv 2001.06782).

    Algorithm 1: gradient i visits the others in random order and loses its component along every g_j that it then
    conflicts with. The projected gradients are combinations of the given ones, so their coefficients are followed in
    the Gramian; all i take a visit together. The orders follow from ``seed`` and the number of the step.

    >>> import torch
    >>> method = PCGrad()
    >>> gramian = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
    >>> method.weigh(gramian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([1.5000, 1.5000])
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def init(self, tasks: Sequence[str]) -> State:
        """The number of the step."""
        return first_step()

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The coefficients of the projected gradients, summed."""
        found = cosines(gramian)
        rows, one = np.arange(len(tasks)), np.eye(len(tasks))
        coefficients, products = (
            one.copy(),
            found.matrix.copy(),
        )  # of unit gradients; products with all of them
        for visited in visits(tasks, generator(self.seed, state)).T:
            conflict = np.minimum(products[rows, visited], 0.0)
            coefficients[rows, visited] -= conflict
            products -= conflict[:, None] * found.matrix[visited]
        return like(found.rows(found.norms @ coefficients), gramian), after_step(state)
