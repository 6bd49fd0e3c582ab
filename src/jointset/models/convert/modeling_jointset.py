"""One task of a joint model as a text classifier of transformers. This file needs torch and transformers only."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class JointsetConfig(PretrainedConfig):
    """A backbone, and what stands on it.

    Parameters
    ----------
    backbone : the backbone's configuration.
    stages : the hidden states that are read, each by a linear map of its own; -1 is the backbone's output.
    width : features after those maps.
    layers : residual layers behind them.
    dropout : in those layers, while training.
    adapters, adapter_size : linear layers of the backbone with a bottleneck behind them, and its width.
    """

    model_type = "jointset"

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        stages: tuple[int, ...] = (-1,),
        width: int = 128,
        layers: int = 1,
        dropout: float = 0.1,
        adapters: tuple[str, ...] = (),
        adapter_size: int = 0,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone or {}
        self.stages = list(stages)
        self.width = width
        self.layers = layers
        self.dropout = dropout
        self.adapters = list(adapters)
        self.adapter_size = adapter_size
        super().__init__(**kwargs)


class Layer(nn.Module):
    """x + W₂ dropout(relu(W₁ norm(x)))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.into = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.back = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, width)`` → ``(b, width)``."""
        return x + self.back(self.dropout(torch.relu(self.into(self.norm(x)))))


class Adapted(nn.Module):
    """A linear layer and a bottleneck behind it: out + U gelu(D out)."""

    def __init__(self, base: nn.Linear, size: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.out_features, size)
        self.up = nn.Linear(size, base.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, …, in)`` → ``(b, …, out)``."""
        out = self.base(x)
        return out + self.up(F.gelu(self.down(out)))


class JointsetForSequenceClassification(PreTrainedModel):
    """Hidden states averaged over the tokens, linear maps, residual layers, a linear classifier."""

    config_class = JointsetConfig
    base_model_prefix = "backbone"
    _supports_sdpa = True

    def __init__(self, config: JointsetConfig) -> None:
        super().__init__(config)
        given = dict(config.backbone)
        inner = AutoConfig.for_model(given.pop("model_type"), **given)
        self.backbone = AutoModel.from_config(inner)
        for name in config.adapters:
            parent, _, last = name.rpartition(".")
            owner = self.backbone.get_submodule(parent)
            setattr(owner, last, Adapted(getattr(owner, last), config.adapter_size))
        self.maps = nn.ModuleList(nn.Linear(inner.hidden_size, config.width) for _ in config.stages)
        self.layers = nn.ModuleList(Layer(config.width, config.dropout) for _ in range(config.layers))
        self.classifier = nn.Linear(config.width, int(config.num_labels or 0))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput:
        """Logits ``(b, labels)``, and the loss where ``labels`` are given; ``token_type_ids`` are not read."""
        if input_ids is None:
            raise ValueError("input_ids is missing: this model reads tokens only")
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        deep = any(s >= 0 for s in self.config.stages)
        made = self.backbone(input_ids=input_ids, attention_mask=mask, output_hidden_states=deep or None)
        x = (
            torch.stack(
                [
                    linear(_mean(made.last_hidden_state if s < 0 else made.hidden_states[s], mask))
                    for s, linear in zip(self.config.stages, self.maps, strict=True)
                ]
            ).sum(0)
            / len(self.config.stages) ** 0.5
        )
        for layer in self.layers:
            x = layer(x)
        logits = self.classifier(x)
        return SequenceClassifierOutput(
            loss=None if labels is None else self._loss(logits, labels), logits=logits
        )

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.config.problem_type == "regression":
            return F.mse_loss(logits.flatten(), labels.flatten().to(logits.dtype))
        if self.config.problem_type == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        return F.cross_entropy(logits, labels.flatten())


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """``(b, t, hidden)`` → ``(b, hidden)``, over the tokens."""
    weights = mask.to(hidden.dtype)[:, :, None]
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)
