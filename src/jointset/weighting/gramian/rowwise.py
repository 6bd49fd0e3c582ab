"""Which row of the batch every part of the graph belongs to, as long as rows do not meet."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.autograd.graph import Node

from jointset.weighting.gramian.graph import Cut, Graph, kind, shape_of
from jointset.weighting.gramian.row_rules import RULES, Mixed, Place
from jointset.weighting.gramian.uses import leaf_behind


def track(graph: Graph, cut: Cut, rows: Tensor | None = None) -> dict[Node, Place]:
    """Where the rows lie in the outputs of the nodes below a cut; at its edges they come first.

    ``rows`` says whose task each is, if that is known: rows of one task go by the number of the first of them, so that
    they may meet one another. Raises :class:`Mixed` with the reason where rows meet, or may.
    """
    counts = {shape_of(*edge)[:1] for edge in cut.edges}
    count = counts.pop()
    if counts or not count:
        raise Mixed("the tensors where the tasks meet have not one number of rows")
    if rows is not None and count != (len(rows),):
        raise Mixed(f"rows counts {len(rows)}, and the tensors where the tasks meet have {count[0]}")
    ids = torch.arange(count[0]) if rows is None else _first_of_task(rows)
    places: dict[Node, Place] = {node: Place(0, ids) for node, _ in cut.edges}
    for node in reversed(graph.edges):
        if node not in cut.below or node not in places or leaf_behind(node) is not None:
            continue
        rule = RULES.get(re.sub(r"Backward\d*$", "", kind(node)))
        if rule is None:
            raise Mixed(f"{kind(node)} is not known to keep rows apart")
        for (child, _), place in zip(node.next_functions, rule(node, places[node]), strict=True):
            if child is None or leaf_behind(child) is not None:
                continue
            if place is None:
                raise Mixed(f"{kind(node)} lets rows meet")
            places[child] = _merged(places.get(child), place, kind(node))
    return places


def _first_of_task(rows: Tensor) -> Tensor:
    """The number of the first row of the same task; −1 for rows of none."""
    tasks, number = torch.unique(rows, return_inverse=True)
    first = torch.full_like(tasks, len(rows)).scatter_reduce_(
        0, number, torch.arange(len(rows), device=rows.device), "amin"
    )
    return torch.where(rows < 0, -1, first[number])


def _merged(first: Place | None, second: Place, where: str) -> Place:
    """One place that agrees with both."""
    if first is None or (first.ids is second.ids and first.axis == second.axis):
        return second
    same = first.axis == second.axis and len(first.ids) == len(second.ids)
    if not same or bool(((first.ids != second.ids) & (first.ids >= 0) & (second.ids >= 0)).any()):
        raise Mixed(f"two rows meet above {where}")
    return Place(first.axis, torch.where(first.ids >= 0, first.ids, second.ids))
