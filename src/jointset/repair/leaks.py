"""Leaks: take training rows out that stand, as they are or nearly, among the held-out rows."""

from __future__ import annotations

import numpy as np

from jointset.records import Edits, Issues
from jointset.repair.base import per_task, propose


def drop_leaks(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose to drop the labels of ``leak_source`` rows, surest copies first, as many as keep the expected precision.

    The held-out side stays: it judges. What is lost are training rows that would let the judge be fooled.
    """
    found = issues.take(issues.code == "leak_source")
    chosen, expected = per_task(found, found.confidence, precision)
    kept = found.take(chosen)
    n = len(kept)
    return propose(
        kept, "drop", round=round, new=np.full(n, "", object), weight=np.zeros(n), confidence=kept.confidence,
        expected=expected[chosen],
    )  # fmt: skip
