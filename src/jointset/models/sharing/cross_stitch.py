"""Cross-stitch networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.columns import Columns
from jointset.models.sharing.options import Share
from jointset.models.sharing.stitches import Mix, towards


class CrossStitch(Columns):
    """One column a task; after every layer, each takes a learnt mixture of all (Misra et al. 2016, eq. 1).

    x̃_t = Σ_s α_ts x_s. With ``same: 1`` the columns start as separate networks. Units stand behind the layers of the
    trunk; those inside the encoders are left out, so that any encoder will do. Deviation: one learning rate for all,
    where the paper gives the units a hundred times that of the layers.

    Parameters
    ----------
    same : α_tt at the start; the rest is spread over the other tasks.
    by : one α a layer, or one for each feature.
    encoders : separate unless they are heavy; see :class:`Sharing`.

    >>> import torch
    >>> sharing = CrossStitch(["a", "b"], width=4, depth=1, dropout=0.0)
    >>> sharing.units[0].alpha.tolist()[0]
    [0.8999999761581421, 0.10000000149011612]
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        same: Share = 0.9,
        by: Literal["layer", "feature"] = "layer",
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        start = towards(len(tasks), same)
        if by == "feature":
            start = start[:, :, None].repeat(1, 1, width)
        self.units = nn.ModuleList(Mix(start.clone()) for _ in range(self.depth))

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the columns, which all tasks reach."""
        x = self.spread(x)
        for j, unit in enumerate(self.units):
            x = unit(self.level(j, x))
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        return dict(zip(self.tasks, shared[0], strict=True))

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return [*self.column_parts(), Part("stitches", self.tasks, (self.units,))]
