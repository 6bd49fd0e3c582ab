"""Backward passes of single tasks: once through the heads, then from where the tasks meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.graph import Edge, Graph, leaf_of

Target = Tensor | GradientEdge
Gradients = list[Tensor | None]


class Passes(ABC):
    """Gradients of one task after another, with respect to anything in the graph.

    ``alone[k]`` are shared parameters that only task k reaches, and its gradients there: they are known from the
    start, and :meth:`run` is not asked for them.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.alone: dict[int, list[tuple[Tensor, Tensor]]] = {}

    @property
    @abstractmethod
    def shared(self) -> list[Node]:
        """The leaves of shared parameters that :meth:`run` is to be asked for."""

    @abstractmethod
    def run(self, task: int, targets: Sequence[Target], *, last: bool = False) -> Gradients:
        """The gradients of a task; ``None`` where it does not depend on the target. ``last`` frees the graph."""

    @abstractmethod
    def total(self, weights: Tensor, tasks: Sequence[int], targets: Sequence[Tensor]) -> Gradients:
        """Σ w_k g_k over ``tasks`` with respect to shared parameters, in one pass; the last one."""

    @abstractmethod
    def own(self, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Parameters of the tasks that are not shared, and the sum of their gradients over ``tasks``."""


class FromLosses(Passes):
    """Every pass begins at the loss: for graphs in which the tasks' own parameters are used by several tasks."""

    def __init__(self, graph: Graph, losses: Sequence[Tensor]) -> None:
        super().__init__(graph)
        self.losses = losses
        self.found: dict[int, list[tuple[Tensor, Tensor]]] = {}

    @property
    def shared(self) -> list[Node]:
        """All of them."""
        return list(self.graph.shared)

    def run(self, task: int, targets: Sequence[Target], *, last: bool = False) -> Gradients:
        """See :meth:`Passes.run`; the task's own parameters are taken along at its first pass."""
        leaves = [] if task in self.found else [n for n in self.graph.own if self.graph.reach[n] >> task & 1]
        own = [leaf_of(n) for n in leaves]
        grads = _grad([self.losses[task]], [*targets, *own], None, retain=not last)
        if task not in self.found:
            pairs = zip(own, grads[len(targets) :], strict=True)
            self.found[task] = [(p, g) for p, g in pairs if g is not None]  # type: ignore[misc]
        return grads[: len(targets)]

    def total(self, weights: Tensor, tasks: Sequence[int], targets: Sequence[Tensor]) -> Gradients:
        """See :meth:`Passes.total`."""
        losses = [self.losses[k] for k in tasks]
        return _grad(losses, targets, [w.to(v.dtype) for w, v in zip(weights, losses, strict=True)], retain=False)

    def own(self, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Passes.own`."""
        for task in tasks:
            yield from self.found[task]


class FromBoundary(Passes):
    """One pass runs through all heads and stops where the tasks meet; the others begin there.

    ``deltas[e][k]`` is the gradient of task k that arrives at the edge ``edges[e]`` from above, ``None`` where none
    does. Autograd adds up what arrives at a tensor, so hooks on the nodes above the boundary hear it one by one.
    """

    def __init__(self, graph: Graph, losses: Sequence[Tensor], edges: Sequence[Edge]) -> None:
        super().__init__(graph)
        self.edges = list(edges)
        self.deltas: list[Gradients] = [[None] * len(losses) for _ in edges]
        under = graph.under(edges)
        self.nested = any(n in under for n, _ in edges)
        self.below = under | {n for n, _ in edges}
        above = graph.above(edges)
        leaves = [n for n in above if leaf_of(n) is not None]
        grads = self._heads(losses, above, leaves)
        shared = set(graph.shared)
        self._own: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for leaf, grad in zip(leaves, grads, strict=True):
            if grad is not None:
                kept = self.alone if leaf in shared else self._own
                kept.setdefault(graph.tasks(leaf)[0], []).append((leaf_of(leaf), grad))  # type: ignore[arg-type]

    @staticmethod
    def fits(graph: Graph, edges: Sequence[Edge]) -> bool:
        """Whether all that lies above the boundary belongs to one task each."""
        above, below = graph.above(edges), graph.under(edges) | {n for n, _ in edges}
        single = all(not graph.reach[n] & (graph.reach[n] - 1) for n in above)
        return bool(edges) and single and not below.intersection(above) and not below.intersection(graph.own)

    @property
    def shared(self) -> list[Node]:
        """Those below the boundary."""
        return [n for n in self.graph.shared if n in self.below]

    def run(self, task: int, targets: Sequence[Target], *, last: bool = False) -> Gradients:
        """See :meth:`Passes.run`."""
        return self.push([d[task] for d in self.deltas], targets, last=last)

    def total(self, weights: Tensor, tasks: Sequence[int], targets: Sequence[Tensor]) -> Gradients:
        """See :meth:`Passes.total`."""
        sums: Gradients = []
        for arrived in self.deltas:
            known = [(w, arrived[k]) for w, k in zip(weights, tasks, strict=True) if arrived[k] is not None]
            sums.append(sum(w * a for w, a in known) if known else None)
        return self.push(sums, targets, last=True)

    def push(
        self, deltas: Gradients, targets: Sequence[Target], *, last: bool = False, batched: bool = False
    ) -> Gradients:
        """Carry gradients that stand at the boundary, one an edge, down to the targets."""
        there = [(GradientEdge(*e), d) for e, d in zip(self.edges, deltas, strict=True) if d is not None]
        if not there or not targets:
            return [None] * len(targets)
        return _grad([e for e, _ in there], targets, [d for _, d in there], retain=not last, batched=batched)

    def own(self, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Passes.own`."""
        for task in tasks:
            yield from self._own.get(task, ())

    def _heads(self, losses: Sequence[Tensor], above: Sequence[Node], leaves: Sequence[Node]) -> Gradients:
        numbers = {edge: e for e, edge in enumerate(self.edges)}
        for k, root in enumerate(self.graph.roots):
            if (root, 0) in numbers:
                self.deltas[numbers[root, 0]][k] = torch.ones_like(losses[k])
        handles = []
        for node in above:
            slots = [(s, numbers[e]) for s, e in enumerate(node.next_functions) if e in numbers]
            if slots:
                handles.append(node.register_hook(self._listener(self.graph.tasks(node)[0], slots)))
        inside = set(above)
        outputs = [loss for loss, root in zip(losses, self.graph.roots, strict=True) if root in inside]
        targets: list[Target] = [GradientEdge(*e) for e in self.edges]
        targets += [leaf_of(n) for n in leaves]  # type: ignore[misc]
        try:
            grads = _grad(outputs, targets, None, retain=self.nested) if outputs else [None] * len(targets)
        finally:
            for handle in handles:
                handle.remove()
        return grads[len(self.edges) :]

    def _listener(self, task: int, slots: Sequence[tuple[int, int]]) -> Callable[..., None]:
        def listen(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]) -> None:
            for slot, e in slots:
                arrived = inputs[slot]
                if arrived is not None:
                    before = self.deltas[e][task]
                    self.deltas[e][task] = arrived if before is None else before + arrived

        return listen


def _grad(
    outputs: Sequence[Target],
    targets: Sequence[Target],
    deltas: Sequence[Tensor] | None,
    *,
    retain: bool,
    batched: bool = False,
) -> Gradients:
    if not targets:
        return []
    return list(
        torch.autograd.grad(
            outputs,
            targets,
            deltas,
            retain_graph=retain,
            allow_unused=True,
            is_grads_batched=batched,
        )
    )
