"""The joint model: encoders, sharing and heads, composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from jointset.models.encoders.base import Encoder, State
from jointset.models.inputs import Batch
from jointset.models.sharing import SHARINGS
from jointset.records import Task
from jointset.tasks import KINDS


class JointModel(nn.Module):
    """Encoders per modality → sum → sharing → one head per task.

    A row that lacks a modality gets nothing from its encoder; the sum is divided by the root of the number of
    modalities present, so that rows with one and with several inputs meet the trunk at one scale.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoders: Mapping[str, Encoder],
        states: Mapping[str, State],
        *,
        sharing: str = "hard",
        width: int = 128,
        depth: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.width = width
        self.encoders = nn.ModuleDict({m: e.module(states[m], width) for m, e in encoders.items()})
        self.sharing = SHARINGS[sharing]([t.name for t in tasks], width=width, depth=depth, dropout=dropout)
        self.heads = nn.ModuleList([KINDS[t.kind].head(t, width) for t in tasks])

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that learn and that more than one task's loss may train."""
        parts = [*self.encoders.parameters(), *self.sharing.parameters()]
        return [p for p in parts if p.requires_grad]

    def forward(
        self, batch: Batch, n: int, mix: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by task, ``(n, outputs)``, and the joint embedding, ``(n, width)``.

        ``mix`` is applied to the rows, ``(n, width)``, where the encoders meet the trunk.
        """
        total = self.heads[0].weight.new_zeros(n, self.width)  # type: ignore[operator]
        count = total.new_zeros(n)
        for modality, (where, tensors) in batch.items():
            encoded = self.encoders[modality](**tensors)  # (m, width)
            total = total.index_add(0, where, encoded.to(total.dtype))
            count = count.index_add(0, where, torch.ones_like(where, dtype=count.dtype))
        rows = total / count.clamp(min=1.0).sqrt()[:, None]
        features = self.sharing(rows if mix is None else mix(rows))
        logits = {t.name: head(features[t.name]) for t, head in zip(self.tasks, self.heads, strict=True)}
        return logits, self.sharing.embedding(features)
