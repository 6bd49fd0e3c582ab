"""Drop: take out a label that is surely wrong where no replacement is sure."""

from __future__ import annotations

import numpy as np

from jointset.records import Edits, Issues
from jointset.repair.base import per_task, propose


def drop(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose to drop label errors, as many as keep the expected precision of *being wrong*, task by task.

    The runner offers it only the errors that were not relabelled.
    """
    found = issues.take(issues.code == "label_error")
    wrong = 1.0 - found.score
    chosen, expected = per_task(found, wrong, precision)
    kept = found.take(chosen)
    n = len(kept)
    return propose(
        kept, "drop", round=round, new=np.full(n, "", object), weight=np.zeros(n), confidence=wrong[chosen],
        expected=expected[chosen],
    )  # fmt: skip
