"""Duplicates: of several copies in the training rows keep one, that with the better label."""

from __future__ import annotations

from jointset.records import Edits, Issues
from jointset.repair.base import drop_surest


def merge_duplicates(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose to drop the labels of ``spare_copy`` rows: all copies but the one whose label is likeliest right.

    Where copies agree, any of them will do, and dropping the others is surely right; where they contradict each other
    the confidence is P(the dropped label is wrong), and as many are dropped as keep the expected precision.
    """
    found = issues.take(issues.code == "spare_copy")
    return drop_surest(found, found.confidence, precision=precision, round=round)
