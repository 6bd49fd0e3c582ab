"""Low-rank updates of a pretrained backbone, one set a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.backbone import Adapted
from jointset.models.sharing.options import Count, Positive

# Query and value projections, as the authors advise (§7.1), under the names they have in common architectures.
TARGETS = (
    "query",
    "value",
    "query_proj",
    "value_proj",
    "q_proj",
    "v_proj",
    "q_lin",
    "v_lin",
    "q",
    "v",
    "Wqkv",
)


class LoRA(Adapted):
    """A frozen backbone whose attention each task updates by a product of low rank (Hu et al. 2022, eq. 3).

    h_t = W x + (alpha / rank) · B_t A_t x. B starts at zero, so every task starts from the backbone as it is. A row
    goes through the backbone once a task, with that task's updates; the trunk behind is shared. The backbone is frozen,
    unless ``model.text.backbone_lr`` says how fast it learns. It needs a Hugging Face encoder.

    Parameters
    ----------
    rank : of an update.
    alpha : scale of the updates; their sum is multiplied with alpha / rank.
    targets : ends of the names of the linear layers that are updated; by default the query and value projections.
    """

    what = "low-rank updates"

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        rank: Count = 8,
        alpha: Positive = 16.0,
        targets: list[str] | None = None,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, targets=targets or TARGETS)
        self.rank, self.scale, self.dropout = rank, alpha / rank, dropout

    def addition(self, layer: nn.Linear) -> nn.Module:
        """See :meth:`Adapted.addition`."""
        return Update(layer, self.rank, self.scale, self.dropout)


class Update(nn.Module):
    """out + scale · B A dropout(x), for one linear layer and one task."""

    def __init__(self, layer: nn.Linear, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)
        self.dropout = nn.Dropout(dropout)
        self.scale = scale

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """``(b, …, in), (b, …, out)`` → ``(b, …, out)``."""
        return torch.add(out, self.up(self.down(self.dropout(x))), alpha=self.scale)
