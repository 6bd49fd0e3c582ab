"""The network of the default text encoder."""

from __future__ import annotations

from torch import Tensor, nn


class TextBagModule(nn.Module):
    """``offsets (b + 1,)`` and ``ids (m,)`` of ragged rows → ``(b, width)``.

    >>> import torch
    >>> module = TextBagModule(8, dim=2, width=3)
    >>> module(torch.tensor([0, 2, 2]), torch.tensor([1, 5])).shape
    torch.Size([2, 3])
    """

    sparse_parameters = ("bag.weight",)

    def __init__(self, rows: int, dim: int, width: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(rows, dim, mode="sum", sparse=True, include_last_offset=True)
        nn.init.zeros_(self.bag.weight)
        self.out = nn.Linear(dim, width)

    def forward(self, offsets: Tensor, ids: Tensor) -> Tensor:
        """``(b + 1,), (m,)`` → ``(b, width)``."""
        counts = offsets.diff().clamp(min=1).to(self.out.weight.dtype)  # (b,)
        return self.out(self.bag(ids, offsets) * counts.rsqrt()[:, None])
