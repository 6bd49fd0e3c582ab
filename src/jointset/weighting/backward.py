"""One backward pass of several tasks, in anybody's training loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from jointset.errors import ArrayError, nearest
from jointset.weighting.base import GramianWeighting, JacobianWeighting, LossWeighting, State, Weighting
from jointset.weighting.gradients import accumulate, leaves_of
from jointset.weighting.gramian import WAYS
from jointset.weighting.gramian.choose import passes_of
from jointset.weighting.gramian.jacobian import Jacobian
from jointset.weighting.shared import Part, Shared, entries_along
from jointset.weighting.step import IDLE, NO_LOSS, WHERE, Seen, Step, graph_of, judged, present_of
from jointset.weighting.summed import descend


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
    scaler: torch.amp.GradScaler | None = None,
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
    scaler
        Of mixed precision: gradients are left scaled by it, while the method sees losses and gradients as they are; so
        give the losses unscaled, and go on with ``scaler.step(optimizer)`` and ``scaler.update()``. A step in which a
        task's loss or gradient is not finite leaves NaN in ``.grad`` of the shared parameters, and the state as it was:
        the scaler then skips the update and lowers its scale.

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
    if second is not None and not (isinstance(weighting, GramianWeighting) and weighting.samples == 2):
        raise ArrayError(
            f"{WHERE}: {type(weighting).__name__} takes one batch; second is for methods of two, such as MoDo"
        )
    names = list(dict.fromkeys([*named, *(second or {})]))
    state = _state(weighting, state, names)
    seen = Seen(shared, scaler, features, way)
    with _told(weighting, state, names, parameters):
        if isinstance(weighting, LossWeighting):
            step = _by_sum(named, weighting, state, seen, recover)
        elif isinstance(weighting, JacobianWeighting):
            step = _by_jacobian(named, weighting, state, seen)
        elif second is not None:
            step = _of_two(named, second, weighting, state, seen)
        else:
            step = _by_gramian(named, weighting, state, seen, rows)
    return step if scaler is None else _for_scaler(step, state, parameters)


def _by_sum(
    named: Mapping[str, Tensor | None], weighting: LossWeighting, state: State, seen: Seen, recover: bool
) -> Step:
    present, absent = present_of(named)
    if not present:
        return Step(state, absent=absent)
    leaves = leaves_of(*present.values())
    done = descend(present, weighting, state, leaves=leaves, recover=recover, scaler=seen.scaler)
    return Step(done.state, absent={**absent, **done.absent})


def _by_gramian(
    named: Mapping[str, Tensor | None], weighting: GramianWeighting, state: State, seen: Seen, rows: Tensor | None
) -> Step:  # fmt: skip
    present, absent = present_of(named)
    if not present:
        return Step(state, absent=absent)
    if rows is not None and len(present) < len(named):
        rows = _renumbered(rows, [list(named).index(n) for n in present])
    names, (losses, scale) = list(present), seen.scaled(present.values())
    found, note = seen.find(losses, at_features=weighting.at_features, rows=rows)
    kept, idle, absent = judged(names, found.gramian.diagonal(), found.passes, absent)
    accumulate(found.passes.own(idle))
    if not kept:
        return Step(state, absent=absent, way=found.way, note=note)
    gramian = found.gramian if len(kept) == len(names) else found.gramian[kept][:, kept]
    gramian = gramian / scale**2
    tasks = [names[k] for k in kept]
    values = torch.stack([present[t].detach().to(gramian) for t in tasks])
    weights, state = weighting.weigh(gramian, values, tasks, state)
    accumulate(found.combined(weights.to(gramian), kept))
    accumulate(found.passes.own(kept))
    by_name = dict(zip(tasks, weights.tolist(), strict=True))
    return Step(state, by_name, absent, found.way, note, found.formed, gramian)


def _of_two(
    first: Mapping[str, Tensor | None], second: Mapping[str, Tensor | None], weighting: GramianWeighting,
    state: State, seen: Seen,
) -> Step:  # fmt: skip
    """The step of a method on ⟨g_i, g'_j⟩: a part of the Gramian of all losses on either batch."""
    batches = [present_of(first), present_of(second)]
    names = [n for present, _ in batches for n in present]
    given = [loss for present, _ in batches for loss in present.values()]
    absent = {n: why for _, reasons in reversed(batches) for n, why in reasons.items() if n not in names}
    if not given:
        return Step(state, absent=absent)
    losses, scale = seen.scaled(given)
    found, note = seen.find(losses, at_features=False)
    kept, idle, left_out = judged(names, found.gramian.diagonal(), found.passes, {})
    unsound = {n for n, why in left_out.items() if why != IDLE}
    for k in (k for k in (*kept, *idle) if names[k] not in unsound):
        accumulate((p, g / names.count(names[k])) for p, g in found.passes.own([k]))
    kept = [k for k in kept if names[k] not in unsound]
    tasks = list(dict.fromkeys(names[k] for k in kept))
    absent |= {n: why for n, why in left_out.items() if n not in tasks}
    if not tasks:
        return Step(state, absent=absent, way=found.way, note=note)
    of = {n: [k for k in kept if names[k] == n] for n in tasks}
    gramian = found.gramian / scale**2
    crossed = gramian[[k[0] for k in of.values()]][:, [k[-1] for k in of.values()]]
    mean = gramian.new_zeros(len(tasks), len(names))
    for i, places in enumerate(of.values()):
        mean[i, places] = 1.0 / len(places)
    values = mean @ torch.stack([loss.detach() for loss in given]).to(mean)
    weights, state = weighting.weigh(crossed, values, tasks, state)
    accumulate(found.combined((weights.to(mean) @ mean)[kept], kept))
    by_name = dict(zip(tasks, weights.tolist(), strict=True))
    return Step(state, by_name, absent, found.way, note, found.formed, mean @ gramian @ mean.T)


