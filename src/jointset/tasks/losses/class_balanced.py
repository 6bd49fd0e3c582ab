"""Class-balanced cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind
from jointset.tasks.losses.base import CLASSES, ClassLoss, Seen, effective_weights, pick

if TYPE_CHECKING:
    from torch import Tensor


class ClassBalanced(ClassLoss):
    """Cross-entropy weighted by the inverse effective number of labels (Cui et al. 2019).

    The expected loss Σ_k p_k w_k (−log q_k) is least at q_k ∝ w_k p_k, so that P(given | x) ∝ q_k / w_k. We deviate
    in the scale: weights have mean 1 over the labels, not over the classes, as tasks share one total loss.

    Parameters
    ----------
    beta : β in [0, 1]; 0 weights nothing, 1 by inverse frequency (scikit-learn's "balanced").
    most : largest weight over the smallest.
    defer : share of the epochs before the weights come in (deferred re-weighting, Cao et al. 2019).

    >>> import torch
    >>> loss = ClassBalanced(beta=1.0)
    >>> loss.values(torch.zeros(2, 2), torch.tensor([0, 1]), Seen(torch.tensor([6, 2])))
    tensor([0.4621, 1.3863])
    """

    kinds: ClassVar[tuple[Kind, ...]] = CLASSES

    def __init__(self, *, beta: float = 0.999, most: float = 100.0, defer: float | None = None) -> None:
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is between 0 and 1, found {beta}")
        if most < 1:
            raise ValueError(f"most is at least 1, found {most}")
        if defer is not None and not 0 < defer < 1:
            raise ValueError(f"defer is between 0 and 1, found {defer}")
        self.beta, self.most, self.defer = beta, most, defer

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        values = -pick(logits.log_softmax(-1), labels)
        return values * pick(self._weights(seen), labels) if self._weighs(seen) else values

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.calibrated`."""
        return logits - self._weights(seen).log() if self._weighs(seen) else logits

    def _weighs(self, seen: Seen) -> bool:
        return self.defer is None or seen.late

    def _weights(self, seen: Seen) -> Tensor:
        return effective_weights(seen.counts, self.beta, self.most)
