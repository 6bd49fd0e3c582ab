"""Learnt mixtures between columns."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def towards(n: int, same: float) -> Tensor:
    """The ``(n, n)`` mixture that takes the share ``same`` of its own column and the rest evenly from the others.

    >>> towards(3, 0.8).tolist()[0]
    [0.800000011920929, 0.10000000149011612, 0.10000000149011612]
    """
    other = (1.0 - same) / max(n - 1, 1)
    return torch.full((n, n), other).fill_diagonal_(same if n > 1 else 1.0)


class Mix(nn.Module):
    """x̃_t = Σ_s α_ts x_s over columns ``(n, b, …)``; α starts at ``start``, ``(n, n)`` or ``(n, n, width)``.

    What is learnt is the deviation from the start, so that weight decay leads back to it and not to zero.
    """

    start: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", start)
        self.change = nn.Parameter(torch.zeros_like(start))

    @property
    def alpha(self) -> Tensor:
        """The mixture as it stands."""
        return self.start + self.change

    def forward(self, x: Tensor) -> Tensor:
        """``(n, b, width)`` → ``(n, b, width)``."""
        return torch.einsum("tsw,sbw->tbw" if self.start.ndim == 3 else "ts,sbw->tbw", self.alpha, x)
