"""Logit-adjusted cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind
from jointset.tasks.losses.base import CLASSES, ClassLoss, Seen, log_prior, pick

if TYPE_CHECKING:
    from torch import Tensor


class LogitAdjustment(ClassLoss):
    """Cross-entropy of the logits plus τ log π, with π the shares of the classes (Menon et al. 2021, eq. 10).

    What is trained is softmax(z + τ log π) = P(given | x); the logits z themselves, with τ = 1, are those of balanced
    classes, and predictions follow them.

    Parameters
    ----------
    tau : τ ≥ 0; 1 makes predictions for the balanced error, less for something between that and accuracy.

    >>> import torch
    >>> LogitAdjustment().values(torch.zeros(1, 2), torch.tensor([1]), Seen(torch.tensor([3, 1]))).exp()
    tensor([4.])
    """

    kinds: ClassVar[tuple[Kind, ...]] = CLASSES

    def __init__(self, *, tau: float = 1.0) -> None:
        if tau < 0:
            raise ValueError(f"tau is at least 0, found {tau}")
        self.tau = tau

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        return -pick(self.calibrated(logits, seen).log_softmax(-1), labels)

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.calibrated`."""
        return logits + self.tau * log_prior(seen.counts)
