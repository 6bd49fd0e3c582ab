"""Heteroscedastic Gaussian likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.tasks.losses.base import NumberLoss

if TYPE_CHECKING:
    from torch import Tensor

NARROWEST = -6.0  # log-variance, in squared standard deviations of the labels


class BetaNLL(NumberLoss):
    """½ σ^(2β) ((y − μ)² / σ² + log σ²) with σ^(2β) held fixed (Seitzer et al. 2022); μ and σ² are both learnt.

    Where labels scatter more, errors count less.

    Parameters
    ----------
    beta : β in [0, 1]; 0 is the Gaussian likelihood, 1 gives the mean the gradient of the squared error.

    >>> import torch
    >>> BetaNLL().values(torch.tensor([[0.5, 0.0]]), torch.tensor([2.5]))
    tensor([2.])
    """

    outputs: ClassVar[int] = 2

    def __init__(self, *, beta: float = 0.5) -> None:
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is between 0 and 1, found {beta}")
        self.beta = beta

    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`NumberLoss.values`."""
        log_variance = logits[:, 1].clamp(min=NARROWEST, max=-NARROWEST)
        values = 0.5 * ((logits[:, 0] - targets) ** 2 * (-log_variance).exp() + log_variance)
        return values * (self.beta * log_variance.detach()).exp()
