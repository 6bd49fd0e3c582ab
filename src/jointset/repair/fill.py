"""Fill: give a missing label the value that the model and the row's other labels agree on (a pseudo-label)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from jointset.records import Edits, Floats, Issues
from jointset.repair.base import per_task, propose


def fill(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose values for missing labels, as many as keep the expected precision, task by task.

    A pseudo-label trains with weight 1 in Lee (2013). Here it pulls as much as it knows beyond the class shares, with
    weight 1 − (1 − confidence) / (1 − share), where share is that of its class among all suggestions: to call a row of
    a task that is 95 % negative "negative" with 95 % confidence says nothing, and would only flatten the ranking.
    """
    found = issues.take((issues.code == "missing_label") & (issues.suggested != ""))
    chosen, expected = per_task(found, found.confidence, precision)
    kept, share = found.take(chosen), _shares(found)[chosen]
    return propose(
        kept,
        "fill",
        round=round,
        new=kept.suggested,
        weight=np.clip(1 - (1 - kept.confidence) / np.maximum(1 - share, 1e-9), 0.0, 1.0),
        confidence=kept.confidence,
        expected=expected[chosen],
    )


def _shares(issues: Issues) -> Floats:
    """The share of each row's suggestion among the suggestions for the same task and position, ``(n,)``."""
    place = Counter(zip(issues.task, issues.position, strict=True))
    value = Counter(zip(issues.task, issues.position, issues.suggested, strict=True))
    rows = zip(issues.task, issues.position, issues.suggested, strict=True)
    return np.array([value[t, p, s] / (place[t, p] + 1) for t, p, s in rows], np.float64)
