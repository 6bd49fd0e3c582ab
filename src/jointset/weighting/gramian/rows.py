"""The exact Gramian out of one backward pass, where every row of the batch is labelled for one task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from jointset.weighting.gramian.by_task import RULES, Arrived, ByTask, separable
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import kind, leaf_of, shape_of
from jointset.weighting.gramian.layer import Layer, Use, precise
from jointset.weighting.gramian.layers import split
from jointset.weighting.gramian.passes import FromBoundary, Gradients
from jointset.weighting.gramian.row_rules import Mixed, Place
from jointset.weighting.gramian.rowwise import track
from jointset.weighting.gramian.uses import layers_of, uses_of


class Rows(Found):
    """Deltas of all layers from one pass; row r of them is the gradient of the one task that row r is labelled for.

    As long as rows do not meet on their way, the inner product of two tasks' gradients is a sum over pairs of their
    rows: Σ_rs (a aᵀ + 1)_rs (d dᵀ)_rs, whatever the number of tasks. Where several tasks share rows, as many passes
    are needed as the most tasks that meet in one row.

    Raises :class:`Mixed` with the reason where rows meet, or a layer is not known.
    """

    way = "rows"

    def __init__(self, passes: FromBoundary, tasks: int, groups: Tensor) -> None:
        """``groups`` ``(P, rows)``: for each pass the task of every row, K = none."""
        self.passes = passes
        places = track(passes.graph, passes.edges, passes.below, groups.shape[1])
        uses = uses_of(passes.graph, passes.shared, passes.below, passes.edges)
        self.layers = [layer for layer in layers_of(uses) if layer.worthwhile_by_row(tasks, len(groups))]
        covered = {id(p) for layer in self.layers for p in layer.parameters}
        self.rest = {leaf: used for leaf, used in uses.items() if id(leaf_of(leaf)) not in covered}
        _check(self.layers, self.rest, places)
        rules = {leaf: [RULES[kind(u.node), u.slot](u) for u in used] for leaf, used in self.rest.items()}
        self._collect(tasks, groups, places, rules)
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
        like = precise(next(d for arrived in self.passes.deltas for d in arrived if d is not None))
        self.jacobian = like.new_zeros(tasks, sum(n.variable.numel() for n in self.rest))  # type: ignore[attr-defined]
        deltas: list[list[Tensor]] = [[] for _ in self.layers]
        owners: list[list[Tensor]] = [[] for _ in self.layers]
        padded = torch.cat([groups, groups.new_full((len(groups), 1), tasks)], 1)  # a row of number -1 is no task's
        for p, own in enumerate(padded):
            start = self._start(groups[p], single=len(groups) == 1)
            grads = self.passes.push(start, [GradientEdge(n, 0) for n in nodes], last=p == len(groups) - 1)
            arrived = dict(zip(nodes, grads, strict=True))
            for number, layer in enumerate(self.layers):
                rows = layer.rows([arrived[n] for n in layer.nodes])
                deltas[number].append(like.new_zeros(layer.size) if rows is None else precise(rows))
                owners[number].append(torch.cat([_owners(n, places[n], own) for n in layer.nodes]))
            self._add_rest(arrived, places, own, rules)
        self.deltas = [d[0][None] if len(d) == 1 else torch.stack(d) for d in deltas]
        self.owners = [torch.stack(o) for o in owners]

    def _start(self, groups: Tensor, *, single: bool) -> Gradients:
        """The gradient at the boundary of the tasks whose rows ``groups`` lists."""
        found: Gradients = []
        for arrived in self.passes.deltas:
            known = [(k, a) for k, a in enumerate(arrived) if a is not None]
            if not known:
                found.append(None)
            elif single:
                found.append(sum((a for _, a in known[1:]), start=known[0][1]))
            else:
                total = torch.zeros_like(known[0][1])
                for k, a in known:
                    rows = groups == k
                    total[rows] = a[rows]
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
            yield from layer.gradients((deltas * of_task[owners][:, :, None]).sum(0))
        kept = self.jacobian if len(tasks) == k else self.jacobian[list(tasks)]
        yield from split([leaf.variable for leaf in self.rest], weights @ kept)  # type: ignore[attr-defined]
        for w, task in zip(weights, tasks, strict=True):
            yield from ((p, w * g) for p, g in self.passes.alone.get(task, ()))


def groups_of(passes: FromBoundary, tasks: int) -> Tensor:
    """For each pass that is needed, the task of every row at the boundary, ``(P, rows)``; K = none.

    A row is a task's if any gradient of the task arrives there. Pass p carries the p-th task of each row.
    """
    labelled: Tensor | None = None
    for arrived in passes.deltas:
        for k, delta in enumerate(arrived):
            if delta is not None:
                if delta.ndim == 0 or (labelled is not None and len(delta) != labelled.shape[1]):
                    raise Mixed("the tensors where the tasks meet have not one number of rows")
                if labelled is None:
                    labelled = torch.zeros(tasks, len(delta), dtype=torch.bool, device=delta.device)
                labelled[k] |= (delta != 0).flatten(1).any(1) if delta.ndim > 1 else delta != 0
    if labelled is None:
        raise Mixed("no gradient arrives where the tasks meet")
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


def _check(layers: Sequence[Layer], rest: dict[Node, list[Use]], places: dict[Node, Place]) -> None:
    """Raise :class:`Mixed` where the gradient of a parameter cannot be told apart by row."""
    for node in (n for layer in layers for n in layer.nodes):
        if node not in places or places[node].axis >= max(len(shape_of(node)) - 1, 1):
            raise Mixed(f"{kind(node)} works along the rows")
    for used in rest.values():
        if not used:
            raise Mixed("a shared parameter is read by a head itself")
        for use in used:
            if use.node not in places or not separable(use, places[use.node].axis):
                raise Mixed(f"{kind(use.node)} is not known to keep rows apart")
