"""The layers that every way of sharing is made of."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Block(nn.Sequential):
    """A gated correction of its input: x + W₂ dropout(relu(W₁ norm(x))), which begins as the identity.

    The path from the encoder to the heads so stays linear where the data ask for no more: with noisy labels, that is
    what keeps the model from memorising them.

    >>> x = torch.ones(2, 4)
    >>> bool(torch.equal(Block(4, dropout=0.0)(x), x))
    True
    """

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
        nn.init.zeros_(self[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self[-1].bias)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """``(…, width)`` → ``(…, width)``."""
        return self.corrected(input, self.hidden(input))

    def hidden(self, x: Tensor) -> Tensor:
        """relu(W₁ norm(x))."""
        return self[2](self[1](self[0](x)))

    def corrected(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x + W₂ dropout(hidden)."""
        return x + self[4](self[3](hidden))


class Affine(nn.Linear):
    """x + W x + b, near the identity at the start. Weight decay pulls it towards the identity, not to zero."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        # Not zero: experts have to differ before their gates can tell them apart.
        nn.init.normal_(self.weight, std=0.1 * width**-0.5)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """``(…, width)`` → ``(…, width)``."""
        return input + super().forward(input)


def last_weight(layer: nn.Module) -> Tensor:
    """The weights ``(width, width)`` whose rows are the features that a layer puts out."""
    return (layer[-1] if isinstance(layer, Block) else layer).weight  # type: ignore[return-value]


def stack(width: int, depth: int, dropout: float) -> nn.Sequential:
    """``depth`` blocks, or one linear layer where depth is 0, so that there is always something to share.

    >>> len(stack(4, 3, 0.0)), len(stack(4, 0, 0.0))
    (3, 1)
    """
    blocks: list[nn.Module] = [Block(width, dropout=dropout) for _ in range(depth)]
    return nn.Sequential(*(blocks or [Affine(width)]))


def run_each(stacks: Iterable[nn.Module], x: Tensor) -> Tensor:
    """The outputs ``(c, b, width)`` of c stacks, each of its own column of ``x (c, b, width)``."""
    return torch.stack([layer(column) for layer, column in zip(stacks, x, strict=True)])


def mixture(weights: Tensor, experts: Tensor) -> Tensor:
    """Σ_e weights[b, e] · experts[e, b, :], ``(b, e), (e, b, width)`` → ``(b, width)``.

    >>> mixture(torch.tensor([[0.25, 0.75]]), torch.tensor([[[4.0]], [[8.0]]])).item()
    7.0
    """
    return torch.einsum("be,ebw->bw", weights, experts)
