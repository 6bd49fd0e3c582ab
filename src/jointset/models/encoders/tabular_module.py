"""The network of the tabular encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn


class TabularModule(nn.Module):
    """``numbers (b, d)`` and ``categories (b, c)`` → ``(b, width)``.

    >>> module = TabularModule(4, [3, 5], hidden=8, width=6)
    >>> module(torch.zeros(2, 4), torch.zeros(2, 2, dtype=torch.long)).shape
    torch.Size([2, 6])
    """

    def __init__(self, n_numbers: int, sizes: Sequence[int], hidden: int, width: int) -> None:
        super().__init__()
        dims = [min(16, 2 + round(size**0.5)) for size in sizes]
        self.embeddings = nn.ModuleList(
            [nn.Embedding(size, dim) for size, dim in zip(sizes, dims, strict=True)]
        )
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=0.1)  # type: ignore[arg-type]
        self.hidden = nn.Linear(n_numbers + sum(dims), hidden)
        self.out = nn.Linear(hidden, width)
        self.skip = nn.Linear(n_numbers + sum(dims), width)
        self.stage_widths = {"columns": n_numbers + sum(dims), "hidden": hidden}

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """``(b, d), (b, c)`` → ``(b, width)``."""
        return self.staged((), numbers, categories)[0]

    def staged(
        self, names: Collection[str], numbers: Tensor, categories: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """``(b, d), (b, c)`` → ``(b, width)``, and of ``names`` the embedded columns and the hidden layer."""
        parts = [numbers, *(e(categories[:, i]) for i, e in enumerate(self.embeddings))]
        x = torch.cat(parts, 1)  # (b, d + embedded)
        hidden = torch.relu(self.hidden(x))
        found = {name: y for name, y in (("columns", x), ("hidden", hidden)) if name in names}
        return self.skip(x) + self.out(hidden), found
