"""Fair resource allocation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.positive import solve_positive
from jointset.weighting.state import like

LEAST = 1e-5


class FairGrad(GramianWeighting):
    """The update of the fairest gains, by α-fairness (Ban & Ji 2024, arXiv 2402.15638, eq. 4, algorithm 1).

    Weights w > 0 with G w = w^(−1/α). ``alpha`` near 0 is the plain sum, 1 is Nash-MTL, and the larger it is the
    more the least gain counts, towards MGDA; the paper uses 1 to 5 and mostly 2.

    Solved exactly, as the minimum of a convex function; the authors stop a least-squares solver. Where gradients can
    cancel out there is no solution: 10⁻⁵ on the diagonal of the cosines bounds the weights.

    >>> import torch
    >>> FairGrad(alpha=1.0).weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.0000, 0.5000])
    """

    def __init__(self, *, alpha: float = 2.0) -> None:
        if not alpha > 0:
            raise ValueError(f"alpha is more than 0 (equal is the limit 0), found {alpha}")
        self.alpha = alpha

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The w with G w = w^(−1/α); a zero gradient gets weight 1."""
        found, power = cosines(gramian), 1.0 / self.alpha
        size = float(np.exp(np.log(found.norms).mean()))  # takes out the common scale of the gradients
        relative = (found.norms / size) ** (power - 1.0)
        unit = solve_positive(found.raised(LEAST), relative, power) * size ** ((power - 1.0) / (power + 1.0))
        return like(found.rows(np.where(found.zero, 1.0, unit)), gramian), state
