"""Shared initialisation: one network for a while, then one for each task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.columns import Separate
from jointset.models.sharing.options import Amount


class SharedInit(Separate):
    """Joint training for ``warmup`` epochs, then separate networks that go on from there (Liu et al. 2019, MT-DNN §3).

    While the warm-up lasts, the first column serves all tasks, and the others take over its gradients: so all of them,
    their moments in the optimiser and their averages stay equal, and nothing jumps when they part.

    Parameters
    ----------
    warmup : epochs of joint training.
    encoders : separate unless they are heavy; see :class:`Sharing`.

    >>> sharing = SharedInit(["a", "b"], width=4, depth=1, dropout=0.0, warmup=1.0)
    >>> sharing.advance(0.5, 10); sharing.active()
    1
    >>> sharing.advance(1.0, 10); sharing.active()
    2
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        warmup: Amount = 2.0,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        self.warmup = warmup
        self.joint = False

    def advance(self, epoch: float, epochs: int) -> None:
        """See :meth:`Sharing.advance`."""
        self.joint = epoch < self.warmup

    def active(self) -> int:
        """See :meth:`Sharing.active`."""
        return 1 if self.joint and self.training else self.columns

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        if self.active() == 1:
            x = shared[0].reshape(-1, *shared[0].shape[-2:])[0]  # (b, width)
            return dict.fromkeys(self.tasks, self.layers[0](x))
        return super().branches(shared)

    def readers(self) -> list[tuple[str, ...]]:
        """See :meth:`Sharing.readers`: while the warm-up lasts, the first is all tasks' and the others follow it."""
        return [self.tasks, *[()] * (self.columns - 1)] if self.joint else super().readers()

    @torch.no_grad()
    def before_step(self, encoders: Sequence[Sequence[nn.Module]] = ()) -> None:
        """See :meth:`Sharing.before_step`: in the warm-up all columns take the first one's gradients and buffers."""
        if not self.joint:
            return
        for group in [list(self.layers), *encoders]:
            first = group[0]
            for other in group[1:]:
                for p, q in zip(first.parameters(), other.parameters(), strict=True):
                    q.grad = None if p.grad is None else p.grad.clone()
                for b, c in zip(first.buffers(), other.buffers(), strict=True):
                    c.copy_(b)

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return self.column_parts()
