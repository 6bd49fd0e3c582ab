"""Conflict-free gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.state import like


class ConFIG(GramianWeighting):
    """The update with equal cosines to all task gradients (Liu, Chu & Thuerey 2024, arXiv 2408.11104, eq. 2).

    Its direction u solves ⟨u, g_i / ‖g_i‖⟩ = const, u ∝ U⁺ 1 with the unit gradients as rows of U, and its length is
    Σ ⟨g_i, u⟩, so that it shrinks as gradients come to conflict. The direction is that of IMTL-G, the length another.

    U⁺ 1 = Uᵀ C⁺ 1 with the cosines C = UUᵀ, so the Gramian is enough. It holds half the digits of the gradients: what
    is above the rounding error of C counts as independent, where the authors' pseudo-inverse sees twice as far.

    >>> import torch
    >>> ConFIG().weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.5000, 0.7500])
    """

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """C⁺ 1 / ‖g‖, scaled; zero for opposed gradients."""
        found = cosines(gramian)
        direction = found.inverse_times_ones()
        along = found.matrix @ direction
        square = float(direction @ along)
        length = float(np.where(found.zero, 0.0, found.norms) @ along)
        scale = length / square if square > found.noise * float(direction @ direction) else 0.0
        return like(found.rows(direction) * scale, gramian), state
