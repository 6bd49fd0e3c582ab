"""The cheapest way to a Gramian."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jointset.weighting.gramian.features import Features
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import Edge, Graph, edge_of
from jointset.weighting.gramian.layers import Layers
from jointset.weighting.gramian.passes import FromBoundary, FromLosses, Passes
from jointset.weighting.gramian.row_rules import Mixed
from jointset.weighting.gramian.rows import Rows, groups_of

WAYS = ("auto", "features", "layers", "rows")


def passes_of(graph: Graph, losses: Sequence[Tensor], edges: Sequence[Edge]) -> Passes:
    """From the boundary ``edges`` where the graph allows it, else from the losses."""
    if FromBoundary.fits(graph, edges):
        return FromBoundary(graph, losses, edges)
    return FromLosses(graph, losses)


def find(
    passes: Passes, edges: Sequence[Edge], tasks: int, *, way: str, rows: Tensor | None = None
) -> tuple[Found, str]:
    """The Gramian, and why it was not found the way that was asked for; '' where it was.

    "auto" takes one pass where every row is one task's (few, where few tasks share a row), and K otherwise.
    """
    if way == "features" and edges:
        return Features(passes, edges, tasks), ""
    why = "" if way != "features" else "the tasks meet nowhere"
    if way in ("auto", "rows"):
        try:
            return _by_row(passes, tasks, rows, every=way == "rows"), ""
        except Mixed as mixed:
            why = str(mixed)
    return Layers(passes, tasks), why if way != "auto" else ""


def _by_row(passes: Passes, tasks: int, rows: Tensor | None, *, every: bool) -> Rows:
    if not isinstance(passes, FromBoundary):
        raise Mixed("the tasks' own parameters are not apart from the shared ones")
    groups = groups_of(passes, tasks) if rows is None else torch.where(rows < 0, tasks, rows)[None]
    if not every and len(groups) ** 2 >= tasks:
        raise Mixed(f"up to {len(groups)} of {tasks} tasks share a row")
    return Rows(passes, tasks, groups)
