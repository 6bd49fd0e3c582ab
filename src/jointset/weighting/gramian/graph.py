"""The autograd graph of the losses, read once a step: which tasks reach what, and where their paths meet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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
    return tuple(node._input_metadata[number].shape)


@dataclass(frozen=True)
class Cut:
    """The graph in two: ``above`` are the nodes from the losses to ``edges``, ``below`` those of the edges and on.

    ``above`` lists children before parents. ``nested`` says that one of the edges is reached from another.
    """

    edges: tuple[Edge, ...]
    above: tuple[Node, ...]
    below: frozenset[Node]
    nested: bool


@dataclass(frozen=True)
class Graph:
    """Nodes from the losses down to the parameters.

    ``edges`` holds each node with what it was computed from, children before parents; ``reach[node]`` has bit k set
    where the loss of task k depends on the node. ``trunk`` are the nodes that several tasks reach and below which only
    shared parameters are: between them and the rest runs the boundary of shared and own. With ``kept`` the passes leave
    the graph as it is, for a backward pass of others.
    """

    roots: tuple[Node, ...]
    edges: dict[Node, tuple[Edge, ...]]
    reach: dict[Node, int]
    trunk: frozenset[Node]
    shared: tuple[Node, ...]
    own: tuple[Node, ...]
    kept: bool = False

    def single(self, node: Node) -> bool:
        """Whether only one task reaches a node."""
        return not self.reach[node] & (self.reach[node] - 1)

    def task(self, node: Node) -> int:
        """The task that reaches a node, if it is a single one."""
        return self.reach[node].bit_length() - 1

    def boundary(self) -> list[Edge]:
        """Where paths of the tasks enter the trunk, each place once."""
        trunk = self.trunk
        found: dict[Edge, None] = {(root, 0): None for root in self.roots if root in trunk}
        for node, children in self.edges.items():
            if node not in trunk:
                for edge in children:
                    if edge[0] in trunk:
                        found[edge] = None
        return list(found)

    def cut(self, edges: Iterable[Edge]) -> Cut:
        """Cut the graph at ``edges``."""
        edges = tuple(edges)
        stop = {n for n, _ in edges}
        above = self._reached([n for n in self.roots if n not in stop], stop)
        under = self._reached([n for node in stop for n, _ in self.edges[node]], set())
        return Cut(
            edges, tuple(n for n in self.edges if n in above), frozenset(under | stop), bool(under & stop)
        )

    def _reached(self, stack: list[Node], stop: set[Node]) -> set[Node]:
        """``stack`` and all that it was computed from, without passing through ``stop``."""
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += [n for n, _ in self.edges[node] if n not in stop]
        return seen


def read(losses: Sequence[Tensor], shared: Iterable[Tensor], *, keep: bool = False) -> Graph:
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
    edges = _children_first(roots)
    reach = dict.fromkeys(edges, 0)
    for k, root in enumerate(roots):
        reach[root] |= 1 << k
    for node in reversed(edges):
        bits = reach[node]
        for child, _ in edges[node]:
            reach[child] |= bits
    leaves = [n for n in edges if kind(n) == LEAF]
    shared_leaves = {n: None for n in leaves if id(leaf_of(n)) in ids}
    own = {n: None for n in leaves if n not in shared_leaves}
    only_shared = _only_shared(edges, shared_leaves.keys(), own.keys())
    trunk = frozenset(n for n in only_shared if len(roots) == 1 or reach[n] & (reach[n] - 1))
    return Graph(roots, edges, reach, trunk, tuple(shared_leaves), tuple(own), keep)


def edge_of(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor arrives."""
    return get_gradient_edge(tensor)


def _children_first(roots: Iterable[Node]) -> dict[Node, tuple[Edge, ...]]:
    order: dict[Node, tuple[Edge, ...]] = {}
    open_: dict[Node, tuple[Edge, ...]] = {}
    stack = list(roots)
    while stack:
        node = stack[-1]
        if node in order:
            stack.pop()
        elif node in open_:
            stack.pop()
            order[node] = open_[node]
        else:
            children = tuple((n, i) for n, i in node.next_functions if n is not None)
            open_[node] = children
            stack += [n for n, _ in children if n not in order]
    return order


def _only_shared(
    edges: dict[Node, tuple[Edge, ...]], shared: Collection[Node], own: Collection[Node]
) -> list[Node]:
    """The nodes that shared parameters lead to, and none of a task's own."""
    found: dict[Node, bool] = {}  # whether shared alone; nodes that no parameter leads to are left out
    for node, children in edges.items():
        if node in shared or node in own:
            found[node] = node in shared
        else:
            below = [found[n] for n, _ in children if n in found]
            if below:
                found[node] = all(below)
    return [n for n, alone in found.items() if alone]
