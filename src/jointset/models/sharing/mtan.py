"""Multi-task attention network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.blocks import Block


class MTAN(Sharing):
    """One trunk, and for each task a soft mask on the features of every layer (Liu, Johns & Davison 2019, eq. 1–2).

    With u_j the hidden features of layer j and p_j its output, the features of a task are â_j = a_j ∘ p_j with the mask
    a_j = h([u_j; f(â_{j−1})]) in (0, 1): h is a linear layer, ReLU, a linear layer and a sigmoid, each task's own, and
    f a linear layer and ReLU that the tasks share; the first layer's mask reads u_1 alone. Deviation: no batch norm, as
    rows of several datasets share a batch. Without a layer (depth 0) the masks act on the encoders' output.

    >>> sharing = MTAN(["a", "b"], width=4, depth=2, dropout=0.0)
    >>> sharing(torch.ones(3, 4))["a"].shape
    torch.Size([3, 4])
    """

    parted = False

    def __init__(self, tasks: Sequence[str], *, width: int, depth: int, dropout: float) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        self.layers = nn.ModuleList(Block(width, dropout=dropout) for _ in range(depth))
        n = max(depth, 1)
        self.between = nn.ModuleList(nn.Linear(width, width) for _ in range(n - 1))
        self.masks = nn.ModuleList(
            nn.ModuleList(_mask(width if j == 0 else 2 * width, width) for j in range(n)) for _ in tasks
        )

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: u_j and p_j of every layer in turn."""
        if not self.layers:
            return x, x
        read: list[Tensor] = []
        for layer in self.layers:
            hidden = layer.hidden(x)  # type: ignore[operator]
            x = layer.corrected(x, hidden)  # type: ignore[operator]
            read += [hidden, x]
        return tuple(read)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        features = {}
        for task, masks in zip(self.tasks, self.masks, strict=True):
            attended = shared[1]
            for j, mask in enumerate(masks.children()):
                seen, made = shared[2 * j : 2 * j + 2]
                if j:
                    seen = torch.cat([seen, torch.relu(self.between[j - 1](attended))], 1)
                attended = mask(seen) * made
            features[task] = attended
        return features

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        masks = [Part("masks", (t,), (own,)) for t, own in zip(self.tasks, self.masks, strict=True)]
        return [Part("trunk", self.tasks, (self.layers, self.between)), *masks]


def _mask(n_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.Sigmoid())
