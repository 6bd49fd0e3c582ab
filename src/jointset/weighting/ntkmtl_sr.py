"""Balance of the tangent kernels at the shared representation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from jointset.weighting.base import JacobianWeighting, State


class NTKMTLSR(JacobianWeighting):
    """Weights that even out how fast the tasks converge, seen from the features (Qin et al. 2025, arXiv 2510.18258).

    ω_i = (Σ_j λ_j / λ_i)^``exponent``, λ_i the largest eigenvalue of the task's kernel at the shared representation
    over ``parts`` of the batch. The loss of a part has a gradient at its own rows only, so the kernel is diagonal and
    λ_i is the largest ‖·‖² of a part: it is read off the gradients at the features, cut into parts, with no further
    pass. (The authors go back to the features once for each task and part.)

    With labels missing, the parts of a task's loss are weighed by their labelled rows.

    >>> method = NTKMTLSR(parts=2)
    >>> jacobian = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0]])
    >>> method.combine(jacobian, torch.ones(2), ["a", "b"], {})[0]
    tensor([2.2361, 2.2361, 2.2361, 2.2361])
    """

    at_features: ClassVar[bool] = True

    def __init__(self, *, exponent: float = 0.5, parts: int = 4) -> None:
        if parts < 1:
            raise ValueError(f"parts is at least 1, found {parts}")
        self.exponent = exponent
        self.parts = parts

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Σ ω_i g_i; a zero gradient has no part in the sum of λ."""
        cut = jacobian.double().tensor_split(min(self.parts, jacobian.shape[1]), dim=1)
        largest = torch.stack([part.square().sum(1) for part in cut]).amax(0)  # (k,)
        present = torch.where(largest > 0, largest, torch.ones_like(largest))
        weights = (largest.sum() / present).pow(self.exponent)
        return torch.where(largest > 0, weights, 1.0).to(jacobian) @ jacobian, state
