"""The exact Gramian, layer by layer: K small deltas instead of K large gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import leaf_of, shape_of
from jointset.weighting.gramian.layer import Layer, precise, widest
from jointset.weighting.gramian.memory import Memory
from jointset.weighting.gramian.passes import FromBoundary, Passes, Target
from jointset.weighting.gramian.uses import formed, layers_of, uses_of

SMALL = 1 << 20  # numbers that arrive at a layer, over all tasks
SHARE = 0.25  # of the tasks that reach a layer, on average: zeros are carried from the others


class Layers(Found):
    """Per layer: K backward passes that stop at the layers' outputs, then products with the layers' inputs.

    A pass that forms no gradient of a weight costs a third of a step instead of two thirds. Where a gradient is
    smaller than what it is made of (few parameters, many rows), or the layer is not known, the passes form it, and
    ``formed`` says so.
    """

    way = "layers"

    def __init__(self, passes: Passes, tasks: int, memory: Memory) -> None:
        self.passes = passes
        cut = passes.cut if isinstance(passes, FromBoundary) else None
        uses = uses_of(passes.graph, passes.shared, cut)
        self.layers = [layer for layer in layers_of(uses) if layer.worthwhile(tasks)]
        covered = {id(p) for layer in self.layers for p in layer.parameters}
        leaves = [leaf_of(n) for n in passes.shared]
        self.rest = [p for p in leaves if p is not None and id(p) not in covered]
        self.formed = formed({leaf: used for leaf, used in uses.items() if id(leaf_of(leaf)) not in covered})
        little = memory.vectorised and _little(
            [u.node for used in uses.values() for u in used], passes, tasks
        )
        at_once = little and self._collect_at_once(tasks, memory)
        if not at_once:
            self._collect(tasks, memory)
        self.gramian = self._gramian(tasks)
        if at_once and not bool(torch.isfinite(self.gramian).all()):
            self._collect(tasks, memory)
            self.gramian = self._gramian(tasks)

    def _collect_at_once(self, tasks: int, memory: Memory) -> bool:
        """Make all passes as one, which pays where operations take longer to call than to carry out; whether it did."""
        found = self.passes.run_all([*self._nodes(), *self.rest])
        if found is None:
            memory.vectorised = False
            return False
        self.deltas, start = [], 0
        for layer in self.layers:
            rows = layer.rows(found[start : start + len(layer.nodes)], tasks)
            self.deltas.append(_like(layer).new_zeros(tasks, *layer.size) if rows is None else precise(rows))
            start += len(layer.nodes)
        self.jacobian = memory.take("gradients", (tasks, sum(p.numel() for p in self.rest)), self._widest())
        flatten(self.rest, found[start:], self.jacobian)
        return True

    def _nodes(self) -> list[Target]:
        return [GradientEdge(n, 0) for layer in self.layers for n in layer.nodes]

    def _widest(self) -> Tensor:
        return widest([p for n in self.passes.graph.shared if (p := leaf_of(n)) is not None])

    def _collect(self, tasks: int, memory: Memory) -> None:
        targets: list[Target] = self._nodes()
        self.deltas = [
            memory.take(f"deltas.{i}", (tasks, *layer.size), _like(layer))
            for i, layer in enumerate(self.layers)
        ]
        size = sum(p.numel() for p in self.rest)
        self.jacobian = memory.take("gradients", (tasks, size), self._widest())
        for k in range(tasks):
            grads = self.passes.run(k, [*targets, *self.rest], last=k == tasks - 1)
            start = 0
            for layer, deltas in zip(self.layers, self.deltas, strict=True):
                rows = layer.rows(grads[start : start + len(layer.nodes)])
                deltas[k] = 0.0 if rows is None else rows
                start += len(layer.nodes)
            flatten(self.rest, grads[start:], self.jacobian[k])

    def _gramian(self, tasks: int) -> Tensor:
        gramian = self.jacobian @ self.jacobian.T
        for layer, deltas in zip(self.layers, self.deltas, strict=True):
            gramian += layer.gramian(deltas)
        for k, pairs in self.passes.alone.items():
            gramian[k, k] += sum(precise(g).square().sum() for _, g in pairs)
        return gramian

    def combined(self, weights: Tensor, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Found.combined`."""
        whole = len(tasks) == len(self.jacobian)
        for layer, deltas in zip(self.layers, self.deltas, strict=True):
            kept = deltas if whole else deltas[list(tasks)]
            yield from layer.gradients((weights.to(kept) @ kept.flatten(1)).view(layer.size))
        yield from split(self.rest, weights @ (self.jacobian if whole else self.jacobian[list(tasks)]))
        for w, k in zip(weights, tasks, strict=True):
            for parameter, grad in self.passes.alone.get(k, ()):
                yield parameter, w * grad


def _like(layer: Layer) -> Tensor:
    return precise(layer.parameters[0].detach())


def _little(nodes: Sequence[Node], passes: Passes, tasks: int) -> bool:
    """Whether one pass of all tasks is likely to take less than one each."""
    reached = sum(passes.graph.reach[n].bit_count() for n in nodes)
    largest = max((math.prod(shape_of(n)) for n in nodes), default=0)
    return tasks * largest <= SMALL and reached >= SHARE * tasks * len(nodes)


def flatten(parameters: Sequence[Tensor], grads: Sequence[Tensor | None], out: Tensor) -> None:
    """Gradients one after the other into ``out``, ``(P,)``, or ``(K, P)`` of K tasks; zeros for ``None``."""
    start = 0
    for parameter, grad in zip(parameters, grads, strict=True):
        part = out[..., start : start + parameter.numel()]
        if grad is None:
            part.zero_()
        else:
            part.copy_((grad.to_dense() if grad.is_sparse else grad).reshape(part.shape))
        start += parameter.numel()


def split(parameters: Sequence[Tensor], flat: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The reverse of :func:`flatten`."""
    parts = torch.split(flat, [p.numel() for p in parameters]) if parameters else ()
    for parameter, part in zip(parameters, parts, strict=True):
        yield parameter, part.view(parameter.shape)
