"""What the ways of sharing that choose among experts have in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part, Sharing
from jointset.models.sharing.blocks import run_each, stack


class Experts(Sharing):
    """``experts[e]`` are stacks of layers; with separate encoders, each has encoders of its own.

    Gates read what the experts start from: the encoders' output, or its mean where each expert has encoders of its own.
    Without a layer (depth 0) an expert is one linear map that starts near the identity; the gates act as ever.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        experts: int,
        encoders: Apart,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, columns=experts, encoders=encoders)
        self.experts = nn.ModuleList(stack(width, depth, dropout) for _ in range(experts))

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: what gates read, ``(b, width)``, and the experts' outputs, ``(e, b, width)``."""
        return seen(x), run_each(self.experts, self.spread(x))

    def gate_parts(self, gates: nn.ModuleList) -> list[Part]:
        """One part a task."""
        return [Part("gate", (t,), (gate,)) for t, gate in zip(self.tasks, gates, strict=True)]


class Gate(nn.Module):
    """softmax(W x + b) over ``n`` experts, ``(b, width)`` → ``(b, n)``."""

    def __init__(self, width: int, n: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, n)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, width)`` → ``(b, n)``, rows sum to one."""
        return torch.softmax(self.linear(x), 1)


def seen(x: Tensor) -> Tensor:
    """What gates read: ``(b, width)`` as it is, the mean of ``(columns, b, width)``."""
    return x.mean(0) if x.ndim == 3 else x
