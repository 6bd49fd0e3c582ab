"""The cheapest way to a Gramian."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jointset.weighting.gramian.features import Features
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import Edge, Graph
from jointset.weighting.gramian.heads import Heads
from jointset.weighting.gramian.layers import Layers
from jointset.weighting.gramian.memory import Memory
from jointset.weighting.gramian.passes import FromBoundary, FromLosses, Passes
from jointset.weighting.gramian.row_rules import Mixed
from jointset.weighting.gramian.rows import Rows, groups_of, plan

WAYS = ("auto", "features", "layers", "rows")


def passes_of(graph: Graph, losses: Sequence[Tensor], edges: Sequence[Edge], memory: Memory) -> Passes:
    """From the boundary ``edges`` where the graph allows it, else from the losses."""
    cut = graph.cut(edges)
    if Heads.fit(graph, cut):
        return FromBoundary(graph, Heads(graph, losses, cut, memory))
    return FromLosses(graph, losses)


def find(
    graph: Graph,
    losses: Sequence[Tensor],
    edges: Sequence[Edge],
    *,
    way: str,
    rows: Tensor | None = None,
    memory: Memory,
) -> tuple[Found, str]:
    """The Gramian, and why it was not found the way that was asked for; '' where it was.

    "auto" takes one pass where every row is one task's (few, where few tasks share a row), and K otherwise.
    """
    why = ""
    if way == "features":
        if edges:
            return Features(passes_of(graph, losses, edges, memory), edges, len(losses)), ""
        why = "the tasks meet nowhere"
    elif way in ("auto", "rows"):
        asked = way == "rows" or rows is not None
        try:
            return _by_row(graph, losses, edges, rows, asked, memory), ""
        except Mixed as mixed:
            why = str(mixed) if asked else ""
    return Layers(passes_of(graph, losses, edges, memory), len(losses), memory), why


def _by_row(
    graph: Graph, losses: Sequence[Tensor], edges: Sequence[Edge], rows: Tensor | None, asked: bool,
    memory: Memory,
) -> Found:  # fmt: skip
    """The Gramian by row; or by layer, if so many tasks share a row that it costs less, unless rows are asked for."""
    cut, tasks = graph.cut(edges), len(losses)
    if not Heads.fit(graph, cut):
        raise Mixed("the tasks' own parameters are not apart from the shared ones")
    planned = plan(graph, cut, rows)
    heads = Heads(graph, losses, cut, memory, hear="rows" if rows is None else "sums")
    groups = groups_of(heads, tasks) if rows is None else torch.where(rows < 0, tasks, rows)[None]
    memory.crowded = len(groups) > 1
    if memory.crowded and not heads.kept:
        heads = Heads(graph, losses, cut, memory)
    passes = FromBoundary(graph, heads)
    if not asked and len(groups) > 1 and len(groups) ** 2 >= tasks:
        return Layers(passes, tasks, memory)
    return Rows(passes, tasks, planned, groups)
