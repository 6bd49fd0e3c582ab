"""What every repair is: issues in, proposed edits out."""

from __future__ import annotations

import json
from typing import Protocol

import numpy as np

from jointset.records import Bools, Edits, Floats, Issues


class Repair(Protocol):
    """A pure function from findings to proposals; ``precision`` is the expected share of right edits asked for."""

    def __call__(self, issues: Issues, *, precision: float, round: int) -> Edits:
        """The proposals."""


def choose(confidence: Floats, precision: float) -> tuple[Bools, float]:
    """The largest set whose mean confidence is at least ``precision``, surest first, and that mean.

    >>> choose(np.array([0.99, 0.5, 0.85]), 0.9)
    (array([ True, False,  True]), 0.92)
    """
    order = np.argsort(-confidence, kind="stable")
    mean = np.cumsum(confidence[order]) / np.arange(1, len(order) + 1)
    count = int(np.searchsorted(-mean, -precision, side="right"))
    chosen = np.zeros(len(confidence), bool)
    chosen[order[:count]] = True
    return chosen, round(float(mean[count - 1]), 6) if count else 0.0


def per_task(issues: Issues, confidence: Floats, precision: float) -> tuple[Bools, Floats]:
    """:func:`choose` for every task by itself: the chosen rows, and each row's expected precision of its set."""
    chosen = np.zeros(len(issues), bool)
    expected = np.zeros(len(issues))
    for task in dict.fromkeys(issues.task):
        rows = np.flatnonzero(issues.task == task)
        chosen[rows], expected[rows] = choose(confidence[rows], precision)
    return chosen, expected


def propose(
    issues: Issues,
    action: str,
    *,
    round: int,
    new: np.ndarray,
    weight: Floats,
    confidence: Floats,
    expected: Floats,
) -> Edits:
    """Edits of one action at the addresses of the issues."""
    n = len(issues)
    return Edits(
        round=np.full(n, round, np.int64),
        dataset=issues.dataset,
        row=issues.row,
        task=issues.task,
        position=issues.position,
        annotator=np.full(n, "", object),
        action=np.full(n, action, object),
        old=issues.given,
        new=new,
        weight=weight,
        confidence=confidence,
        expected_precision=expected,
        status=np.full(n, "proposed", object),
        reason=issues.code,
    )


def drop_surest(issues: Issues, wrong: Floats, *, precision: float, round: int) -> Edits:
    """Drops of the labels of as many ``issues`` as keep the expected precision; ``wrong`` (n,) is P(it should go)."""
    chosen, expected = per_task(issues, wrong, precision)
    kept = issues.take(chosen)
    n = len(kept)
    return propose(
        kept, "drop", round=round, new=np.full(n, "", object), weight=np.zeros(n), confidence=wrong[chosen],
        expected=expected[chosen],
    )  # fmt: skip


def weigh(issues: Issues, code: str, *, round: int) -> Edits:
    """The weights that issues of a code name in their evidence, as edits."""
    found = issues.take(issues.code == code)
    weight = np.array([json.loads(e)["weight"] for e in found.evidence.tolist()], np.float64)
    sure = np.full(len(found), 1.0)
    return propose(
        found, "weight", round=round, new=found.given, weight=weight, confidence=sure, expected=sure
    )
