"""Aligned components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import symmetric
from jointset.weighting.preference import checked, mean_preference
from jointset.weighting.state import like

Scale = Literal["min", "median", "rmse"]


class AlignedMTL(GramianWeighting):
    """The mean of the task gradients made orthogonal and of one length (Senushkin et al. 2023).

    arXiv 2305.19000, algorithm 1: the principal components of the gradients are scaled to the least of their lengths
    σ, so that the weights are σ_r V Σ⁻¹ Vᵀ u with G = V Σ² Vᵀ and the preference u = 1/k, or ``weights`` by task.
    ``scale`` takes the median or the root mean square of the lengths in the place of the least, as the authors' code
    may.

    A component counts if its σ² is above k · eps of the type of the Gramian, as in that code; below there is only
    rounding. The least length makes the update as short as the most conflicting component: a small learning rate.

    >>> import torch
    >>> AlignedMTL().weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([0.5000, 0.2500])
    """

    def __init__(self, *, scale: Scale = "min", weights: Mapping[str, float] | None = None) -> None:
        if scale not in ("min", "median", "rmse"):
            raise ValueError(f"scale is min, median or rmse, found {scale!r}")
        self.scale = scale
        self.weights = checked(weights)

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """σ_r V Σ⁻¹ Vᵀ u; the preference itself where all gradients are zero."""
        share = mean_preference(self.weights, tasks)
        squares, vectors = np.linalg.eigh(symmetric(gramian))
        kind = gramian.dtype if gramian.dtype.is_floating_point else torch.float32
        kept = squares > squares[-1] * len(squares) * torch.finfo(kind).eps
        if squares[-1] <= 0:
            return like(share, gramian), state
        squares, vectors = squares[kept], vectors[:, kept]
        chosen = {"min": squares[0], "median": squares[(len(squares) - 1) // 2], "rmse": squares.mean()}
        scaled = np.sqrt(chosen[self.scale] / squares) * (share @ vectors)
        return like(vectors @ scaled, gramian), state
