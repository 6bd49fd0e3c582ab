"""The exact Gramian out of one backward pass, where every row of the batch is labelled for one task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.by_task import RULES, Arrived, ByTask, separable
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import Cut, Graph, kind, leaf_of, shape_of
from jointset.weighting.gramian.heads import Gradients, Heads
from jointset.weighting.gramian.layer import Layer, Use, precise
from jointset.weighting.gramian.layers import split
from jointset.weighting.gramian.passes import FromBoundary
from jointset.weighting.gramian.row_rules import Mixed, Place
from jointset.weighting.gramian.rowwise import track
from jointset.weighting.gramian.uses import formed, layers_of, uses_of


@dataclass(frozen=True)
class Plan:
    """How the rows run below a cut, and where each shared leaf is used there."""

    places: dict[Node, Place]
    uses: dict[Node, list[Use]]
    layers: list[Layer]


def plan(graph: Graph, cut: Cut, rows: Tensor | None = None) -> Plan:
    """See whether the rows of different tasks stay apart; ``rows`` says whose each is, if that is known.

    Raises :class:`Mixed` with the reason where rows meet, or where the gradient of a parameter cannot be told apart.
    """
    places = track(graph, cut, rows)
    uses = uses_of(graph, [n for n in graph.shared if n in cut.below], cut)
    layers = layers_of(uses)
    for node in (n for layer in layers for n in layer.nodes):
        if node not in places or places[node].axis >= max(len(shape_of(node)) - 1, 1):
            raise Mixed(f"{kind(node)} works along the rows")
    for used in _without(layers, uses).values():
        if not used:
            raise Mixed("a shared parameter is read by a head itself")
        for use in used:
            if use.node not in places or not separable(use, places[use.node].axis):
                raise Mixed(f"{kind(use.node)} is not known to keep rows apart")
    return Plan(places, uses, layers)


class Rows(Found):
    """Deltas of all layers from one pass; row r of them is the gradient of the one task that row r is labelled for.

    As long as rows do not meet on their way, the inner product of two tasks' gradients is a sum over pairs of their
    rows: Σ_rs (a aᵀ + 1)_rs (d dᵀ)_rs, whatever the number of tasks. Where several tasks share rows, as many passes
    are needed as the most tasks that meet in one row.
    """

    way = "rows"
    passes: FromBoundary

    def __init__(self, passes: FromBoundary, tasks: int, plan: Plan, groups: Tensor) -> None:
        """``groups`` ``(P, rows)``: for each pass the task of every row, K = none."""
        self.passes = passes
        self.layers = [layer for layer in plan.layers if layer.worthwhile_by_row(tasks, len(groups))]
        self.rest = _without(self.layers, plan.uses)
        self.formed = formed(self.rest)
        rules = {leaf: [RULES[kind(u.node), u.slot](u) for u in used] for leaf, used in self.rest.items()}
        self._collect(tasks, groups, plan.places, rules)
        self.gramian = self.jacobian @ self.jacobian.T
        for layer, deltas, owners in zip(self.layers, self.deltas, self.owners, strict=True):
            self.gramian += layer.row_gramian(deltas, owners, tasks)
        for k, pairs in passes.alone.items():
            self.gramian[k, k] += sum(precise(g).square().sum() for _, g in pairs)

    def _collect(
        self, tasks: int, groups: Tensor, places: dict[Node, Place], rules: dict[Node, list[ByTask]]
    ) -> None:
        nodes = list(dict.fromkeys(n for layer in self.layers for n in layer.nodes))
        nodes += list(dict.fromkeys(u.node for used in self.rest.values() for u in used))
        like = precise(next(d for d in self.passes.heads.totals if d is not None))
        self.jacobian = like.new_zeros(tasks, sum(n.variable.numel() for n in self.rest))  # type: ignore[attr-defined]
        deltas: list[list[Tensor]] = [[] for _ in self.layers]
        owners: list[list[Tensor]] = [[] for _ in self.layers]
        padded = torch.cat(
            [groups, groups.new_full((len(groups), 1), tasks)], 1
        )  # a row of number -1 is no task's
        for p, own in enumerate(padded):
            start = self.passes.heads.totals if len(groups) == 1 else self._start(groups[p])
            grads = self.passes.push(start, [GradientEdge(n, 0) for n in nodes], last=p == len(groups) - 1)
            arrived = dict(zip(nodes, grads, strict=True))
            for number, layer in enumerate(self.layers):
                rows = layer.rows([arrived[n] for n in layer.nodes])
                deltas[number].append(like.new_zeros(layer.size) if rows is None else precise(rows))
                owners[number].append(torch.cat([_owners(n, places[n], own) for n in layer.nodes]))
            self._add_rest(arrived, places, own, rules)
        self.deltas = [d[0][None] if len(d) == 1 else torch.stack(d) for d in deltas]
        self.owners = [torch.stack(o) for o in owners]

    def _start(self, groups: Tensor) -> Gradients:
        """The gradient at the boundary of the tasks whose rows ``groups`` lists."""
        found: Gradients = []
        for deltas in self.passes.heads.by_task:
            total = None if deltas is None else torch.zeros_like(deltas[0])
            if deltas is not None and total is not None:
                for k, delta in enumerate(deltas):
                    rows = groups == k
                    total[rows] = delta[rows]
            found.append(total)
        return found

    def _add_rest(
        self, arrived: dict[Node, Tensor | None], places: dict[Node, Place], own: Tensor,
        rules: dict[Node, list[ByTask]],
    ) -> None:  # fmt: skip
        start, tasks = 0, len(self.jacobian)
        for leaf, used in self.rest.items():
            size = leaf.variable.numel()  # type: ignore[attr-defined]
            for use, rule in zip(used, rules[leaf], strict=True):
                delta = arrived[use.node]
                if delta is not None:
                    place = places[use.node]
                    grads = rule(Arrived(precise(delta), place.axis, own[place.ids], tasks))
                    self.jacobian[:, start : start + size] += grads.reshape(tasks, size)
            start += size

    def combined(self, weights: Tensor, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Found.combined`."""
        k = len(self.jacobian)
        of_task = weights.new_zeros(k + 1)
        of_task[list(tasks)] = weights
        for layer, deltas, owners in zip(self.layers, self.deltas, self.owners, strict=True):
            if len(tasks) < k:
                present = torch.isin(owners, torch.tensor(list(tasks), device=owners.device))
                deltas = deltas.masked_fill(~present[:, :, None], 0.0)
            scaled = deltas * of_task.to(deltas)[owners][:, :, None]
            yield from layer.gradients(scaled[0] if len(scaled) == 1 else scaled.sum(0))
        kept = self.jacobian if len(tasks) == k else self.jacobian[list(tasks)]
        yield from split([leaf.variable for leaf in self.rest], weights @ kept)  # type: ignore[attr-defined]
        for w, task in zip(weights, tasks, strict=True):
            yield from ((p, w * g) for p, g in self.passes.alone.get(task, ()))


