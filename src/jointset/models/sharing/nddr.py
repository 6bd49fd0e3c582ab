"""Neural discriminative dimensionality reduction between columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.columns import Columns
from jointset.models.sharing.options import Share
from jointset.models.sharing.stitches import towards


class NDDR(Columns):
    """One column a task; after every layer, each takes a linear map of all columns side by side (Gao et al. 2019).

    x̃_t = W_t [x_1; …; x_K], a 1 × 1 convolution in the paper, which starts as the mixture of
    :class:`~jointset.models.sharing.cross_stitch.CrossStitch`. The maps hold K² · width² weights a layer: for dozens of
    tasks cross-stitch is the smaller relative. Deviation: no batch norm, as rows of several datasets share a batch.

    Parameters
    ----------
    same : share of its own column at the start.
    encoders : separate unless they are heavy; see :class:`Sharing`.

    >>> sharing = NDDR(["a", "b"], width=4, depth=1, dropout=0.0)
    >>> sharing.units[0][1].weight.shape
    torch.Size([4, 8])
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        same: Share = 0.9,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        self.start: Tensor
        self.register_buffer("start", towards(len(tasks), same))
        self.units = nn.ModuleList(
            nn.ModuleList(nn.Linear(len(tasks) * width, width) for _ in tasks) for _ in range(self.depth)
        )
        for linear in self.units.modules():
            if isinstance(linear, nn.Linear):
                nn.init.zeros_(linear.weight)
                nn.init.zeros_(linear.bias)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the columns, which all tasks reach."""
        x = self.spread(x)
        for j, unit in enumerate(self.units):
            x = self.level(j, x)
            beside = x.transpose(0, 1).flatten(1)  # (b, task · width)
            # What is learnt is the deviation from the start, so that weight decay leads back to it.
            mixed = torch.einsum("ts,sbw->tbw", self.start, x)
            x = mixed + torch.stack([linear(beside) for linear in unit.children()])
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        return dict(zip(self.tasks, shared[0], strict=True))

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return [*self.column_parts(), Part("reductions", self.tasks, (self.units,))]
