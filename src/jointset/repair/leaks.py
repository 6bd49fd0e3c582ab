"""Leaks: take training rows out that stand, as they are or nearly, among the held-out rows."""

from __future__ import annotations

from jointset.records import Edits, Issues
from jointset.repair.base import drop_surest


def drop_leaks(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose to drop the labels of ``leak_source`` rows, surest copies first, as many as keep the expected precision.

    The held-out side stays: it judges. What is lost are training rows that would let the judge be fooled.
    """
    found = issues.take(issues.code == "leak_source")
    return drop_surest(found, found.confidence, precision=precision, round=round)
