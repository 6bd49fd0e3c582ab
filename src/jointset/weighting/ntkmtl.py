"""Balance of the tangent kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.state import like


class NTKMTL(GramianWeighting):
    """Weights that even out how fast the tasks converge, by their tangent kernels (Qin et al. 2025, arXiv 2510.18258).

    ω_i = (Σ_j λ_j / λ_i)^``exponent``, λ_i the largest eigenvalue of the task's kernel over parts of the batch. With
    one part, as the authors run it, the kernel is the number ‖g_i‖². At the exponent ½ all ω_i g_i are of one length,
    √tr G. Weights are at least 1; the authors multiply the shared update by k on top.

    >>> import torch
    >>> NTKMTL().weigh(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.1547, 2.0000])
    """

    def __init__(self, *, exponent: float = 0.5) -> None:
        if not exponent >= 0:
            raise ValueError(f"exponent is at least 0, found {exponent}")
        self.exponent = exponent

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """ω; 1 for a zero gradient, which has no part in the sum."""
        found = cosines(gramian)
        squares = found.norms**2
        total = squares[~found.zero].sum()
        return like(np.where(found.zero, 1.0, (total / squares) ** self.exponent), gramian), state
