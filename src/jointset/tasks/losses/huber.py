"""Huber loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jointset.tasks.losses.base import NumberLoss

if TYPE_CHECKING:
    from torch import Tensor


class Huber(NumberLoss):
    """Half the squared error up to δ, linear beyond (Huber 1964): gross errors in the labels pull less.

    Parameters
    ----------
    delta : δ > 0, in standard deviations of the training labels.

    >>> import torch
    >>> Huber(delta=1.0).values(torch.tensor([[0.5], [0.0]]), torch.tensor([1.0, 3.0]))
    tensor([0.1250, 2.5000])
    """

    def __init__(self, *, delta: float = 1.0) -> None:
        if delta <= 0:
            raise ValueError(f"delta is above 0, found {delta}")
        self.delta = delta

    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`NumberLoss.values`."""
        import torch.nn.functional as F

        return F.huber_loss(logits[:, 0], targets, reduction="none", delta=self.delta)
