"""When a trial is not worth its remaining epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.search.base import Trial

FEWEST_TRIALS = 4
FIRST_EPOCH = 4  # by default the rate has then risen; trials that start slowly are told apart no earlier


def hopeless(best: float, epoch: int, trials: Sequence[Trial]) -> bool:
    """Whether the best score up to ``epoch`` (from 1) is below the median of what finished trials had reached by then.

    The median stopping rule (Golovin et al. 2017, section 3.2), with the best instead of the mean so far. Nothing is
    stopped before the fourth epoch, nor before four trials have finished.

    >>> done = [Trial(i, {}, {}, 0.5, 1, (s, s, s), False, 0.0) for i, s in enumerate((0.1, 0.2, 0.3, 0.4))]
    >>> hopeless(0.2, 4, done), hopeless(0.3, 4, done), hopeless(0.2, 3, done)
    (True, False, False)
    """
    reached = [max(t.curve[:epoch]) for t in trials if not t.pruned and t.curve]
    if epoch < FIRST_EPOCH or len(reached) < FEWEST_TRIALS:
        return False
    return bool(best < np.median(reached))
