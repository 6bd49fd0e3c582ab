"""The network of the default text encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TextBagModule(nn.Module):
    """``offsets (b + 1,)`` and ``ids (m,)`` of ragged rows → ``(b, width)``.

    While training, a share ``dropout`` of the n-grams is left out, drawn anew each time. A sum over k of n
    n-grams is divided by √k; at prediction the sum over all n is scaled so that its expectation is the same.

    >>> module = TextBagModule(8, dim=2, width=3)
    >>> module(torch.tensor([0, 2, 2]), torch.tensor([1, 5])).shape
    torch.Size([2, 3])
    """

    sparse_parameters = ("bag.weight",)

    def __init__(self, rows: int, dim: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.kept = 1.0 - dropout
        self.bag = nn.EmbeddingBag(rows, dim, mode="sum", sparse=True, include_last_offset=True)
        nn.init.zeros_(self.bag.weight)
        # No bias: a text then says nothing until it is learnt from; small data lost epochs on unlearning one.
        self.out = nn.Linear(dim, width, bias=False)
        # Fixed: where table and projection grow together, each speeds the other up and labels are memorised.
        self.out.weight.requires_grad_(False)

    def forward(self, offsets: Tensor, ids: Tensor) -> Tensor:
        """``(b + 1,), (m,)`` → ``(b, width)``."""
        scale = self.kept**0.5
        if self.training and self.kept < 1.0:
            keep = torch.rand(len(ids), device=ids.device) < self.kept  # (m,)
            before = torch.cat([keep.new_zeros(1, dtype=torch.long), keep.cumsum(0)])  # (m + 1,)
            ids, offsets, scale = ids[keep], before[offsets], 1.0
        counts = offsets.diff().clamp(min=1).to(self.out.weight.dtype)  # (b,)
        return self.out(self.bag(ids, offsets) * (scale * counts.rsqrt())[:, None])
