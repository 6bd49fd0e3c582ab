"""The Nash bargaining solution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.positive import solve_positive
from jointset.weighting.state import like

LEAST = 1e-6


class NashMTL(GramianWeighting):
    """The update of the greatest product of gains (Navon et al. 2022, arXiv 2202.01017, claim 3.1, algorithm 1).

    Weights w > 0 with G w = 1 / w. The direction does not depend on the scale of any loss, and the update has length √k
    whatever the gradients, so the learning rate has to decay (or ``max_norm`` cut it: the authors' code cuts at 1).

    The equation is solved exactly, as the minimum of the convex ½ wᵀGw − Σ log w_i, at every step; the authors solve a
    sequence of convex approximations, by default to a few digits, and may reuse weights for some steps. Where gradients
    can cancel out there is no solution: 10⁻⁶ on the diagonal of the cosines bounds a weight by 10³ / ‖g_i‖.

    >>> import torch
    >>> NashMTL().weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.0000, 0.5000])
    """

    def __init__(self, *, max_norm: float | None = None) -> None:
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"max_norm is a length, more than 0, found {max_norm}")
        self.max_norm = max_norm

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The w with G w = 1 / w, shortened to ``max_norm``; a zero gradient gets weight 1."""
        found = cosines(gramian)
        unit = solve_positive(found.raised(LEAST), np.ones(len(tasks)), 1.0)
        if self.max_norm is not None:
            unit *= min(1.0, self.max_norm / np.sqrt(max(float(unit @ found.matrix @ unit), 1e-300)))
        return like(found.rows(unit), gramian), state