def _by_jacobian(
    named: Mapping[str, Tensor | None], weighting: JacobianWeighting, state: State, seen: Seen
) -> Step:
    present, absent = present_of(named)
    if not present:
        return Step(state, absent=absent)
    names, (losses, scale) = list(present), seen.scaled(present.values())
    parameters, memory = seen.shared.parameters, seen.shared.memory
    graph = graph_of(losses, parameters)
    passes = passes_of(graph, losses, graph.boundary(), memory)
    found = Jacobian(passes, len(names), parameters, memory)
    kept, idle, absent = judged(names, found.matrix.square().sum(1), passes, absent)
    accumulate(passes.own(idle))
    if kept:
        tasks = [names[k] for k in kept]
        jacobian = found.matrix[kept] if scale == 1 else found.matrix[kept] / scale
        values = torch.stack([present[t].detach().to(jacobian) for t in tasks])
        combined, state = weighting.combine(jacobian, values, tasks, state)
        accumulate(found.scattered(combined if scale == 1 else combined * scale))
        accumulate(passes.own(kept))
    return Step(state, absent=absent, way="jacobian")


@contextmanager
def _told(
    weighting: Weighting, state: State, tasks: Sequence[str], parameters: Sequence[Tensor]
) -> Iterator[None]:
    """Say what is wrong with a state that does not fit the losses or the parameters."""
    numbers = sum(p.numel() for p in parameters)
    for entry in entries_along(weighting, state):
        if state[entry].numel() != numbers:
            raise ArrayError(
                f"{WHERE}: {entry} in the state has {state[entry].numel()} numbers, and shared has {numbers}; "
                "where other parameters are shared than before, begin again with state=weighting.init(tasks)"
            )
    try:
        yield
    except KeyError as error:
        lacking = [t for t in tasks if not set(weighting.init([t])) <= set(state)]
        if not lacking:
            raise
        raise ArrayError(
            f"{WHERE}: the state of {type(weighting).__name__} knows no task {lacking[0]!r}; "
            "name every task to weighting.init(tasks), also those that come later"
        ) from error


def _for_scaler(step: Step, state: State, parameters: Sequence[Tensor]) -> Step:
    """The step, or none at all that a scaler of gradients sees as such, where something is not finite."""
    if all(why in (NO_LOSS, IDLE) for why in step.absent.values()):
        return step
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, math.nan)
    return replace(step, state=state, weights={})


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


def _renumbered(rows: Tensor, present: Sequence[int]) -> Tensor:
    """Positions among the tasks that are present, −1 = another one."""
    found = torch.full_like(rows, -1)
    for new, old in enumerate(present):
        found[rows == old] = new
    return found
