"""What to do with each task: keep it, drop or suspect it, branch it off, weigh it down, or train it alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from jointset.errors import ArrayError
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.copies import Sameness
from jointset.relatedness.grouping import Grouping
from jointset.relatedness.signal import Signal
from jointset.relatedness.transfer_gain import Training

MARGIN = 0.01  # that a run lets a task lose by company
OFTEN = 0.5  # of the steps in conflict, from which a task is weighed down
CLEARED = "a linear model does not tell its labels from permuted ones, and its own model does"

Action = Literal["keep", "drop", "suspect", "merge", "alone", "branch", "down-weight"]


@dataclass(frozen=True)
class Treatment:
    """What to do with a task, and why.

    ``harmed`` says that measured company surely costs it more than the margin, ``helpers`` which tasks surely make it
    better all the same.
    """

    task: str
    action: Action
    reason: str
    harmed: bool = False
    helpers: tuple[str, ...] = ()


def treatments(
    tasks: Sequence[str],
    *,
    gain: Affinity | None = None,
    joint: Training | None = None,
    margin: float = MARGIN,
    conflict: Affinity | None = None,
    signals: Mapping[str, Signal] | None = None,
    same: Sequence[Sameness] = (),
    grouping: Grouping | None = None,
    worthless: Mapping[str, bool] | None = None,
) -> tuple[Treatment, ...]:
    """One treatment per task, by the first of these that holds.

    ``drop``: its labels are no nearer to the inputs than permuted ones (``signals``), and its own model, which sees
    more than the linear one of that test, tells held-out labels no better (``worthless``, by task; None asks no own
    model). ``suspect``: its own model was not asked; one that tells the labels clears it. ``merge``: it is a copy of a
    task before it (``same``). ``alone``: company surely costs it more than ``margin``, and no other task surely helps;
    ``branch``, layers of its own: one does. ``down-weight``: its gradient is against those of the others in more than
    half of the steps (``conflict``: the rate). Else ``keep``.

    Company is the training of all tasks (``joint``) where it was measured and none of them is dropped; else every other
    task by itself, by measured gains of a source to a target (``gain``), whose intervals are widened for their number.
    So at most one target in twenty that nothing harms is set apart. Without intervals values count as sure. Beside a
    ``grouping``, a task that has a group of its own is ``alone``, and one that has not is never.

    >>> values = np.array([[0.0, -0.1], [0.0, 0.0]])
    >>> [t.action for t in treatments(("a", "b"), gain=Affinity("gain", ("a", "b"), values, "skill", (-1, 1)))]
    ['keep', 'alone']
    """
    for affinity in (gain, conflict):
        missing = [t for t in tasks if affinity is not None and t not in affinity.tasks]
        if affinity is not None and missing:
            raise ArrayError(f"{affinity.measure}: it says nothing of task {missing[0]!r}")
    told, found = signals or {}, []
    silent = {t for t in tasks if t in told and told[t].outcome == "no signal"}
    copied = {s.target: s for s in reversed(same) if s.kind == "copy"}
    dropped = {t for t in silent if worthless is None or worthless.get(t, True)}
    all_joint = joint if joint is not None and set(joint.tasks) == set(tasks) and not dropped else None
    for task in tasks:
        if task in dropped:
            found.append(_silent(told[task], worthless))
        elif task in copied:
            why = f"{copied[task].reason}: it adds no information, and doubles the weight"
            found.append(Treatment(task, "merge", why))
        else:
            own = _in_company(task, gain, all_joint, margin, dropped) or _weighed(task, conflict)
            own = own or Treatment(task, "keep", _kept(told.get(task)))
            found.append(own if grouping is None else _beside(own, grouping))
    return tuple(found)


def _kept(signal: Signal | None) -> str:
    """Why a task stays that nothing else is said of."""
    if signal is None or signal.outcome == "signal":
        return "nothing speaks against it"
    return CLEARED if signal.outcome == "no signal" else signal.reason


def _silent(signal: Signal, worthless: Mapping[str, bool] | None) -> Treatment:
    """Dropped, or suspected where its own model was to be asked and was not."""
    if worthless is None:
        return Treatment(signal.task, "drop", signal.reason)
    if signal.task in worthless:
        return Treatment(
            signal.task, "drop", f"{signal.reason}; its own model does not tell those held out either"
        )
    return Treatment(
        signal.task, "suspect", f"{signal.reason}; its own model, which may see more, was not asked"
    )


def _in_company(
    task: str, gain: Affinity | None, joint: Training | None, margin: float, dropped: Collection[str]
) -> Treatment | None:
    """Apart, if company surely costs the task more than the margin."""
    worse, better = ([], []) if gain is None else _sides(gain, task, margin, dropped)
    if joint is not None:
        value, low, high = joint.interval(task)
        if not high < -margin:  # also where it was not scored
            return None
        harm = f"training with all others makes it worse ({value:+.3f} [{low:+.3f}, {high:+.3f}])"
    elif worse:
        harm = f"{', '.join(worse[:5])} {'makes' if len(worse) == 1 else 'make'} it worse"
    else:
        return None
    if better:
        why = f"{harm}, and it is made better by {', '.join(better[:5])}"
        return Treatment(task, "branch", why, harmed=True, helpers=tuple(better))
    return Treatment(task, "alone", f"{harm}, and no other task surely makes it better", harmed=True)


def _weighed(task: str, conflict: Affinity | None) -> Treatment | None:
    """Down-weighted, if its gradient is mostly against the others'."""
    if conflict is None:
        return None
    i = conflict.index(task)
    rates = np.delete(conflict.values[i], i)
    rates = rates[np.isfinite(rates)]
    if not len(rates) or rates.mean() <= OFTEN:
        return None
    return Treatment(
        task, "down-weight", f"its gradient is against the others' in {rates.mean():.0%} of the steps"
    )


def _beside(own: Treatment, grouping: Grouping) -> Treatment:
    """The treatment that agrees with the group that serves the task."""
    group = next((g for g in grouping.groups if own.task in g.serves), None)
    if group is None:
        return own
    by_itself = len(group.trained) == 1 and len(grouping.groups) > 1
    if by_itself and own.action == "branch":
        return replace(own, action="alone", reason=f"{own.reason}; it has a group of its own")
    if by_itself and own.action != "alone":
        return replace(own, action="alone", reason="the groups give it a network of its own")
    if not by_itself and own.action == "alone" and len(group.trained) > 1:
        return replace(
            own, action="branch", reason=f"{own.reason}; the groups leave it no network of its own"
        )
    return own


def _sides(gain: Affinity, task: str, margin: float, dropped: Collection[str]) -> tuple[list[str], list[str]]:
    """The tasks that surely make ``task`` worse by more than the margin, and those that surely make it better."""
    low, high = gain.simultaneous()
    j = gain.index(task)
    others = [(i, n) for i, n in enumerate(gain.tasks) if i != j and n not in dropped]
    return [n for i, n in others if high[i, j] < -margin], [n for i, n in others if low[i, j] > 0]
