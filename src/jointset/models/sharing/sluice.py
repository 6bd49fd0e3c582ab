"""Sluice networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.errors import ConfigError
from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.blocks import last_weight
from jointset.models.sharing.columns import Columns
from jointset.models.sharing.options import Amount, Count, Share
from jointset.models.sharing.stitches import Mix, towards


class Sluice(Columns):
    """Columns cut into subspaces that mix, and skips that choose the layers (Ruder et al. 2019).

    After every layer each subspace of each task takes a learnt mixture α of all subspaces of all tasks; a task reads
    a mixture β of its layers, the last one at the start; and the subspaces of a layer are kept
    apart by strength · Σ ‖G₁ G₂ᵀ‖²_F, with G the rows of the layer's last weights that make a subspace.

    Parameters
    ----------
    subspaces : into how many equal parts a column is cut; 1 is cross-stitch with skips.
    same : share of its own column in the mixture at the start.
    strength : factor of the orthogonality penalty.
    encoders : separate unless they are heavy; see :class:`Sharing`.

    >>> sharing = Sluice(["a", "b"], width=4, depth=2, dropout=0.0)
    >>> sharing.units[0].alpha.shape
    torch.Size([4, 4])
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        subspaces: Count = 2,
        same: Share = 0.9,
        strength: Amount = 1e-2,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        if width % subspaces:
            raise ConfigError(
                f"model.sharing.subspaces: a width of {width} cannot be cut into {subspaces} equal parts; "
                "change one of them"
            )
        self.subspaces = subspaces
        self.strength = strength
        start = torch.kron(towards(len(tasks), same), torch.eye(subspaces))
        self.units = nn.ModuleList(Mix(start.clone()) for _ in range(self.depth))
        self.skips = nn.ModuleList(Skip(self.depth) for _ in tasks)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the layers' mixtures, which all tasks reach."""
        x, levels = self.spread(x), []
        for j, unit in enumerate(self.units):
            x = self.level(j, x)  # (task, b, width)
            cut = (
                x.unflatten(2, (self.subspaces, -1)).transpose(1, 2).flatten(0, 1)
            )  # (task · s, b, width / s)
            x = unit(cut).unflatten(0, (-1, self.subspaces)).transpose(1, 2).flatten(2)
            levels.append(x)
        return (torch.stack(levels),)  # (layer, task, b, width)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        return {
            t: skip(shared[0][:, i]) for i, (t, skip) in enumerate(zip(self.tasks, self.skips, strict=True))
        }

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`."""
        if self.subspaces == 1:
            return None
        total = []
        for layer in (layer for own in self.layers for layer in own):  # type: ignore[attr-defined]
            rows = last_weight(layer).unflatten(0, (self.subspaces, -1))  # (s, width / s, width)
            products = torch.einsum("aiw,bjw->abij", rows, rows).square().sum((2, 3))  # (s, s)
            total.append(products.triu(1).sum())
        return self.strength * torch.stack(total).sum()

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        skips = [Part("skips", (t,), (own,)) for t, own in zip(self.tasks, self.skips, strict=True)]
        return [*self.column_parts(), Part("stitches", self.tasks, (self.units,)), *skips]


class Skip(nn.Module):
    """Σ_j β_j x_j over the layers j of ``(layer, b, width)``; β starts at the last layer alone.

    As in :class:`~jointset.models.sharing.stitches.Mix`, what is learnt is the deviation from the start.
    """

    start: Tensor

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.register_buffer("start", torch.eye(depth)[-1])
        self.change = nn.Parameter(torch.zeros(depth))

    def forward(self, x: Tensor) -> Tensor:
        """``(layer, b, width)`` → ``(b, width)``."""
        return torch.einsum("j,jbw->bw", self.start + self.change, x)
