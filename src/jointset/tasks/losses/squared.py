"""Squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jointset.tasks.losses.base import NumberLoss

if TYPE_CHECKING:
    from torch import Tensor


class Squared(NumberLoss):
    """Half the squared error.

    >>> import torch
    >>> Squared().values(torch.tensor([[0.5]]), torch.tensor([2.5]))
    tensor([2.])
    """

    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`NumberLoss.values`."""
        return 0.5 * (logits[:, 0] - targets) ** 2
