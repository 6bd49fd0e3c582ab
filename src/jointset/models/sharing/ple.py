"""Progressive layered extraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part, Sharing
from jointset.models.sharing.blocks import mixture, stack
from jointset.models.sharing.experts import Gate
from jointset.models.sharing.options import Count


class PLE(Sharing):
    """Levels of shared and own experts, each level reading the mixtures of the one below (Tang et al. 2020, eq. 4–6).

    A level has experts of one layer. Each task's gate mixes its own experts and the shared ones; the shared gate mixes
    all experts, and what it makes feeds the shared experts of the next level. There are as many levels as layers
    (``depth``), at least one; one level is CGC.

    Parameters
    ----------
    shared : experts a level that all tasks may use.
    own : further experts of each task a level.
    encoders : with ``separate``, each task and the shared experts have encoders of their own.

    >>> sharing = PLE(["a", "b"], width=4, depth=2, dropout=0.0)
    >>> len(sharing.levels), sharing.columns
    (1, 3)
    """

    usual_depth: ClassVar[int] = 2
    of_tasks: ClassVar[bool] = True

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        shared: Count = 2,
        own: Count = 1,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(
            tasks, width=width, depth=depth, dropout=dropout, columns=len(tasks) + 1, encoders=encoders
        )
        size = (len(tasks), width, min(depth, 1), dropout, shared, own)
        self.levels = nn.ModuleList(Inner(*size) for _ in range(depth - 1))
        self.last = Level(*size)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: all but the last level, whose own experts and gates belong to one task each."""
        x = self.spread(x)
        for level in self.levels:
            x = level(x)
        return x, self.last.run_shared(x[-1])

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        x, experts = shared
        last = self.last
        return {t: last.task(i, x[i], experts, last.run_own(i, x[i])) for i, t in enumerate(self.tasks)}

    def readers(self) -> list[tuple[str, ...]]:
        """See :meth:`Sharing.readers`: below other levels, a task's column reaches all."""
        return [*(self.tasks if self.levels else (t,) for t in self.tasks), self.tasks]

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        last, parts = self.last, [Part("lower levels", self.tasks, (self.levels,))]
        parts.append(Part("experts", self.tasks, (last.shared,)))
        parts += [Part("own experts", (t,), (own,)) for t, own in zip(self.tasks, last.own, strict=True)]
        return parts + [Part("gate", (t,), (gate,)) for t, gate in zip(self.tasks, last.gates, strict=True)]


class Level(nn.Module):
    """Experts of one layer, shared and own, and a gate a task over the shared ones and its own."""

    def __init__(self, tasks: int, width: int, depth: int, dropout: float, shared: int, own: int) -> None:
        super().__init__()
        self.shared = nn.ModuleList(stack(width, depth, dropout) for _ in range(shared))
        self.own = nn.ModuleList(
            nn.ModuleList(stack(width, depth, dropout) for _ in range(own)) for _ in range(tasks)
        )
        self.gates = nn.ModuleList(Gate(width, shared + own) for _ in range(tasks))

    def run_shared(self, x: Tensor) -> Tensor:
        """The outputs ``(shared, b, width)`` of the shared experts."""
        return torch.stack([expert(x) for expert in self.shared])

    def run_own(self, i: int, x: Tensor) -> Tensor:
        """The outputs ``(own, b, width)`` of the experts of task i."""
        return torch.stack([expert(x) for expert in self.own[i].children()])

    def task(self, i: int, x: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """The mixture ``(b, width)`` of task i."""
        return mixture(self.gates[i](x), torch.cat([shared, own]))


class Inner(Level):
    """A level below others, ``(task + 1, b, width)`` → the same, the shared column last: it has a gate of its own."""

    def __init__(self, tasks: int, width: int, depth: int, dropout: float, shared: int, own: int) -> None:
        super().__init__(tasks, width, depth, dropout, shared, own)
        self.common = Gate(width, shared + own * tasks)

    def forward(self, x: Tensor) -> Tensor:
        """``(task + 1, b, width)`` → the same."""
        shared = self.run_shared(x[-1])
        own = [self.run_own(i, x[i]) for i in range(len(self.own))]
        tasks = [self.task(i, x[i], shared, outputs) for i, outputs in enumerate(own)]
        common = mixture(self.common(x[-1]), torch.cat([shared, *own]))
        return torch.stack([*tasks, common])
