"""Hard sharing: one trunk for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.blocks import Block


class Hard(Sharing):
    """One residual trunk that all tasks share (Caruana 1997).

    Without a layer the tasks share the encoders alone.

    >>> import torch
    >>> out = Hard(["a", "b"], width=4, depth=1, dropout=0.0)(torch.ones(2, 4))
    >>> sorted(out), out["a"].shape
    (['a', 'b'], torch.Size([2, 4]))
    """

    def __init__(self, tasks: Sequence[str], *, width: int, depth: int, dropout: float) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        self.layers = nn.ModuleList(Block(width, dropout=dropout) for _ in range(depth))

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the trunk's output."""
        for layer in self.layers:
            x = layer(x)
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`: the same for every task."""
        return dict.fromkeys(self.tasks, shared[0])

    def embedding(self, features: dict[str, Tensor]) -> Tensor:
        """The trunk's output."""
        return next(iter(features.values()))

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return [Part("trunk", self.tasks, (self.layers,))]
