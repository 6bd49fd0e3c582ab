"""Out of the audit's issues, the edits of a round: strongest repair first, one per label, within a budget."""

from __future__ import annotations

import numpy as np

from jointset.records import Bools, Edits, Issues
from jointset.repair.table import REPAIRS


def run(
    issues: Issues, *, fixes: list[str], precision: float, round: int, budget: int | None = None
) -> Edits:
    """Propose edits; a label gets at most one, from the first fix of :data:`REPAIRS` that takes it.

    Parameters
    ----------
    issues : findings on labels that may be edited (held-out ones are left out by the caller).
    fixes : the actions that are allowed.
    precision : expected share of right edits among those applied, in (0, 1].
    round : number of the round.
    budget : most labels that may change, ``None`` = no bound; the surest edits go first. A weight changes no label.
    """
    taken = np.zeros(len(issues), bool)
    parts = []
    for action, repair in REPAIRS.items():
        if action not in fixes:
            continue
        free = np.flatnonzero(~taken)
        edits = repair(issues.take(free), precision=precision, round=round)
        taken[free] |= _addressed(issues.take(free), edits)
        parts.append(edits)
    return _within(Edits.concat(parts), budget)


def _addressed(issues: Issues, edits: Edits) -> Bools:
    def keys(record: Issues | Edits) -> list[tuple[str, ...]]:
        return list(zip(record.dataset, record.row, record.task, record.position, strict=True))

    edited = set(keys(edits))
    return np.fromiter((k in edited for k in keys(issues)), bool, len(issues))


def _within(edits: Edits, budget: int | None) -> Edits:
    if budget is None:
        return edits
    changes = edits.action != "weight"
    surest = np.argsort(np.where(changes, -edits.confidence, np.inf), kind="stable")
    changes[surest[:budget]] = False
    return edits.take(~changes)
