"""Bottleneck adapters in a pretrained backbone, one set a task."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from jointset.models.sharing.backbone import Adapted
from jointset.models.sharing.options import Count

# The layer that ends a sublayer (attention, feed-forward), under the names it has in common architectures.
TARGETS = (
    "output.dense", "out_lin", "ffn.lin2", "o_proj", "out_proj", "down_proj", "fc2", "o", "wo", "Wo",
)  # fmt: skip


class Adapters(Adapted):
    """A frozen backbone with a small bottleneck of each task's behind every sublayer (Houlsby et al. 2019, fig. 2).

    h ← h + U_t gelu(D_t h), behind the last linear layer of each attention and feed-forward block. U starts at zero, so
    every task starts from the backbone as it is. The rest is as in :class:`~jointset.models.sharing.lora.LoRA`: a row
    goes through the backbone once a task, and the backbone is frozen unless ``model.text.backbone_lr`` is given.

    Parameters
    ----------
    size : width of a bottleneck.
    targets : ends of the names of the linear layers that adapters stand behind.
    """

    what = "adapters"

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        size: Count = 16,
        targets: list[str] | None = None,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, targets=targets or TARGETS)
        self.size = size

    def addition(self, layer: nn.Linear) -> nn.Module:
        """See :meth:`Adapted.addition`."""
        return Adapter(layer, self.size)


class Adapter(nn.Module):
    """out + U gelu(D out), for one linear layer and one task."""

    def __init__(self, layer: nn.Linear, size: int) -> None:
        super().__init__()
        self.down = nn.Linear(layer.out_features, size)
        self.up = nn.Linear(size, layer.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """``(b, …, in), (b, …, out)`` → ``(b, …, out)``."""
        return out + self.up(F.gelu(self.down(out)))
