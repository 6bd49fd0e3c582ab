"""Tasks that read a stage of an encoder, in the trunk's place or beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from jointset.errors import ConfigError, nearest
from jointset.models.encoders.base import Encoder, State
from jointset.models.sharing import Part
from jointset.records import Task
from jointset.tasks import KINDS

Stage = str  # MODALITY.NAME
Tapped = dict[
    Stage, tuple[Tensor, Tensor]
]  # (n, width) or (columns, n, width), and which rows have it, (n, 1)
Mix = Callable[[Tensor], Tensor]


class Taps(nn.Module):
    """Linear maps from stages to the trunk's width, one a stage, and the heads that only training uses.

    Parameters
    ----------
    tasks : all tasks.
    depth : the stages that a task's head reads in the trunk's place, by task.
    auxiliary : the stages, by task, that get a further head while training (deep supervision, Lee et al. 2015).
    widths : features of each stage.
    width : of the trunk.

    A task that reads several stages (of several modalities) gets the sum over those a row has, over the root of their
    number, as the trunk does. A row that has none of them is judged by the trunk. Rows that are mixed are mixed here
    alike, so that one with the stage and one without read a share of both.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        depth: Mapping[str, Sequence[Stage]],
        auxiliary: Mapping[str, Sequence[Stage]],
        widths: Mapping[Stage, int],
        width: int,
    ) -> None:
        super().__init__()
        self.depth = {t: tuple(stages) for t, stages in depth.items()}
        self.extra = [(t.name, stage) for t in tasks for stage in auxiliary.get(t.name, ())]
        self.numbers = {t.name: i for i, t in enumerate(tasks)}
        read = [s for stages in self.depth.values() for s in stages] + [s for _, s in self.extra]
        self.stages = list(dict.fromkeys(read))
        self.maps = nn.ModuleList(nn.Linear(widths[s], width) for s in self.stages)
        kinds = {t.name: t for t in tasks}
        self.heads = nn.ModuleList(KINDS[kinds[t].kind].head(kinds[t], width) for t, _ in self.extra)

    def wanted(self, modality: str) -> list[str]:
        """Names of the stages of a modality that are read."""
        return [s.partition(".")[2] for s in self.stages if s.partition(".")[0] == modality]

    def place(
        self,
        modality: str,
        found: Mapping[str, Tensor],
        where: Tensor,
        n: int,
        mix: Mix | None,
        there: Tensor | None = None,
    ) -> Tapped:
        """The stages ``found`` for the rows ``where (m,)``, ``(m, d)`` or ``(columns, m, d)``, among all n rows.

        ``there (m,)`` of 1 and 0 says which of them count, where not all do.
        """
        placed: Tapped = {}
        for name, x in found.items():
            stage = f"{modality}.{name}"
            mapped = self.maps[self.stages.index(stage)](x)
            counts = mapped.new_ones(where.shape[0], 1) if there is None else there[:, None]
            mapped = mapped if there is None else mapped * counts
            rows = mapped.new_zeros(*mapped.shape[:-2], n, mapped.shape[-1]).index_add(-2, where, mapped)
            present = mapped.new_zeros(n, 1).index_add(0, where, counts)
            placed[stage] = (rows, present) if mix is None else (mix_each(rows, mix), mix(present))
        return placed

    def features(self, task: str, trunk: Tensor, tapped: Tapped) -> Tensor:
        """What the task's head reads, ``(n, width)``, where the trunk offers ``trunk``."""
        found = [tapped[s] for s in self.depth.get(task, ()) if s in tapped]
        if not found:
            return trunk
        total = torch.stack([self._own(task, x) for x, _ in found]).sum(0)
        count = torch.stack([present for _, present in found]).sum(0)  # (n, 1)
        return total / count.clamp(min=1.0).sqrt() + (1 - count).clamp(min=0.0) * trunk

    def auxiliary(self, tapped: Tapped) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Task → logits ``(n, outputs)`` of its further heads, each with the rows ``(n,)`` that have the stage."""
        made: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for (task, stage), head in zip(self.extra, self.heads, strict=True):
            if stage in tapped:
                x, present = tapped[stage]
                made.setdefault(task, []).append((head(self._own(task, x)), present[:, 0]))
        return made

    def parts(self) -> list[Part]:
        """The maps and further heads, and the tasks that train them."""
        read = {s: [t for t, stages in self.depth.items() if s in stages] for s in self.stages}
        for task, stage in self.extra:
            read[stage].append(task)
        maps = zip(self.stages, self.maps, strict=True)
        parts = [Part(f"tap of {s}", tuple(dict.fromkeys(read[s])), (m,)) for s, m in maps]
        heads = zip(self.extra, self.heads, strict=True)
        return parts + [Part("auxiliary head", (task,), (head,)) for (task, _), head in heads]

    def _own(self, task: str, x: Tensor) -> Tensor:
        return x[self.numbers[task]] if x.ndim == 3 else x


def mix_each(x: Tensor, mix: Mix) -> Tensor:
    """``(n, width)``, or every column of ``(columns, n, width)``, mixed."""
    return mix(x) if x.ndim == 2 else torch.stack([mix(column) for column in x])


def find_stages(
    where: str, given: str | int, encoders: Mapping[str, Encoder], states: Mapping[str, State]
) -> tuple[Stage, ...]:
    """The stages that ``given`` means: a name, MODALITY.NAME, or a number from 1 in every encoder that has stages.

    Raises ConfigError with the stages there are.
    """
    known = {m: e.stages(states[m]) for m, e in encoders.items()}
    every = [f"{m}.{s}" for m, stages in known.items() for s in stages]
    if isinstance(given, int):
        found = [f"{m}.{s[given - 1]}" for m, s in known.items() if 1 <= given <= len(s)]
    else:
        found = [s for s in every if given in (s, s.partition(".")[2])]
    if found:
        return tuple(found)
    if not every:
        raise ConfigError(
            f"{where}: no stage {given!r}: the encoders in use ({', '.join(encoders)}) have nothing to tap but their "
            "output; take it out"
        )
    names = [s.partition(".")[2] for s in every] + every
    near = nearest(given, names) if isinstance(given, str) else ""
    raise ConfigError(f"{where}: no stage {given!r}{near}; there are, numbered from 1, {', '.join(every)}")
