"""What every loss is: logits and labels in, one value per label out, and the way back to P(given | x)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jointset.records import Kind, Task

if TYPE_CHECKING:
    from torch import Tensor

    from jointset.tasks.head import Head

EXCLUSIVE: tuple[Kind, ...] = ("binary", "multiclass")
CLASSES: tuple[Kind, ...] = (*EXCLUSIVE, "multilabel")
NUMBERS: tuple[Kind, ...] = ("regression",)


@dataclass(frozen=True)
class Seen:
    """What a head knows of the labels it was trained on.

    ``counts`` are the labels by class, ``(C,)``, or for multilabel those without and with each label, ``(K, 2)``.
    ``late`` says whether a deferred stage of the loss has begun.
    """

    counts: Tensor
    late: bool = False


class Loss(ABC):
    """One loss. The constructor is the configuration (``tasks.T.loss``).

    ``kinds`` are the kinds of task that it fits; ``outputs`` is the number of logits per value or class; ``defer`` is
    the share of ``training.epochs`` after which its deferred stage begins, or None.
    """

    kinds: ClassVar[tuple[Kind, ...]]
    outputs: ClassVar[int] = 1
    defer: float | None = None

    def unfit(self, task: Task) -> str | None:
        """Why the options do not fit the task, or None."""
        return None

    def head(self, width: int, outputs: int, counts: tuple[int, ...]) -> Head:
        """The layer from ``(b, width)`` to ``(b, outputs)`` logits; ``counts`` is the shape of ``Seen.counts``."""
        from jointset.tasks.head import Head

        return Head(width, outputs * self.outputs, counts)


class ClassLoss(Loss):
    """A loss of classes.

    C logits stand in the last dimension; a label of a multilabel task is a problem of two classes with the logits 0
    and z, so that one formula serves softmax and sigmoid.
    """

    @abstractmethod
    def values(self, logits: Tensor, labels: Tensor, seen: Seen) -> Tensor:
        """``(…, C)`` and class codes ``(…,)`` → ``(…,)``."""

    def calibrated(self, logits: Tensor, seen: Seen) -> Tensor:
        """Logits ``(…, C)`` whose softmax estimates P(given | x), which is what the audit reads.

        A loss whose expectation is least somewhere else inverts that shift here.
        """
        return logits

    def decided(self, logits: Tensor, seen: Seen) -> Tensor:
        """Logits ``(…, C)`` whose largest names the prediction."""
        return logits

    def start(self, seen: Seen) -> Tensor:
        """Logits ``(…, C)`` that a model begins with whatever the input; losses that draw classes level begin level."""
        import torch

        return torch.zeros(seen.counts.shape)


class NumberLoss(Loss):
    """A loss of numbers, on the standardised scale."""

    kinds: ClassVar[tuple[Kind, ...]] = NUMBERS

    @abstractmethod
    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """``(b, outputs)`` and ``(b,)`` → ``(b,)``; the first output is the prediction."""


def log_prior(counts: Tensor) -> Tensor:
    """Log shares of the classes, ``(…, C)``; a class without a label counts as one."""
    some = counts.clamp(min=1).float()
    return (some / some.sum(-1, keepdim=True)).log()


def effective_weights(counts: Tensor, beta: float, most: float) -> Tensor:
    """Class weights ∝ (1 − β) / (1 − β^n), one over the effective number (Cui et al. 2019), ``(…, C)``.

    Their mean over the labels is 1.

    β = 1 is the limit 1 / n. None is more than ``most`` times the least; a class without a label has weight 1.

    >>> import torch
    >>> effective_weights(torch.tensor([6, 2]), 1.0, 100.0)
    tensor([0.6667, 2.0000])
    """
    import torch

    n = counts.clamp(min=1).double()
    raw = 1 / n if beta == 1 else (1 - beta) / -torch.expm1(n * torch.log(torch.tensor(beta).double()))
    raw = torch.where(counts > 0, raw, torch.inf)
    raw = torch.minimum(raw, most * raw.amin(-1, keepdim=True))
    mean = torch.where(counts > 0, raw * n, 0).sum(-1, keepdim=True) / counts.sum(-1, keepdim=True).clamp(
        min=1
    )
    return torch.where(counts > 0, raw / mean, 1.0).float()


def pick(values: Tensor, labels: Tensor) -> Tensor:
    """The entry of each label: ``(…, C)`` or ``(C,)`` by class codes ``(…,)`` → ``(…,)``."""
    import torch

    spread = values.expand(*labels.shape, values.shape[-1])
    return torch.gather(spread, -1, labels[..., None])[..., 0]
