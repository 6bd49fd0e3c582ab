"""Hard sharing: one trunk for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from jointset.models.sharing.base import Sharing


class Hard(Sharing):
    """One residual trunk that all tasks share (Caruana 1997).

    Each layer adds a gated correction to its input, so that the path from the encoder to the heads stays linear
    where the data ask for no more: with noisy labels, that is what keeps the model from memorising them.

    >>> import torch
    >>> out = Hard(["a", "b"], width=4, depth=1, dropout=0.0)(torch.ones(2, 4))
    >>> sorted(out), out["a"].shape
    (['a', 'b'], torch.Size([2, 4]))
    """

    def __init__(self, tasks: Sequence[str], *, width: int, depth: int, dropout: float) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(depth)
        )
        for layer in self.layers:
            nn.init.zeros_(layer[-1].weight)  # type: ignore[index]
            nn.init.zeros_(layer[-1].bias)  # type: ignore[index]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(b, width)`` → the same ``(b, width)`` for every task."""
        for layer in self.layers:
            x = x + layer(x)
        return dict.fromkeys(self.tasks, x)

    def embedding(self, features: dict[str, Tensor]) -> Tensor:
        """The trunk's output."""
        return next(iter(features.values()))
