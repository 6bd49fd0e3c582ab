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
    modalities present, so that rows with one and with several inputs meet the trunk at one scale. As encoders end in
    a linear map, their sum is that of the concatenated features.

    ``modality_dropout`` is the chance, in training, that a modality of a row with several is left out; one always
    stays (Neverova et al. 2016, sec. 4.3, with whole rows left out by chance instead of in turn).
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
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.width = width
        self.modality_dropout = modality_dropout
        self.encoders = nn.ModuleDict({m: e.module(states[m], width) for m, e in encoders.items()})
        self.sharing = SHARINGS[sharing]([t.name for t in tasks], width=width, depth=depth, dropout=dropout)
        self.heads = nn.ModuleList([KINDS[t.kind].head(t, width) for t in tasks])

    def forward(
        self, batch: Batch, n: int, mix: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by task, ``(n, outputs)``, and the joint embedding, ``(n, width)``.

        ``mix`` is applied to the rows, ``(n, width)``, where the encoders meet the trunk.
        """
        total = self.heads[0].weight.new_zeros(n, self.width)  # type: ignore[operator]
        count = total.new_zeros(n)
        kept = self._kept(batch, total)
        for modality, (where, tensors) in batch.items():
            share = kept[modality]  # (m,)
            encoded = self.encoders[modality](**tensors)  # (m, width)
            total = total.index_add(0, where, encoded.to(total.dtype) * share[:, None])
            count = count.index_add(0, where, share)
        rows = total / count.clamp(min=1.0).sqrt()[:, None]
        features = self.sharing(rows if mix is None else mix(rows))
        logits = {t.name: head(features[t.name]) for t, head in zip(self.tasks, self.heads, strict=True)}
        return logits, self.sharing.embedding(features)

    def _kept(self, batch: Batch, like: Tensor) -> dict[str, Tensor]:
        """Which of a batch's inputs are read, by modality, ``(m,)`` of 0 and 1: all, but for modality dropout."""
        if not self.training or not self.modality_dropout or len(batch) < 2:
            return {m: like.new_ones(len(where)) for m, (where, _) in batch.items()}
        draws = like.new_full((len(like), len(batch)), -1.0)  # (n, modalities), -1 = absent
        for column, (where, _) in enumerate(batch.values()):
            draws[where, column] = torch.rand(len(where), device=like.device)
        kept = (draws >= self.modality_dropout) | (draws == draws.amax(1, keepdim=True))
        return {m: kept[where, i].to(like.dtype) for i, (m, (where, _)) in enumerate(batch.items())}
