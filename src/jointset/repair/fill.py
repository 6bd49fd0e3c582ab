"""Fill: give a missing label the value that the model and the row's other labels agree on (a pseudo-label)."""

from __future__ import annotations

from jointset.records import Edits, Issues
from jointset.repair.base import per_task, propose


def fill(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose values for missing labels, as many as keep the expected precision, task by task.

    A filled label trains with its confidence as weight (Lee 2013 uses 1; a doubtful pseudo-label should pull less).
    """
    found = issues.take((issues.code == "missing_label") & (issues.suggested != ""))
    chosen, expected = per_task(found, found.confidence, precision)
    kept = found.take(chosen)
    return propose(
        kept, "fill", round=round, new=kept.suggested, weight=kept.confidence, confidence=kept.confidence,
        expected=expected[chosen],
    )  # fmt: skip
