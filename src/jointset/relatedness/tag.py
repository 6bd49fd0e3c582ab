"""Task affinity groupings (TAG), the lookahead: what a step on one task does to the loss of another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity

Losses = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class LookaheadState:
    """Sums of the transfers and of their squares, and in how many steps each pair was seen, each ``(t, t)``; the
    ``seconds`` that the looks ahead took."""

    tasks: tuple[str, ...]
    total: Floats
    square: Floats
    steps: Floats
    seconds: float = 0.0


def start(tasks: Sequence[str]) -> LookaheadState:
    """The state before the first step.

    >>> start(("a", "b")).steps.sum()
    np.float64(0.0)
    """
    t = len(tasks)
    return LookaheadState(tuple(tasks), np.zeros((t, t)), np.zeros((t, t)), np.zeros((t, t)))


def step(state: LookaheadState, before: Losses, after: Callable[[str], Losses]) -> LookaheadState:
    """The state after one look ahead.

    ``before`` are the tasks' losses on a batch; ``after(source)`` takes a step of the shared parameters on the loss of
    ``source`` alone, on the same batch, gives the losses, and puts the parameters back. The transfer is
    1 − after / before (Fifty et al. 2021, eq. 1): above zero where the step helps. Tasks that are not among the losses,
    and losses that are not positive, are left out. Look every ten steps or so: it costs a step per task.

    >>> losses = {"a": {"a": 0.5, "b": 0.9}, "b": {"a": 1.1, "b": 0.5}}
    >>> round(lookahead(step(start(("a", "b")), {"a": 1.0, "b": 1.0}, losses.__getitem__))["a", "b"], 6)
    0.1
    """
    begun = time.perf_counter()
    known = {t: float(v) for t, v in before.items() if np.isfinite(v) and v > 0}
    unknown = [t for t in known if t not in state.tasks]
    if unknown:
        raise ArrayError(f"lookahead: no task {unknown[0]!r}; one of {', '.join(state.tasks)}")
    total, square, steps = state.total.copy(), state.square.copy(), state.steps.copy()
    for i, source in enumerate(state.tasks):
        if source not in known:
            continue
        reached = after(source)
        for j, target in enumerate(state.tasks):
            loss = reached.get(target, float("nan"))
            if target in known and np.isfinite(loss):
                gain = 1 - float(loss) / known[target]
                total[i, j] += gain
                square[i, j] += gain**2
                steps[i, j] += 1
    taken = state.seconds + time.perf_counter() - begun
    return replace(state, total=total, square=square, steps=steps, seconds=taken)


def lookahead(state: LookaheadState) -> Affinity:
    """The mean transfer, with an interval of 1.645 standard errors over steps."""
    count = np.where(state.steps > 0, state.steps, np.nan)
    mean = state.total / count
    error = 1.645 * np.sqrt(np.maximum(state.square / count - mean**2, 0.0) / count)
    return Affinity(
        "lookahead",
        state.tasks,
        mean,
        "share of the loss",
        (-np.inf, 1.0),
        seconds=state.seconds,
        support=state.steps.astype(np.int64),
        low=mean - error,
        high=mean + error,
    )
