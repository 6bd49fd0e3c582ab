"""The network of the Hugging Face text encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class HuggingFaceModule(nn.Module):
    """A backbone, the mean of its last hidden states over the mask, and a linear map to ``(b, width)``.

    Parameters
    ----------
    backbone : a transformers model whose output has ``last_hidden_state (b, t, hidden)``.
    padding : the token that fills places outside the mask.
    frozen : do not train the backbone.
    width : width of the output.
    stages : names of its hidden states, from the embeddings on.
    rate : learning rate of the backbone, ``None`` = the usual one.

    A way of sharing may give the backbone parameters of each task's own. ``columns`` then says how many there are; a
    batch goes through once for each, and the output is ``(columns, b, width)``.
    """

    def __init__(
        self,
        backbone: Any,
        padding: int,
        frozen: bool,
        width: int,
        *,
        stages: Sequence[str] = (),
        rate: float | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.padding = padding
        self.frozen = frozen
        self.rate = rate
        self.columns = 1
        self.learning_rates = {} if rate is None else {"backbone": rate}
        if frozen:
            backbone.requires_grad_(False)
        self.out = nn.Linear(backbone.config.hidden_size, width)
        self.stage_widths = dict.fromkeys(stages, backbone.config.hidden_size)

    def train(self, mode: bool = True) -> HuggingFaceModule:
        """Switch to training; a backbone in which nothing learns stays without dropout."""
        super().train(mode)
        if not self._learns:
            self.backbone.eval()
        return self

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(b, t), (b, t)`` → ``(b, width)``; a row without tokens gets the map of zeros."""
        return self.staged((), ids, mask)[0]

    def staged(self, names: Collection[str], ids: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(b, t), (b, t)`` → ``(b, width)``, and the hidden states ``names``, averaged, ``(b, hidden)``."""
        ids = ids.masked_fill(~mask, self.padding).repeat(self.columns, 1)
        mask = mask.repeat(self.columns, 1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._learns):
            made = self.backbone(
                input_ids=ids, attention_mask=mask.long(), output_hidden_states=bool(names) or None
            )
        found = {
            name: self._mean(made.hidden_states[i], mask)
            for i, name in enumerate(self.stage_widths)
            if name in names
        }
        out = self.out(self._mean(made.last_hidden_state, mask))
        return (
            (out, found)
            if self.columns == 1
            else (self._split(out), {n: self._split(x) for n, x in found.items()})
        )

    @property
    def _learns(self) -> bool:
        return any(p.requires_grad for p in self.backbone.parameters())

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(0, (self.columns, -1))

    @staticmethod
    def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
        """``(b, t, hidden)`` → ``(b, hidden)``, over the tokens."""
        weights = mask.to(hidden.dtype)[:, :, None]
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)
