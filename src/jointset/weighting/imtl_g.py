"""Impartial gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.state import like

LEAST = 0.1


class IMTLG(GramianWeighting):
    """The update with equal projections on all task gradients (Liu et al. 2021, ICLR, section 3.1).

    ⟨d, g_i⟩ / ‖g_i‖ is the same for all i, and Σ w_i = 1. With unit gradients of cosines C, w_i ∝ (C⁺ 1)_i / ‖g_i‖,
    which is the paper's closed form and also serves dependent gradients (as in Quinton & Rey 2024, who invert G
    instead).

    Weights may be negative, and their sum before scaling may come near zero or below, where the paper's update explodes
    or climbs. We divide by the sum, but by no less than a tenth of the sum of absolute values: every task then gains,
    and no weight exceeds 10.

    >>> import torch
    >>> IMTLG().weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([0.6667, 0.3333])
    """

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """C⁺ 1 / ‖g‖, scaled; zero for opposed gradients, which no update but zero treats alike."""
        found = cosines(gramian)
        weights = found.rows(found.inverse_times_ones())
        total = max(float(weights.sum()), LEAST * float(np.abs(weights).sum()))
        return like(weights / total if total > 0 else weights, gramian), state
