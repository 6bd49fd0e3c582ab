"""Label-distribution-aware margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind
from jointset.tasks.losses.base import EXCLUSIVE, ClassLoss, Seen, effective_weights, pick

if TYPE_CHECKING:
    from torch import Tensor

    from jointset.tasks.head import Head


class LDAM(ClassLoss):
    """Cross-entropy with margins Δ_k ∝ n_k^(−1/4) on the label's logit (Cao et al. 2019).

    Logits are cosines times ``scale``, as margins mean nothing without a scale. The expected loss is least where
    P(given = k | x) ∝ q_k (1 − (1 − e^(−sΔ_k)) q_k) / w_k with q the softmax of the logits, s the scale and w the
    weights of the deferred stage, which follows from its gradient.

    Parameters
    ----------
    margin : the rarest class's Δ.
    scale : s, the largest logit.
    defer : share of the epochs after which weights of effective numbers come in (DRW), or None.
    beta, most : of those weights; see :func:`~jointset.tasks.losses.base.effective_weights`.

    >>> import torch
    >>> loss = LDAM(margin=0.5, scale=1.0)
    >>> loss.values(torch.zeros(2, 2), torch.tensor([0, 1]), Seen(torch.tensor([16, 1])))
    tensor([0.8259, 0.9741])
    """

    kinds: ClassVar[tuple[Kind, ...]] = EXCLUSIVE

    def __init__(
        self,
        *,
        margin: float = 0.5,
        scale: float = 30.0,
        defer: float | None = None,
        beta: float = 0.9999,
        most: float = 100.0,
    ) -> None:
        if margin < 0 or scale <= 0:
            raise ValueError(f"margin is at least 0 and scale above 0, found {margin} and {scale}")
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is between 0 and 1, found {beta}")
        if most < 1:
            raise ValueError(f"most is at least 1, found {most}")
        if defer is not None and not 0 < defer < 1:
            raise ValueError(f"defer is between 0 and 1, found {defer}")
        self.margin, self.scale, self.defer, self.beta, self.most = margin, scale, defer, beta, most

    def head(self, width: int, outputs: int, counts: tuple[int, ...]) -> Head:
        """See :meth:`Loss.head`."""
        from jointset.tasks.head import CosineHead

        return CosineHead(width, outputs, counts, scale=self.scale)

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        import torch

        own = torch.nn.functional.one_hot(labels, logits.shape[-1]).to(logits.dtype)
        values = -pick((logits - own * self._margins(seen)).log_softmax(-1), labels)
        return values * pick(self._weights(seen), labels) if self._weighs(seen) else values

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.calibrated`."""
        import torch

        log_q = logits.log_softmax(-1)
        rest = (-log_q.exp()).log1p()  # log (1 − q), of the likeliest class by the others: 1 − q rounds to 0
        top = log_q.argmax(-1, keepdim=True)
        others = log_q.scatter(-1, top, float("-inf")).logsumexp(-1, keepdim=True)
        rest = rest.scatter(-1, top, others.to(rest.dtype))
        found = log_q + torch.logaddexp(rest, log_q - self._margins(seen))
        return found - self._weights(seen).log() if self._weighs(seen) else found

    def _margins(self, seen: Seen) -> Tensor:
        root = seen.counts.clamp(min=1).float() ** -0.25
        return self.scale * self.margin * root / root.max()

    def _weighs(self, seen: Seen) -> bool:
        return self.defer is not None and seen.late

    def _weights(self, seen: Seen) -> Tensor:
        return effective_weights(seen.counts, self.beta, self.most)
