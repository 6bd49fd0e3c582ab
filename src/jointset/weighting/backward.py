"""One backward pass of several tasks, in anybody's training loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jointset.errors import ArrayError, nearest
from jointset.weighting.base import GramianWeighting, JacobianWeighting, LossWeighting, State, Weighting
from jointset.weighting.gradients import accumulate, finite, leaves_of
from jointset.weighting.gramian import WAYS, Graph, find, read
from jointset.weighting.gramian.choose import passes_of
from jointset.weighting.gramian.graph import Edge, edge_of
from jointset.weighting.gramian.jacobian import Jacobian
from jointset.weighting.gramian.memory import Memory
from jointset.weighting.gramian.passes import Passes
from jointset.weighting.shared import Part, Shared
from jointset.weighting.summed import UNSOUND, descend

WHERE = "weighting.backward"
IDLE = "the gradient is zero"


@dataclass(frozen=True)
class Step:
    """What :func:`backward` did.

    Attributes
    ----------
    state
        The weighting's next state.
    weights
        The weight of each task that was present; empty where the method gives none (it mixes gradients entry by entry,
        or sees the losses alone).
    absent
        The tasks that were left out, with the reason.
    way
        "features", "layers" or "rows" as found, "jacobian" or "losses" for methods without a Gramian.
    note
        Why another way was gone than the one that was asked for.
    formed
        Numbers in the parameters of which a gradient a task was formed after all, by the operation that uses them:
        exact as well, at K times their memory.
    gramian
        ``(k, k)`` of the present tasks, in the order of ``weights``; of two batches, that of their mean.
    """

    state: State
    weights: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    way: str = "losses"
    note: str = ""
    formed: Mapping[str, int] = field(default_factory=dict)
    gramian: Tensor | None = None


def backward(
    losses: Mapping[str, Tensor | None] | Sequence[Tensor | None],
    *,
    weighting: Weighting,
    shared: Shared | Part | Iterable[Part],
    features: Tensor | Sequence[Tensor] | None = None,
    second: Mapping[str, Tensor | None] | None = None,
    state: State | None = None,
    rows: Tensor | None = None,
    way: str = "auto",
    recover: bool = True,
) -> Step:
    """Leave the combined gradient in ``.grad`` of the shared parameters, and each task's own in those of its head.

    It stands where ``sum(losses).backward()`` stood, and works with any model and optimizer: what is needed of the
    forward pass is read from the autograd graph of the losses. Gradients are added to what ``.grad`` holds, as always;
    hooks on shared parameters do not run. The graph is used up.

    A task is left out of the step, and its state kept, if it is not in ``losses`` or ``None``, if its loss or its
    gradient is not finite, or if its gradient at the shared parameters is zero; in the last case its own parameters
    learn all the same, as those of a head that begins at zero have to.

    Parameters
    ----------
    losses
        One scalar a task, by name, or in a sequence (the names are then "0", "1", …).
    weighting
        The method.
    shared
        The modules, or parameters, that the tasks share; or a :class:`~jointset.weighting.shared.Shared` of them, made
        once, which is faster. All else that the losses depend on is the tasks' own.
    features
        The tensors that the heads read, for a Gramian at the features; found in the graph for ``way="features"``.
    second
        For methods derived for two batches (``samples`` is 2): the losses on the other one, or on the other half of
        the same, by name. The gradients are those of the mean of both. A task that is in one alone counts as if it
        were the same in both.
    state
        What the last step returned, or ``weighting.init(tasks)``; not needed for methods that keep none.
    rows
        ``(b,)``, where every row of the batch is one task's: its position in ``losses``, −1 = no task. Left out, it is
        found from the gradients. With it, rows of one task may meet one another (as in mixup within a task).
    way
        "rows": one pass, if every row belongs to one task and rows do not meet on their way; "layers": a pass a task,
        for any model; "features": cheapest, another Gramian; "auto": the cheaper of the exact ones, or "features"
        where ``features`` are given or the method is meant for them. The update is Σ w_k g_k, exactly, in all of them.
    recover
        For methods on losses, which see no gradient before the sum: where the sum's is not finite, find whose is not,
        and repeat the pass without it. That keeps what the graph holds until the losses and features are dropped (let
        go of them before the next forward pass). Without it such a step leaves no gradient at all.

    >>> from torch import nn
    >>> from jointset.weighting import MGDA
    >>> trunk, a, b = nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(3, 1)
    >>> z = trunk(torch.ones(4, 2))
    >>> step = backward({"a": a(z).sum(), "b": b(z).sum()}, weighting=MGDA(), shared=trunk)
    >>> step.way, sorted(step.weights), trunk.weight.grad.shape
    ('layers', ['a', 'b'], torch.Size([3, 2]))
    """
    named = _named(losses)
    shared = shared if isinstance(shared, Shared) else Shared(shared)
    parameters = shared.parameters
    _check(named, parameters, way, rows)
    if not isinstance(weighting, (LossWeighting, GramianWeighting, JacobianWeighting)):
        raise ArrayError(f"{WHERE}: {type(weighting).__name__} is none of the three kinds of weighting")
    if second is not None:
        return _of_two(named, second, weighting, shared, features, state, way)
    state = _state(weighting, state, list(named))
    present, absent = _present(named)
    if not present:
        return Step(state, absent=absent)
    if isinstance(weighting, LossWeighting):
        done = descend(present, weighting, state, leaves=leaves_of(*present.values()), recover=recover)
        return Step(done.state, absent={**absent, **done.absent})
    graph = _read(list(present.values()), parameters)
    if isinstance(weighting, JacobianWeighting):
        return _by_jacobian(graph, present, absent, weighting, state, parameters, shared.memory)
    edges = _edges(graph, features, way)
    if rows is not None and len(present) < len(named):
        rows = _renumbered(rows, [list(named).index(n) for n in present])
    way = "features" if way == "auto" and (features is not None or weighting.at_features) else way
    return _by_gramian(graph, present, absent, weighting, state, edges, way, rows, shared.memory)


def _by_gramian(
    graph: Graph, present: dict[str, Tensor], absent: dict[str, str], weighting: GramianWeighting,
    state: State, edges: Sequence[Edge], way: str, rows: Tensor | None, memory: Memory,
) -> Step:  # fmt: skip
    names, losses = list(present), list(present.values())
    found, note = find(graph, losses, edges, way=way, rows=rows, memory=memory)
    kept, idle, absent = _judged(names, found.gramian.diagonal(), found.passes, absent)
    accumulate(found.passes.own(idle))
    if not kept:
        return Step(state, absent=absent, way=found.way, note=note)
    gramian = found.gramian if len(kept) == len(names) else found.gramian[kept][:, kept]
    tasks = [names[k] for k in kept]
    values = torch.stack([losses[k].detach().to(gramian) for k in kept])
    weights, state = weighting.weigh(gramian, values, tasks, state)
    accumulate(found.combined(weights.to(gramian), kept))
    accumulate(found.passes.own(kept))
    by_name = dict(zip(tasks, weights.tolist(), strict=True))
    return Step(state, by_name, absent, found.way, note, found.formed, gramian)


def _of_two(
    first: Mapping[str, Tensor | None], second: Mapping[str, Tensor | None], weighting: Weighting, shared: Shared,
    features: Tensor | Sequence[Tensor] | None, state: State | None, way: str,
) -> Step:  # fmt: skip
    """The step of a method on ⟨g_i, g'_j⟩: a part of the Gramian of all losses on either batch."""
    if not isinstance(weighting, GramianWeighting) or weighting.samples != 2:
        raise ArrayError(
            f"{WHERE}: {type(weighting).__name__} takes one batch; second is for methods of two, such as MoDo"
        )
    named = list(dict.fromkeys([*first, *second]))
    state = _state(weighting, state, named)
    batches = [_present(first), _present(second)]
    names = [n for present, _ in batches for n in present]
    losses = [loss for present, _ in batches for loss in present.values()]
    absent = {n: why for _, reasons in reversed(batches) for n, why in reasons.items() if n not in names}
    if not losses:
        return Step(state, absent=absent)
    graph = _read(losses, shared.parameters)
    way = "features" if way == "auto" and features is not None else way
    found, note = find(graph, losses, _edges(graph, features, way), way=way, memory=shared.memory)
    kept, idle, left_out = _judged(names, found.gramian.diagonal(), found.passes, {})
    unsound = {n for n, why in left_out.items() if why != IDLE}
    for k in (k for k in (*kept, *idle) if names[k] not in unsound):
        accumulate((p, g / names.count(names[k])) for p, g in found.passes.own([k]))
    kept = [k for k in kept if names[k] not in unsound]
    tasks = list(dict.fromkeys(names[k] for k in kept))
    absent |= {n: why for n, why in left_out.items() if n not in tasks}
    if not tasks:
        return Step(state, absent=absent, way=found.way, note=note)
    of = {n: [k for k in kept if names[k] == n] for n in tasks}
    crossed = found.gramian[[k[0] for k in of.values()]][:, [k[-1] for k in of.values()]]
    mean = found.gramian.new_zeros(len(tasks), len(names))
    for i, places in enumerate(of.values()):
        mean[i, places] = 1.0 / len(places)
    values = mean @ torch.stack([loss.detach() for loss in losses]).to(mean)
    weights, state = weighting.weigh(crossed, values, tasks, state)
    accumulate(found.combined((weights.to(mean) @ mean)[kept], kept))
    by_name = dict(zip(tasks, weights.tolist(), strict=True))
    return Step(state, by_name, absent, found.way, note, found.formed, mean @ found.gramian @ mean.T)


