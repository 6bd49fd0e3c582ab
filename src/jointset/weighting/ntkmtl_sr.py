"""Balance of the tangent kernels at the shared representation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.state import like


class NTKMTLSR(GramianWeighting):
    """Weights that even out how fast the tasks converge, seen from the features (Qin et al. 2025, arXiv 2510.18258).

    ω_i = (Σ_j λ_j / λ_i)^``exponent`` as in NTKMTL, λ_i the largest eigenvalue of the task's kernel at the shared
    representation: hand in the Gramian at the features, which takes one pass through the trunk in all.

    The authors cut the batch into four parts and take the eigenvalue over them. A part's loss has a gradient at its own
    rows only, so that kernel is diagonal and its eigenvalue the largest ‖·‖² of a part; we take the whole batch, where
    λ_i = ‖∂L_i/∂z‖², which steadies it.

    >>> import torch
    >>> NTKMTLSR().weigh(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.1547, 2.0000])
    """

    at_features: ClassVar[bool] = True

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
