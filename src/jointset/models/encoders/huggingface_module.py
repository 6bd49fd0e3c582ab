"""The network of the Hugging Face text encoder."""

from __future__ import annotations

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
    """

    def __init__(self, backbone: Any, padding: int, frozen: bool, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.padding = padding
        self.frozen = frozen
        if frozen:
            backbone.requires_grad_(False)
        self.out = nn.Linear(backbone.config.hidden_size, width)

    def train(self, mode: bool = True) -> HuggingFaceModule:
        """Switch to training; a frozen backbone stays without dropout."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(b, t), (b, t)`` → ``(b, width)``; a row without tokens gets the map of zeros."""
        ids = ids.masked_fill(~mask, self.padding)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            # (b, t, hidden)
            hidden = self.backbone(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        weights = mask.to(hidden.dtype)[:, :, None]
        return self.out((hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0))
