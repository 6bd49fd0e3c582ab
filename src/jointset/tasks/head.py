"""The output layers, which remember the labels they were trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jointset.tasks.losses.base import Seen


class Head(nn.Linear):
    """``(b, width)`` → logits ``(b, outputs)``; class counts travel with the weights, as probabilities need them.

    >>> head = Head(4, 3, (3,))
    >>> head(torch.zeros(2, 4)).shape, head.seen.counts.tolist(), head.seen.late
    (torch.Size([2, 3]), [0, 0, 0], False)
    """

    counts: Tensor
    late: Tensor

    def __init__(self, width: int, outputs: int, counts: tuple[int, ...]) -> None:
        super().__init__(width, outputs)
        self.register_buffer("counts", torch.zeros(counts, dtype=torch.int64))
        self.register_buffer("late", torch.zeros((), dtype=torch.int64))

    @property
    def seen(self) -> Seen:
        """What the loss, and the way back from its logits to probabilities, need."""
        return Seen(self.counts, bool(self.late))


class CosineHead(Head):
    """Cosines of features and class vectors, times ``scale``.

    The features' length is bounded smoothly, x / √(1 + |x|²): encoders that start at zero have no direction yet.
    """

    def __init__(self, width: int, outputs: int, counts: tuple[int, ...], *, scale: float) -> None:
        super().__init__(width, outputs, counts)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        """``(b, width)`` → ``(b, outputs)``."""
        bounded = input / (1 + input.square().sum(-1, keepdim=True)).sqrt()
        return self.scale * F.linear(bounded, F.normalize(self.weight, dim=-1))
