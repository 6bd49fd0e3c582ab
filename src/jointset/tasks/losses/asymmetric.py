"""Asymmetric loss of label sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind
from jointset.tasks.losses.base import ClassLoss, Seen

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-4
SUREST = 20.0


class Asymmetric(ClassLoss):
    """−(1 − p)^γ₊ log p where a label applies, −p_m^γ₋ log(1 − p_m) where not, p_m = max(p − m, 0) (Ridnik et al.
    2021).

    With a(p) and b(p) the slopes of the two, the expected loss is least where the odds of P(given | x) are b(p) / a(p).
    The loss learns nothing from negatives below m, and P(given | x) cannot be told apart there.

    Parameters
    ----------
    positive, negative : γ₊ and γ₋, both at least 0.
    clip : m in [0, 1).

    >>> import torch
    >>> loss = Asymmetric(negative=2.0, clip=0.0)
    >>> loss.values(torch.zeros(1, 1, 2), torch.tensor([[0]]), Seen(torch.ones(1, 2)))
    tensor([[0.1733]])
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("multilabel",)

    def __init__(self, *, positive: float = 0.0, negative: float = 4.0, clip: float = 0.05) -> None:
        if positive < 0 or negative < 0:
            raise ValueError(f"positive and negative are at least 0, found {positive} and {negative}")
        if not 0 <= clip < 1:
            raise ValueError(f"clip is at least 0 and below 1, found {clip}")
        self.positive, self.negative, self.clip = positive, negative, clip

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        import torch

        log_p, p, shifted = self._parts(logits)
        on = -((1 - p).clamp(min=LEAST) ** self.positive) * log_p
        off = -(shifted**self.negative) * torch.log1p(-shifted)
        return torch.where(labels == 1, on, off)

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.calibrated`."""
        import torch

        log_p, p, shifted = self._parts(logits)
        rest, shifted = (1 - p).clamp(min=LEAST), shifted.clamp(min=LEAST)
        a = rest**self.positive / p.clamp(min=LEAST) - self.positive * rest ** (self.positive - 1) * log_p
        b = shifted**self.negative / (1 - shifted)
        b = b - self.negative * shifted ** (self.negative - 1) * torch.log1p(-shifted)
        odds = (b.log() - a.log()).clamp(-SUREST, SUREST)
        return torch.stack([torch.zeros_like(odds), odds], -1)

    def _parts(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_p = logits.log_softmax(-1)[..., 1]
        p = log_p.exp()
        return log_p, p, (p - self.clip).clamp(min=0, max=1 - LEAST)
