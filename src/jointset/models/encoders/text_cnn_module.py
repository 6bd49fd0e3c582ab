"""The network of the convolutional text encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TextCNNModule(nn.Module):
    """``ids (b, t)`` with 0 = padding → ``(b, width)``.

    >>> module = TextCNNModule(9, dim=4, filters=2, kernels=(2, 3), dropout=0.0, width=5)
    >>> module(torch.tensor([[1, 2, 0], [3, 0, 0]])).shape
    torch.Size([2, 5])
    """

    sparse_parameters = ("embedding.weight",)

    def __init__(
        self, rows: int, dim: int, filters: int, kernels: Sequence[int], dropout: float, width: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, dim, padding_idx=0, sparse=True)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.convolutions = nn.ModuleList([nn.Conv1d(dim, filters, k, padding=k - 1) for k in kernels])
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(filters * len(kernels), width)
        self.stage_widths = {"words": dim, "convolutions": filters * len(kernels)}

    def forward(self, ids: Tensor) -> Tensor:
        """``(b, t)`` → ``(b, width)``."""
        return self.staged((), ids)[0]

    def staged(self, names: Collection[str], ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(b, t)`` → ``(b, width)``, and of ``names`` the mean word ``(b, dim)`` and the pooled convolutions."""
        x = self.embedding(ids).transpose(1, 2)  # (b, dim, t)
        lengths = (ids > 0).sum(1)  # (b,)
        pooled = torch.cat(
            [self._pool(c, x, lengths) for c in self.convolutions], 1
        )  # (b, filters · kernels)
        found = {"convolutions": pooled} if "convolutions" in names else {}
        if "words" in names:
            found["words"] = x.sum(2) / lengths.clamp(min=1)[:, None]  # padding is zero
        return self.out(self.dropout(pooled)), found

    @staticmethod
    def _pool(convolution: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
        """The largest response over windows that touch the text, so that padding changes nothing."""
        features = F.relu(convolution(x))  # (b, filters, t + k - 1)
        last = lengths[:, None] + features.shape[2] - x.shape[2]  # (b, 1)
        beyond = torch.arange(features.shape[2], device=x.device) >= last  # (b, t + k - 1)
        return features.masked_fill(beyond[:, None], 0.0).amax(2)
