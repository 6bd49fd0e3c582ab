"""What to do with each task: keep it, drop it, branch it off, weigh it down, or train it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Bools
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.copies import Sameness
from jointset.relatedness.signal import Signal

OFTEN = 0.5  # of the steps in conflict, from which a task is weighed down

Action = Literal["keep", "drop", "merge", "alone", "branch", "down-weight"]


@dataclass(frozen=True)
class Treatment:
    """What to do with a task, and why."""

    task: str
    action: Action
    reason: str


def treatments(
    tasks: Sequence[str],
    *,
    gain: Affinity | None = None,
    conflict: Affinity | None = None,
    signals: Mapping[str, Signal] | None = None,
    same: Sequence[Sameness] = (),
) -> tuple[Treatment, ...]:
    """One treatment per task, by the first of these that holds.

    ``drop``: its labels are no nearer to the inputs than permuted ones (``signals``). ``merge``: it is a copy of a task
    before it (``same``). With measured gains (``gain``, of a source to a target): a task that makes another worse is
    trained ``alone`` where nothing makes it better itself, and gets a ``branch`` of its own where something does.
    ``down-weight``: its gradient is against those of the others in more than half of the steps (``conflict``: the
    rate). Else ``keep``. A gain is below zero when its interval is, or the value where there is no interval.

    >>> values = np.array([[0.0, -0.1], [0.0, 0.0]])
    >>> [t.action for t in treatments(("a", "b"), gain=Affinity("gain", ("a", "b"), values, "skill", (-1, 1)))]
    ['alone', 'keep']
    """
    for affinity in (gain, conflict):
        missing = [t for t in tasks if affinity is not None and t not in affinity.tasks]
        if affinity is not None and missing:
            raise ArrayError(f"{affinity.measure}: it says nothing of task {missing[0]!r}")
    copied = {s.target: s for s in reversed(same) if s.kind == "copy"}
    return tuple(_one(t, gain, conflict, (signals or {}).get(t), copied.get(t)) for t in tasks)


def _one(
    task: str,
    gain: Affinity | None,
    conflict: Affinity | None,
    signal: Signal | None,
    copy: Sameness | None,
) -> Treatment:
    if signal is not None and signal.outcome == "no signal":
        return Treatment(task, "drop", signal.reason)
    if copy is not None:
        return Treatment(task, "merge", f"{copy.reason}: it adds no information, and doubles the weight")
    if gain is not None:
        harmed, helped = _sides(gain, task)
        if harmed:
            named = ", ".join(harmed[:5])
            if helped:
                return Treatment(
                    task, "branch", f"makes {named} worse, and is made better by {', '.join(helped[:5])}"
                )
            return Treatment(task, "alone", f"makes {named} worse, and nothing makes it better")
    if conflict is not None:
        i = conflict.index(task)
        rates = np.delete(conflict.values[i], i)
        rates = rates[np.isfinite(rates)]
        if len(rates) and rates.mean() > OFTEN:
            reason = f"its gradient is against the others' in {rates.mean():.0%} of the steps"
            return Treatment(task, "down-weight", reason)
    return Treatment(task, "keep", "nothing speaks against it")


def _sides(gain: Affinity, task: str) -> tuple[list[str], list[str]]:
    """The tasks that ``task`` makes worse, and those that make it better."""
    i = gain.index(task)
    worse, better = harmful(gain), helpful(gain)
    return (
        [n for j, n in enumerate(gain.tasks) if j != i and worse[i, j]],
        [n for j, n in enumerate(gain.tasks) if j != i and better[j, i]],
    )


def harmful(gain: Affinity) -> Bools:
    """Where a gain is surely negative, ``(t, t)``."""
    return np.asarray((gain.values if gain.high is None else gain.high) < 0)


def helpful(gain: Affinity) -> Bools:
    """Where a gain is surely positive, ``(t, t)``."""
    return np.asarray((gain.values if gain.low is None else gain.low) > 0)
