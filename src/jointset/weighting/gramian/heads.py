"""One backward pass through the heads, in which every task is heard apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.graph import Cut, Graph, kind, leaf_of, saved
from jointset.weighting.gramian.layer import precise
from jointset.weighting.gramian.memory import Memory

Target = Tensor | GradientEdge
Gradients = list[Tensor | None]
Hear = Literal["tasks", "rows", "sums"]


class Heads:
    """What arrives at the edges of a cut from above, and the gradients of all leaves above it.

    Autograd adds up what arrives at a tensor, so hooks on the nodes above the cut hear it one by one.

    Parameters
    ----------
    hear
        "tasks" keeps what arrives from each task: :meth:`of` and :meth:`weighted`. "rows" keeps which rows of it are
        not zero: ``labelled``, for each edge ``(K, rows)``; what arrives is kept, too, if several tasks shared a row at
        the last step, and the pass may be repeated otherwise. "sums" keeps ``totals`` alone, the sums over the tasks,
        which are known in all cases.
    """

    def __init__(
        self, graph: Graph, losses: Sequence[Tensor], cut: Cut, memory: Memory, *, hear: Hear = "tasks"
    ) -> None:
        self.graph, self.cut, self.memory = graph, cut, memory
        self.labelled: Gradients = [None] * len(cut.edges)
        self._deltas: Gradients = [None] * len(cut.edges)
        self._heard: list[set[int]] = [set() for _ in cut.edges]
        self._numbers = {edge: e for e, edge in enumerate(cut.edges)}
        meeting = [k for k, root in enumerate(graph.roots) if (root, 0) in self._numbers]
        self._rows = hear == "rows"
        self.kept = hear == "tasks" or (hear == "rows" and memory.crowded) or cut.nested or bool(meeting)
        for k in meeting:
            self._hear(self._numbers[graph.roots[k], 0], k, torch.ones_like(losses[k]))
        self._run(losses, retain=cut.nested or not (self.kept or hear == "sums"))
        for deltas, heard in zip(self._deltas, self._heard, strict=True):
            for k in range(len(losses)):
                if deltas is not None and k not in heard:
                    deltas[k] = 0.0
        if cut.nested or meeting:
            self.totals = [None if d is None else d.sum(0) for d in self._deltas]

    @staticmethod
    def fit(graph: Graph, cut: Cut) -> bool:
        """Whether all that lies above the cut belongs to one task each."""
        apart = not cut.below.intersection(cut.above) and not cut.below.intersection(graph.own)
        return bool(cut.edges) and apart and all(map(graph.single, cut.above))

    def of(self, task: int) -> Gradients:
        """What arrived from a task, at each edge."""
        pairs = zip(self._deltas, self._heard, strict=True)
        return [d[task] if d is not None and task in heard else None for d, heard in pairs]

    def weighted(self, weights: Tensor, tasks: Sequence[int]) -> Gradients:
        """The weighted sum of what arrived from ``tasks``, at each edge."""
        return [None if d is None else _weighted(weights, d, tasks) for d in self._deltas]

    @property
    def by_task(self) -> Gradients:
        """What arrived at each edge ``(K, …)``; zeros from a task of which nothing did."""
        return self._deltas

    def _run(self, losses: Sequence[Tensor], *, retain: bool) -> None:
        leaves = [n for n in self.cut.above if leaf_of(n) is not None]
        inside = set(self.cut.above)
        outputs = [loss for loss, root in zip(losses, self.graph.roots, strict=True) if root in inside]
        targets: list[Target] = [GradientEdge(*e) for e in self.cut.edges]
        targets += [leaf_of(n) for n in leaves]  # type: ignore[misc]
        handles = [h for node in inside for h in self._listen(node)] if self.kept or self._rows else []
        try:
            grads = gradients(outputs, targets, None, retain=retain or self.graph.kept)
        finally:
            for handle in handles:
                handle.remove()
        self.totals = grads[: len(self.cut.edges)]
        pairs = zip(leaves, grads[len(self.cut.edges) :], strict=True)
        self.leaves = [(leaf, grad) for leaf, grad in pairs if grad is not None]

    def _listen(self, node: Node) -> list[torch.utils.hooks.RemovableHandle]:
        slots = [(s, self._numbers[e]) for s, e in enumerate(node.next_functions) if e in self._numbers]
        return [node.register_hook(self._listener(node, slots))] if slots else []

    def _listener(self, node: Node, slots: Sequence[tuple[int, int]]) -> Callable[..., None]:
        task, rows = self.graph.task(node), _rows_read(node) if self._rows else None

        def listen(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]) -> None:
            for slot, e in slots:
                if (arrived := inputs[slot]) is not None:
                    self._hear(e, task, arrived, rows)

        return listen

    def _hear(self, e: int, task: int, arrived: Tensor, rows: Tensor | None = None) -> None:
        tasks = len(self.graph.roots)
        if self._rows and arrived.ndim:
            if (labelled := self.labelled[e]) is None:
                labelled = torch.zeros(tasks, len(arrived), dtype=torch.bool, device=arrived.device)
                self.labelled[e] = labelled
            if rows is None:
                flat = arrived.reshape(len(arrived), -1)
                labelled[task] |= (flat.amax(1) != 0) | (flat.amin(1) != 0)  # a tenth of the time of any()
            else:
                labelled[task, rows] = True
        if self.kept:
            if (deltas := self._deltas[e]) is None:
                deltas = self.memory.take(f"boundary.{e}", (tasks, *arrived.shape), arrived)
                self._deltas[e] = deltas
            deltas[task] = deltas[task] + arrived if task in self._heard[e] else arrived
            self._heard[e].add(task)


def gradients(
    outputs: Sequence[Target], targets: Sequence[Target], deltas: Sequence[Tensor] | None, *, retain: bool
) -> Gradients:
    """Gradients of ``outputs`` at which ``deltas`` stand; ``None`` for a target that they do not depend on."""
    if not targets or not outputs:
        return [None] * len(targets)
    found = torch.autograd.grad(outputs, targets, deltas, retain_graph=retain, allow_unused=True)  # type: ignore[arg-type]
    return list(found)


def _weighted(weights: Tensor, deltas: Tensor, tasks: Sequence[int]) -> Tensor:
    kept = deltas if len(tasks) == len(deltas) else deltas[list(tasks)]
    return (weights @ precise(kept).flatten(1)).view(kept.shape[1:]).to(kept.dtype)


def _rows_read(node: Node) -> Tensor | None:
    """The rows that a node picks out of its input, if that is what it does: only they get a gradient."""
    if kind(node) == "IndexSelectBackward0" and saved(node, "dim") == 0:
        return saved(node, "index")
    if kind(node) == "IndexBackward0":
        indices = saved(node, "indices")
        return indices[0] if isinstance(indices[0], Tensor) and indices[0].ndim == 1 else None
    return None
