"""What the best of many trials is worth on rows that did not choose it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointset.metrics import quantiles
from jointset.records import Floats

LEVEL = 0.8  # two-sided, of the interval of the gain


@dataclass(frozen=True)
class Worth:
    """The best trial against the first: ``gain`` as observed; ``expected`` after correction, within [low, high]."""

    gain: float
    expected: float
    low: float
    high: float


def worth(scores: Floats, drawn: Floats, left: Floats) -> Worth:
    """The gain of choosing the best of n trials over the first one, which is not the choice's own doing.

    The best of many noisy scores is too good (the winner's curse). So in every bootstrap resample of the held-out
    rows the best trial is chosen on the rows drawn and scored on the rows left out (Tsamardinos, Greasidou &
    Borboudakis 2018, algorithm 4), here as the difference to the first trial on the same rows. The interval is that of
    a holdout of 0.37 of the rows, so it is rather too wide.

    Parameters
    ----------
    scores : (n,) on all held-out rows.
    drawn, left : (n, B) on the rows of each resample, and on the rows it left out.

    >>> worth(np.array([0.5, 0.6]), np.array([[0.4, 0.5], [0.5, 0.6]]), np.array([[0.6, 0.5], [0.7, 0.7]]))
    Worth(gain=0.1, expected=0.15, low=0.11, high=0.19)
    """
    chosen = drawn.argmax(0)
    gains = left[chosen, np.arange(left.shape[1])] - left[0]
    gains = gains[np.isfinite(gains)]
    low, high = quantiles(gains, (1 - LEVEL) / 2, (1 + LEVEL) / 2)
    numbers = (float(scores.max() - scores[0]), float(gains.mean()) if len(gains) else np.nan, low, high)
    return Worth(*(round(float(v), 6) for v in numbers))
