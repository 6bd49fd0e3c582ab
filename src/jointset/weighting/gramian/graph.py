"""The autograd graph of the losses, read once a step: which tasks reach what, and where their paths meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

LEAF = "AccumulateGrad"
Edge = tuple[Node, int]


def kind(node: Node) -> str:
    """The name of what made a tensor, such as ``AddmmBackward0``."""
    return type(node).__name__


def leaf_of(node: Node) -> Tensor | None:
    """The parameter that a node stands for."""
    return node.variable if kind(node) == LEAF else None  # type: ignore[attr-defined]


def saved(node: Node, name: str) -> Any:
    """What the forward pass kept for the backward pass under ``name``, without its graph."""
    value = getattr(node, f"_saved_{name}")
    if isinstance(value, Tensor):
        return value.detach()
    return tuple(map(_signed, value)) if isinstance(value, tuple) else _signed(value)


def _signed(value: Any) -> Any:
    """Autograd shows negative numbers, such as dimensions from the end, as unsigned ones."""
    return value - (1 << 64) if type(value) is int and value >= 1 << 63 else value


def shape_of(node: Node, number: int = 0) -> tuple[int, ...]:
    """The shape of a node's output."""
    return tuple(node._input_metadata[number].shape)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Graph:
    """Nodes from the losses down to the parameters.

    ``order`` lists children before parents; ``reach[node]`` has bit k set where the loss of task k depends on the
    node; ``trunk`` are the nodes that several tasks reach and below which only shared parameters are: between them
    and the rest runs the boundary of shared and own.
    """

    roots: tuple[Node, ...]
    order: tuple[Node, ...]
    reach: dict[Node, int]
    trunk: frozenset[Node]
    shared: tuple[Node, ...]
    own: tuple[Node, ...]

    def tasks(self, node: Node) -> list[int]:
        """The tasks that reach a node."""
        return [k for k in range(len(self.roots)) if self.reach[node] >> k & 1]

    def boundary(self) -> list[Edge]:
        """Where paths of the tasks enter the trunk, each place once."""
        found: dict[Edge, None] = {}
        for root in self.roots:
            if root in self.trunk:
                found[root, 0] = None
        for node in self.order:
            if node not in self.trunk:
                found |= {(n, i): None for n, i in node.next_functions if n in self.trunk}
        return list(found)

    def under(self, edges: Iterable[Edge]) -> set[Node]:
        """Everything that the nodes of ``edges`` were computed from; a node itself only if another leads to it."""
        seen: set[Node] = set()
        stack = [n for n, _ in edges]
        while stack:
            for child, _ in stack.pop().next_functions:
                if child is not None and child not in seen:
                    seen.add(child)
                    stack.append(child)
        return seen

    def above(self, edges: Iterable[Edge]) -> list[Node]:
        """What is reached from the losses without passing through the nodes of ``edges``; children first."""
        stop = {n for n, _ in edges}
        seen: set[Node] = set()
        stack = [n for n in self.roots if n not in stop]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += [n for n, _ in node.next_functions if n is not None and n not in stop]
        return [n for n in self.order if n in seen]


def read(losses: Sequence[Tensor], shared: Iterable[Tensor]) -> Graph:
    """The graph of the losses, one a task, each with a graph of its own.

    >>> import torch
    >>> w, a, b = (torch.ones(2, requires_grad=True) for _ in range(3))
    >>> z = w * 2
    >>> graph = read([(z * a).sum(), (z * b).sum()], [w])
    >>> [(kind(n), i) for n, i in graph.boundary()], len(graph.shared), len(graph.own)
    ([('MulBackward0', 0)], 1, 2)
    """
    ids = {id(p) for p in shared}
    roots = tuple(edge_of(loss).node for loss in losses)
    order = _children_first(roots)
    reach = dict.fromkeys(order, 0)
    for k, root in enumerate(roots):
        reach[root] |= 1 << k
    for node in reversed(order):
        bits = reach[node]
        for child, _ in node.next_functions:
            if child is not None:
                reach[child] |= bits
    leaves = [n for n in order if kind(n) == LEAF]
    shared_leaves = tuple(n for n in leaves if id(leaf_of(n)) in ids)
    own = tuple(n for n in leaves if id(leaf_of(n)) not in ids)
    trunk = _trunk(order, reach, set(shared_leaves), set(own), len(roots))
    return Graph(roots, tuple(order), reach, trunk, shared_leaves, own)


def edge_of(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor arrives."""
    return get_gradient_edge(tensor)


def _children_first(roots: Iterable[Node]) -> list[Node]:
    order: list[Node] = []
    done: dict[Node, bool] = {}
    stack = list(roots)
    while stack:
        node = stack[-1]
        if node not in done:
            done[node] = False
            stack += [n for n, _ in node.next_functions if n is not None and n not in done]
        else:
            stack.pop()
            if not done[node]:
                done[node] = True
                order.append(node)
    return order


def _trunk(
    order: Sequence[Node], reach: dict[Node, int], shared: set[Node], own: set[Node], tasks: int
) -> frozenset[Node]:
    only_shared: set[Node] = set()
    mixed: set[Node] = set(own)
    for node in order:
        children = [n for n, _ in node.next_functions if n is not None]
        if node in own or any(n in mixed for n in children):
            mixed.add(node)
        elif node in shared or any(n in only_shared for n in children):
            only_shared.add(node)
    return frozenset(n for n in only_shared if tasks == 1 or reach[n] & (reach[n] - 1))
