"""Occlusion: what the prediction loses when a part of the row is taken away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jointset.records import Bools, Floats

Score = Callable[[Bools], Floats]  # masks (m, units), True = taken away → (m,)


def occlusion(score: Score, units: int) -> Floats:
    """Contribution of every unit, ``(units,)``: the score of the whole row minus that without the unit.

    After Zeiler and Fergus (2014, sec. 4.2) and Li, Monroe and Jurafsky (2016, "erasure"). Works with any model;
    contributions of units that stand in for one another come out small.

    >>> occlusion(lambda gone: 2.0 * ~gone[:, 0] - 1.0 * ~gone[:, 1], 2).tolist()
    [2.0, -1.0]
    """
    if not units:
        return np.empty(0)
    masks = np.concatenate([np.zeros((1, units), bool), np.eye(units, dtype=bool)])
    found = np.asarray(score(masks), np.float64)
    return np.asarray(found[0] - found[1:])
