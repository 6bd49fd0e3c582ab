"""Backward passes of single tasks: once through the heads, then from where the tasks meet."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.graph import Graph, leaf_of
from jointset.weighting.gramian.heads import Gradients, Heads, Target, gradients


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

    def run_all(self, targets: Sequence[Target]) -> Gradients | None:
        """The gradients of all tasks in one vectorised pass, each ``(K, …)``; ``None`` where there is no such pass.

        Zero goes where a task does not reach, and 0 · ∞ is not a number: what is not finite is to be asked for again,
        task by task, and for that the graph is kept.
        """
        return None

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
        own = [p for n in leaves if (p := leaf_of(n)) is not None]
        grads = gradients([self.losses[task]], [*targets, *own], None, retain=not last or self.graph.kept)
        if task not in self.found:
            pairs = zip(own, grads[len(targets) :], strict=True)
            self.found[task] = [(p, g) for p, g in pairs if g is not None]
        return grads[: len(targets)]

    def total(self, weights: Tensor, tasks: Sequence[int], targets: Sequence[Tensor]) -> Gradients:
        """See :meth:`Passes.total`."""
        losses = [self.losses[k] for k in tasks]
        return gradients(
            losses, targets, [w.to(v.dtype) for w, v in zip(weights, losses, strict=True)], retain=False
        )

    def own(self, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Passes.own`."""
        for task in tasks:
            yield from self.found[task]


class FromBoundary(Passes):
    """One pass has run through all heads and stopped where the tasks meet; the others begin there."""

    def __init__(self, graph: Graph, heads: Heads) -> None:
        super().__init__(graph)
        self.cut, self.heads = heads.cut, heads
        self._own: dict[int, list[tuple[Tensor, Tensor]]] = {}
        shared = set(graph.shared)
        for leaf, grad in heads.leaves:
            kept = self.alone if leaf in shared else self._own
            kept.setdefault(graph.task(leaf), []).append((leaf_of(leaf), grad))  # type: ignore[arg-type]

    @property
    def shared(self) -> list[Node]:
        """Those below the boundary."""
        return [n for n in self.graph.shared if n in self.cut.below]

    def run(self, task: int, targets: Sequence[Target], *, last: bool = False) -> Gradients:
        """See :meth:`Passes.run`."""
        return self.push(self.heads.of(task), targets, last=last)

    def run_all(self, targets: Sequence[Target]) -> Gradients | None:
        """See :meth:`Passes.run_all`; ``None`` where something in the graph cannot be vectorised."""
        pairs = zip(self.cut.edges, self.heads.by_task, strict=True)
        there = [(GradientEdge(*e), d) for e, d in pairs if d is not None]
        if not there or not targets:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of operations that vmap would take one by one
                return list(
                    torch.autograd.grad(
                        [e for e, _ in there], targets, [d for _, d in there],  # type: ignore[arg-type]
                        retain_graph=True, allow_unused=True, is_grads_batched=True,
                    )
                )  # fmt: skip
        except (RuntimeError, Warning):
            return None

    def total(self, weights: Tensor, tasks: Sequence[int], targets: Sequence[Tensor]) -> Gradients:
        """See :meth:`Passes.total`."""
        return self.push(self.heads.weighted(weights, tasks), targets, last=True)

    def push(self, deltas: Gradients, targets: Sequence[Target], *, last: bool = False) -> Gradients:
        """Carry gradients that stand at the boundary, one an edge, down to the targets."""
        there = [(GradientEdge(*e), d) for e, d in zip(self.cut.edges, deltas, strict=True) if d is not None]
        if not there:
            return [None] * len(targets)
        retain = not last or self.graph.kept
        return gradients([e for e, _ in there], targets, [d for _, d in there], retain=retain)

    def own(self, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Passes.own`."""
        for task in tasks:
            yield from self._own.get(task, ())
