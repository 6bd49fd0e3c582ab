"""The trials that no other trial beats everywhere."""

from __future__ import annotations

import numpy as np

from jointset.records import Bools, Floats


def front(scores: Floats) -> Bools:
    """Rows of ``(n, objectives)`` that are not dominated, ``(n,)``: none is as good everywhere and better somewhere.

    >>> front(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5], [0.5, 0.5]])).tolist()
    [True, True, False, True]
    """
    scores = np.asarray(scores, float)
    as_good = (scores[:, None] >= scores[None]).all(-1)  # (n, n): row i against row j
    better = (scores[:, None] > scores[None]).any(-1)
    return np.asarray(~(as_good & better).any(0))
