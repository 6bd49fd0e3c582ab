"""Cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind
from jointset.tasks.losses.base import CLASSES, ClassLoss, Seen, log_prior

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(ClassLoss):
    """Cross-entropy, −log p_y; for multilabel, binary cross-entropy of every label.

    Parameters
    ----------
    adjust : τ ≥ 0 of post-hoc logit adjustment (Menon et al. 2021, eq. 9): predictions name the class with the largest
        z_k − τ log π_k, where π are the shares of the classes; training and probabilities stay as they are.

    >>> import torch
    >>> CrossEntropy().values(torch.zeros(1, 2), torch.tensor([1]), Seen(torch.tensor([1, 1])))
    tensor([0.6931])
    """

    kinds: ClassVar[tuple[Kind, ...]] = CLASSES

    def __init__(self, *, adjust: float = 0.0) -> None:
        if adjust < 0:
            raise ValueError(f"adjust is at least 0, found {adjust}")
        self.adjust = adjust

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        import torch.nn.functional as F

        if labels.ndim == 1:
            return F.cross_entropy(logits, labels, reduction="none")
        z = logits[..., 1] - logits[..., 0]
        return F.binary_cross_entropy_with_logits(z, labels.to(z.dtype), reduction="none")

    def decided(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.decided`."""
        return logits - self.adjust * log_prior(seen.counts) if self.adjust else logits

    def start(self, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.start`: the shares of the classes."""
        return log_prior(seen.counts)
