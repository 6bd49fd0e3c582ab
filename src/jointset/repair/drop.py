"""Drop: take out a label that is surely wrong where no replacement is sure."""

from __future__ import annotations

from jointset.records import Edits, Issues
from jointset.repair.base import drop_surest


def drop(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose to drop label errors, as many as keep the expected precision of *being wrong*, task by task.

    The runner offers it only the errors that were not relabelled.
    """
    found = issues.take(issues.code == "label_error")
    return drop_surest(found, 1.0 - found.score, precision=precision, round=round)
