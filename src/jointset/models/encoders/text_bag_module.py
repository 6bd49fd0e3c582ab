"""The network of the default text encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TextBagModule(nn.Module):
    """Ragged rows of n-grams of words, of characters or both, each ``offsets (b + 1,)``, ``ids (m,)`` → ``(b, width)``.

    While training, a share ``dropout`` of the n-grams is left out, drawn anew each time, or less of a row that would
    keep fewer than ``least``. A sum over k of n n-grams is divided by √k; at prediction the sum over all n is scaled
    so that its expectation is the same.

    >>> module = TextBagModule(8, dim=2, width=3)
    >>> module(torch.tensor([0, 2, 2]), torch.tensor([1, 5])).shape
    torch.Size([2, 3])
    """

    sparse_parameters = ("bag.weight",)

    def __init__(self, rows: int, dim: int, width: int, dropout: float = 0.0, least: int = 0) -> None:
        super().__init__()
        self.kept = 1.0 - dropout
        self.least = least
        self.bag = nn.EmbeddingBag(rows, dim, mode="sum", sparse=True, include_last_offset=True)
        nn.init.zeros_(self.bag.weight)
        # No bias: a text then says nothing until it is learnt from; small data lost epochs on unlearning one.
        self.out = nn.Linear(dim, width, bias=False)
        # Fixed: where table and projection grow together, each speeds the other up and labels are memorised.
        self.out.weight.requires_grad_(False)

    def forward(
        self,
        words_offsets: Tensor | None = None,
        words_ids: Tensor | None = None,
        chars_offsets: Tensor | None = None,
        chars_ids: Tensor | None = None,
    ) -> Tensor:
        """``(b + 1,), (m,)`` of either kind or both → ``(b, width)``."""
        given = ((words_offsets, words_ids), (chars_offsets, chars_ids))
        sums = [self._sum(offsets, ids) for offsets, ids in given if offsets is not None and ids is not None]
        return self.out(torch.stack(sums).sum(0) if len(sums) > 1 else sums[0])

    def _sum(self, offsets: Tensor, ids: Tensor) -> Tensor:
        counts = offsets.diff()  # (b,)
        share = (self.least / counts.clamp(min=1)).clamp(self.kept, 1.0)  # (b,)
        scale = share.sqrt()
        if self.training and self.kept < 1.0:
            keep = torch.rand(len(ids), device=ids.device) < share.repeat_interleave(counts)  # (m,)
            before = torch.cat([keep.new_zeros(1, dtype=torch.long), keep.cumsum(0)])  # (m + 1,)
            ids, offsets, scale = ids[keep], before[offsets], torch.ones_like(share)
        kept = offsets.diff().clamp(min=1).to(self.out.weight.dtype)  # (b,)
        return self.bag(ids, offsets) * (scale * kept.rsqrt())[:, None]
