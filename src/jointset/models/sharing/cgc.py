"""Customised gate control."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.blocks import mixture, run_each, stack
from jointset.models.sharing.experts import Experts, Gate, seen
from jointset.models.sharing.options import Count


class CGC(Experts):
    """Experts for all and experts of each task's own; a task's gate mixes the former and its own (Tang et al. 2020,
    eq. 1–3).

    Parameters
    ----------
    shared : experts that all tasks may use.
    own : further experts of each task.
    encoders : with ``separate``, the encoders are part of the experts.

    >>> sharing = CGC(["a", "b"], width=4, depth=1, dropout=0.0, shared=2, own=1)
    >>> sharing.columns, sharing.gates[0].linear.out_features
    (4, 3)
    """

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
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, experts=shared, encoders=encoders)
        self.columns = shared + own * len(tasks)
        self.own = nn.ModuleList(
            nn.ModuleList(stack(width, depth, dropout) for _ in range(own)) for _ in tasks
        )
        self.gates = nn.ModuleList(Gate(width, shared + own) for _ in tasks)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: what gates and own experts read, and the outputs of the shared experts."""
        columns, n = self.spread(x), len(self.experts)
        return seen(x), run_each(self.experts, columns[:n]), columns[n:]

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        x, experts, columns = shared
        features = {}
        for i, (task, own, gate) in enumerate(zip(self.tasks, self.own, self.gates, strict=True)):
            n = len(own)  # type: ignore[arg-type]
            outputs = run_each(own, columns[i * n : (i + 1) * n])  # type: ignore[arg-type]
            features[task] = mixture(gate(x), torch.cat([experts, outputs]))
        return features

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        own = [Part("own experts", (t,), (e,)) for t, e in zip(self.tasks, self.own, strict=True)]
        return [Part("experts", self.tasks, (self.experts,)), *own, *self.gate_parts(self.gates)]