def _by_jacobian(
    graph: Graph, present: dict[str, Tensor], absent: dict[str, str], weighting: JacobianWeighting,
    state: State, parameters: Sequence[Tensor], memory: Memory,
) -> Step:  # fmt: skip
    names, losses = list(present), list(present.values())
    passes = passes_of(graph, losses, graph.boundary(), memory)
    found = Jacobian(passes, len(names), parameters, memory)
    kept, idle, absent = _judged(names, found.matrix.square().sum(1), passes, absent)
    accumulate(passes.own(idle))
    if kept:
        values = torch.stack([losses[k].detach().to(found.matrix) for k in kept])
        combined, state = weighting.combine(found.matrix[kept], values, [names[k] for k in kept], state)
        accumulate(found.scattered(combined))
        accumulate(passes.own(kept))
    return Step(state, absent=absent, way="jacobian")


def _read(losses: Sequence[Tensor], parameters: Sequence[Tensor]) -> Graph:
    graph = read(losses, parameters)
    if not graph.shared:
        raise ArrayError(
            f"{WHERE}: none of the losses depends on a parameter of shared; "
            "name the modules that the tasks share, and check that they require gradients"
        )
    return graph


def _named(losses: Mapping[str, Tensor | None] | Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    return dict(losses) if isinstance(losses, Mapping) else {str(i): loss for i, loss in enumerate(losses)}


def _check(
    losses: Mapping[str, Tensor | None], parameters: Sequence[Tensor], way: str, rows: Tensor | None
) -> None:
    if way not in WAYS:
        raise ArrayError(f"{WHERE}: no way {way!r}{nearest(way, WAYS)}; one of {', '.join(WAYS)}")
    if not parameters:
        raise ArrayError(
            f"{WHERE}: shared holds no parameter that requires a gradient; give the shared modules"
        )
    for name, loss in losses.items():
        if loss is not None and loss.numel() != 1:
            raise ArrayError(
                f"{WHERE}: the loss of task {name!r} has the shape {tuple(loss.shape)}, and one number is needed; "
                "take its mean or sum"
            )
    if rows is not None and (rows.ndim != 1 or rows.is_floating_point()):
        raise ArrayError(
            f"{WHERE}: rows has the shape {tuple(rows.shape)} and type {rows.dtype}; "
            "it holds for each row of the batch the position of its task, (b,) whole numbers"
        )


def _state(weighting: Weighting, state: State | None, tasks: Sequence[str]) -> State:
    if state is not None:
        return state
    first = weighting.init(tasks)
    if first:
        raise ArrayError(
            f"{WHERE}: {type(weighting).__name__} keeps a state from step to step; begin with "
            "state=weighting.init(tasks), and pass on the state of what backward returns"
        )
    return first


def _present(losses: Mapping[str, Tensor | None]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The losses that can be trained on, and why the others cannot."""
    present, absent = {}, {}
    for name, loss in losses.items():
        if loss is None:
            absent[name] = "no loss"
        elif not bool(torch.isfinite(loss.detach()).all()):
            absent[name] = f"the loss is {float(loss.detach())}"
        elif not loss.requires_grad:
            absent[name] = IDLE
        else:
            present[name] = loss.reshape(())
    return present, absent


def _judged(
    names: Sequence[str], squares: Tensor, passes: Passes, absent: Mapping[str, str]
) -> tuple[list[int], list[int], dict[str, str]]:
    """The tasks to weigh; those whose own parameters alone learn; and all that are left out, with the reason.

    ``squares`` are of the lengths of the tasks' gradients at what is shared.
    """
    kept, idle, reasons = [], [], dict(absent)
    own = [[g for _, g in passes.own([k])] for k in range(len(names))]
    sound = finite(g for grads in own for g in grads)
    unsound = set() if sound else {k for k, grads in enumerate(own) if not finite(grads)}
    for k, square in enumerate(squares.tolist()):
        if k in unsound or not math.isfinite(square):
            reasons[names[k]] = UNSOUND
        elif square > 0:
            kept.append(k)
        else:
            idle.append(k)
            reasons[names[k]] = IDLE
    return kept, idle, reasons


def _edges(graph: Graph, features: Tensor | Sequence[Tensor] | None, way: str) -> list[Edge]:
    """Where heads and trunk meet: at ``features``, or as the graph says."""
    if features is None or way not in ("auto", "features"):
        return graph.boundary()
    tensors = [features] if isinstance(features, Tensor) else list(features)
    for tensor in tensors:
        if not tensor.requires_grad:
            raise ArrayError(
                f"{WHERE}: features of the shape {tuple(tensor.shape)} have no gradient; "
                "give what the trunk returned, not detached"
            )
    edges = [(e.node, e.output_nr) for e in map(edge_of, tensors)]
    if not any(node in graph.edges for node, _ in edges):
        raise ArrayError(
            f"{WHERE}: no loss depends on the features; name the tensors that the heads read, or leave features out"
        )
    return [edge for edge in edges if edge[0] in graph.edges]


def _renumbered(rows: Tensor, present: Sequence[int]) -> Tensor:
    """Positions among the tasks that are present, −1 = another one."""
    found = torch.full_like(rows, -1)
    for new, old in enumerate(present):
        found[rows == old] = new
    return found