def groups_of(heads: Heads, tasks: int) -> Tensor:
    """For each pass that is needed, the task of every row at the boundary, ``(P, rows)``; K = none.

    A row is a task's if any gradient of the task arrives there. Pass p carries the p-th task of each row.
    """
    known = [rows for rows in heads.labelled if rows is not None]
    if len({rows.shape[1] for rows in known}) != 1:
        raise Mixed("the tensors where the tasks meet have not one number of rows")
    labelled = torch.stack(known).any(0)
    number = labelled.cumsum(0) - 1  # which of the row's tasks this is
    most = max(int(labelled.sum(0).max()), 1)
    groups = torch.full((most, labelled.shape[1]), tasks, device=labelled.device)
    task, row = labelled.nonzero(as_tuple=True)
    groups[number[task, row], row] = task
    return groups


def _owners(node: Node, place: Place, own: Tensor) -> Tensor:
    """The task of every row of a layer's output, which counts all dimensions but the last as rows."""
    shape = shape_of(node)[:-1]
    along = [1] * len(shape)
    along[place.axis] = shape[place.axis]
    return own[place.ids].view(along).expand(shape).reshape(-1)


def _without(layers: Sequence[Layer], uses: dict[Node, list[Use]]) -> dict[Node, list[Use]]:
    """The leaves that none of ``layers`` covers."""
    covered = {id(p) for layer in layers for p in layer.parameters}
    return {leaf: used for leaf, used in uses.items() if id(leaf_of(leaf)) not in covered}
