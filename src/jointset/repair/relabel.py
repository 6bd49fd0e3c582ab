"""Relabel: replace a label that is probably wrong by the one that is probably right."""

from __future__ import annotations

import numpy as np

from jointset.records import Edits, Issues
from jointset.repair.base import per_task, propose

LIKELY = 0.5


def relabel(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose the suggestion for label errors, as many as keep the expected precision, task by task.

    The confidence of a relabel is P(the suggestion is the true label), not only P(the given one is wrong). However
    sure the others are, a suggestion that is more likely wrong than right is not among them.
    """
    named = (issues.suggested != "") & (issues.suggested != issues.given)
    found = issues.take((issues.code == "label_error") & named & (issues.confidence >= LIKELY))
    chosen, expected = per_task(found, found.confidence, precision)
    kept = found.take(chosen)
    return propose(
        kept, "relabel", round=round, new=kept.suggested, weight=np.ones(len(kept)), confidence=kept.confidence,
        expected=expected[chosen],
    )  # fmt: skip
