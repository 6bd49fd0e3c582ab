"""Down-weight: let a doubtful label pull only as much as it is likely to be right."""

from __future__ import annotations

import numpy as np

from jointset.records import Edits, Issues
from jointset.repair.base import propose

DOUBTFUL = 0.5


def reweight(issues: Issues, *, precision: float, round: int) -> Edits:
    """Give labels that are more likely wrong than right their P(right) as weight.

    A weight changes no label, so it is not bound by ``precision``; its confidence is P(the label is wrong), and its
    expected precision the mean of that over the task.
    """
    found = issues.take((issues.code == "label_error") & (issues.score < DOUBTFUL))
    wrong = 1.0 - found.score
    expected = np.zeros(len(found))
    for task in dict.fromkeys(found.task):
        rows = found.task == task
        expected[rows] = wrong[rows].mean()
    return propose(
        found, "weight", round=round, new=found.given, weight=found.score, confidence=wrong, expected=expected
    )
