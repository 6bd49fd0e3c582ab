"""The joint model: encoders, sharing and heads, composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from jointset.models.encoders.base import Encoder, State
from jointset.models.inputs import Batch
from jointset.models.joint_inference import JointInference
from jointset.models.sharing import SHARINGS, Part
from jointset.models.taps import Tapped, Taps, mix_each
from jointset.records import Task
from jointset.tasks import KINDS
from jointset.tasks.head import Head


@dataclass(frozen=True)
class Trunk:
    """What all tasks read of a batch: every way from a shared parameter to a task's loss leads through ``tensors``.

    Where a structure sends tasks different ways through shared layers (``sharing.parted`` is false), it does not.
    """

    shared: tuple[Tensor, ...]
    taps: Tapped = field(default_factory=dict)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors at which the tasks part."""
        return (*self.shared, *(x for x, _ in self.taps.values()))


class JointModel(nn.Module):
    """Encoders per modality → sum → sharing → one head per task.

    A row that lacks a modality gets nothing from its encoder; the sum is divided by the root of the number of
    modalities present, so that rows with one and with several inputs meet the trunk at one scale. As encoders end in
    a linear map, their sum is that of the concatenated features.

    Parameters
    ----------
    tasks, encoders, states : what is predicted, and out of what.
    sharing, options : the way of sharing and its options.
    width, depth, dropout : of the sharing structure.
    modality_dropout : the chance, in training, that a modality of a row with several is left out; one always stays
        (Neverova et al. 2016, sec. 4.3, with whole rows left out by chance instead of in turn).
    joint_inference : what heads read of other tasks: "none", "labels" or "predictions".
    taps : stages of the encoders that a task reads in the trunk's place, by task.
    auxiliary : stages that get a further head of a task while training, by task.
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
        options: Mapping[str, Any] | None = None,
        taps: Mapping[str, Sequence[str]] | None = None,
        auxiliary: Mapping[str, Sequence[str]] | None = None,
        joint_inference: str = "none",
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.width = width
        self.modality_dropout = modality_dropout
        self.encoders = nn.ModuleDict({m: e.module(states[m], width) for m, e in encoders.items()})
        self.sharing = SHARINGS[sharing](
            [t.name for t in tasks], width=width, depth=depth, dropout=dropout, **(options or {})
        )
        self.heads = nn.ModuleList([KINDS[t.kind].head(t, width) for t in tasks])
        # What not every model has comes last, so that it leaves the others' random weights alone.
        self.further = self._further(encoders, states)
        self.sharing.adapt(self.encoders)
        widths = {f"{m}.{s}": d for m, e in self.encoders.items() for s, d in _stage_widths(e).items()}
        self.taps = Taps(self.tasks, taps or {}, auxiliary or {}, widths, width)
        # last, so that the other parts start from the same weights with and without it
        fill = joint_inference == "predictions"
        self.others = JointInference(self.headed(), fill=fill) if joint_inference != "none" else None

    def forward(
        self, batch: Batch, n: int, mix: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by task, ``(n, outputs)``, and the joint embedding, ``(n, width)``; see :meth:`trunk`."""
        return self.outputs(self.trunk(batch, n, mix))

    def trunk(
        self,
        batch: Batch,
        n: int,
        mix: Callable[[Tensor], Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> Trunk:
        """What all tasks read of ``n`` rows.

        ``mix`` is applied to the rows, ``(n, width)``, where the encoders meet the structure. ``present`` says, by
        modality, which of a batch's rows count, ``(m,)`` of 1 and 0, for callers that cannot leave rows out.
        """
        total = self.heads[0].weight.new_zeros(n, self.width)  # type: ignore[operator]
        count, taps, kept = total.new_zeros(n), Tapped(), self._kept(batch, total)
        if present is not None:
            kept = {m: k * present[m].to(k.dtype) for m, k in kept.items()}
        for modality, (where, tensors) in batch.items():
            encoded, found = self._encode(modality, tensors)
            encoded = encoded.to(total.dtype) * kept[modality][:, None]  # (m, width), or (columns, m, width)
            rows = encoded.new_zeros(*encoded.shape[:-2], n, self.width)
            total = total + rows.index_add(-2, where, encoded)
            count = count.index_add(0, where, kept[modality])
            there = None if present is None else kept[modality]
            taps |= self.taps.place(modality, found, where, n, mix, there)
        rows = total / count.clamp(min=1.0).sqrt()[:, None]
        return Trunk(self.sharing.trunk(rows if mix is None else mix_each(rows, mix)), taps)

    def outputs(self, trunk: Trunk) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by task, ``(n, outputs)``, and the joint embedding, ``(n, width)``."""
        features = self.sharing.branches(trunk.shared)
        read = {t: self.taps.features(t, x, trunk.taps) for t, x in features.items()}
        logits = {t.name: head(read[t.name]) for t, head in zip(self.tasks, self.heads, strict=True)}
        if len(self.taps.depth) == len(self.tasks):  # nothing would have trained the trunk
            return logits, torch.stack(list(read.values())).mean(0)
        return logits, self.sharing.embedding(features)

    def _kept(self, batch: Batch, like: Tensor) -> dict[str, Tensor]:
        """Which of a batch's inputs are read, by modality, ``(m,)`` of 0 and 1: all, but for modality dropout."""
        if not self.training or not self.modality_dropout or len(batch) < 2:
            return {m: like.new_ones(where.shape[0]) for m, (where, _) in batch.items()}
        draws = like.new_full((len(like), len(batch)), -1.0)  # (n, modalities), -1 = absent
        for column, (where, _) in enumerate(batch.values()):
            draws[where, column] = torch.rand(len(where), device=like.device)
        kept = (draws >= self.modality_dropout) | (draws == draws.amax(1, keepdim=True))
        return {m: kept[where, i].to(like.dtype) for i, (m, (where, _)) in enumerate(batch.items())}

    def auxiliary(self, trunk: Trunk) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Task → logits ``(n, outputs)`` of its further heads, each with the rows ``(n,)`` that have the stage."""
        return self.taps.auxiliary(trunk.taps)

    def penalty(self, trunk: Trunk) -> Tensor | None:
        """What the way of sharing adds to the loss, if anything."""
        return self.sharing.penalty(trunk.shared, self.columns())

    def advance(self, epoch: float, epochs: int) -> None:
        """Tell the time before a training step: ``epoch`` epochs of at most ``epochs`` are done."""
        self.sharing.advance(epoch, epochs)

    def before_step(self) -> None:
        """Let the way of sharing change gradients; call it between ``backward`` and the update."""
        self.sharing.before_step(self.columns())

    def columns(self) -> list[list[nn.Module]]:
        """The encoders of the columns, for each modality that has one a column."""
        return [[self.encoders[m], *others.children()] for m, others in self.further.items()]

    def informed(self, logits: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits by task that heed the labels ``known`` of the other tasks, in the form of :mod:`jointset.records`."""
        if self.others is None:
            return dict(logits)
        return self.others(logits, self.others.vectors(logits, known, self.headed()))

    def serving(self, task: str) -> JointModel:
        """The model that predicts a task: this one, or a member."""
        return self

    def headed(self) -> list[tuple[Task, Head]]:
        """Every task with its head."""
        return list(zip(self.tasks, cast("list[Head]", list(self.heads)), strict=True))

    def parts(self) -> list[Part]:
        """All parameters, and which tasks' losses train them."""
        names, readers = tuple(t.name for t in self.tasks), self.sharing.readers()
        parts = []
        for modality, encoder in self.encoders.items():
            if modality in self.further:
                own = zip([encoder, *self.further[modality].children()], readers, strict=True)
                parts += [Part(f"{modality} encoder", who, (module,)) for module, who in own]
            else:
                parts.append(Part(f"{modality} encoder", names, (encoder,)))
        heads = [Part("head", (t.name,), (h,)) for t, h in zip(self.tasks, self.heads, strict=True)]
        return parts + self.sharing.parts() + self.taps.parts() + heads

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that learn and that more than one task's loss trains."""
        parts = self.parts()
        own = {id(p) for part in parts if len(part.tasks) == 1 for p in part.parameters()}
        every = {id(p): p for part in parts if len(part.tasks) > 1 for p in part.parameters()}
        return [p for i, p in every.items() if i not in own and p.requires_grad]

    def shared_modules(self) -> list[nn.Module]:
        """The modules that hold the shared parameters directly, each once."""
        shared = {id(p) for p in self.shared_parameters()}
        return [m for m in self.modules() if any(id(p) in shared for p in m.parameters(recurse=False))]

    def _further(self, encoders: Mapping[str, Encoder], states: Mapping[str, State]) -> nn.ModuleDict:
        """The encoders of the columns from the second on, by modality, where each column has its own."""
        further = nn.ModuleDict()
        for m, encoder in encoders.items():
            if self.sharing.apart(encoder.heavy):
                made = [encoder.module(states[m], self.width) for _ in range(self.sharing.columns - 1)]
                for module in made if self.sharing.aligned else ():
                    module.load_state_dict(self.encoders[m].state_dict())
                further[m] = nn.ModuleList(made)
        return further

    def _encode(self, modality: str, tensors: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """One modality's rows and tapped stages, ``(m, …)``, or ``(columns, m, …)`` from separate encoders."""
        names = self.taps.wanted(modality)
        modules = [self.encoders[modality]]
        if modality in self.further:
            modules += [*self.further[modality].children()][: self.sharing.active() - 1]
        if not names:
            made = [module(**tensors) for module in modules]
            return (torch.stack(made) if len(made) > 1 else made[0]), {}
        pairs = [module.staged(names, **tensors) for module in modules]  # type: ignore[operator]
        if len(pairs) == 1:
            return pairs[0]
        found = {s: torch.stack([f[s] for _, f in pairs]) for s in names}
        if not self.sharing.of_tasks:  # columns of experts: the first one's stages serve all tasks
            found = {s: x[0] for s, x in found.items()}
        return torch.stack([x for x, _ in pairs]), found


def _stage_widths(encoder: nn.Module) -> dict[str, int]:
    return dict(getattr(encoder, "stage_widths", {}))
