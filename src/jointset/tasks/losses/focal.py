"""Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind, Task
from jointset.tasks.losses.base import CLASSES, ClassLoss, Seen, log_prior, pick

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-6


class Focal(ClassLoss):
    """Focal loss, −α_y (1 − p_y)^γ log p_y (Lin et al. 2017, eq. 5), of softmax or of every label's sigmoid.

    Its expectation is not least at P(given | x), but at a flatter q, from which P(given = k | x) ∝ h(q_k) / α_k with
    h(q) = q / ((1 − q)^γ − γ (1 − q)^(γ−1) q log q) (Charoenphakdee et al. 2021).

    Parameters
    ----------
    gamma : γ ≥ 0; 0 is cross-entropy.
    alpha : weight of the positive class of a binary task or label, in (0, 1); the other one's is 1 − α.

    >>> import torch
    >>> Focal(gamma=2.0).values(torch.zeros(1, 2), torch.tensor([1]), Seen(torch.tensor([1, 1])))
    tensor([0.1733])
    """

    kinds: ClassVar[tuple[Kind, ...]] = CLASSES

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None) -> None:
        if gamma < 0:
            raise ValueError(f"gamma is at least 0, found {gamma}")
        if alpha is not None and not 0 < alpha < 1:
            raise ValueError(f"alpha is between 0 and 1, found {alpha}")
        self.gamma, self.alpha = gamma, alpha

    def unfit(self, task: Task) -> str | None:
        """See :meth:`Loss.unfit`."""
        if self.alpha is not None and task.kind == "multiclass":
            return "alpha weighs the positive one of two classes, and this task is multiclass; take it out"
        return None

    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.values`."""
        log_p = pick(logits.log_softmax(-1), labels)
        rest = (-log_p.expm1()).clamp(min=LEAST)
        return -(rest**self.gamma) * log_p * pick(self._alphas(logits), labels)

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.calibrated`."""
        log_q = logits.log_softmax(-1)
        rest = (-log_q.expm1()).clamp(min=LEAST)
        ratio = -log_q.exp() * log_q / rest  # tends to 1 where q does
        h = log_q - self.gamma * rest.log() - (self.gamma * ratio).log1p()
        return h - self._alphas(logits).log()

    def _alphas(self, logits: Tensor) -> Tensor:
        if self.alpha is None:
            return logits.new_ones(logits.shape[-1])
        return logits.new_tensor([1 - self.alpha, self.alpha])

    def start(self, seen: Seen) -> Tensor:
        """See :meth:`ClassLoss.start`: the shares of the classes."""
        return log_prior(seen.counts)
