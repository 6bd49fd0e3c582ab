"""Near-copies in an embedding: rows far closer than neighbours usually are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.duplicates.base import Pairs
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError

NEIGHBOURS = 5


def near_points(embedding: ArrayLike, *, threshold: float = 0.1, seed: int = 0) -> Pairs:
    """Pairs of rows whose distance is at most ``threshold`` times the median distance of rows to their nearest other.

    The similarity is 1 − distance / (the median distance). Where at least half of the rows have an exact copy, the
    median is that of the positive distances. Raises ``ArrayError``.

    >>> near_points([[0.0], [0.01], [1.0], [2.0], [3.1]]).first.tolist()
    [0]
    """
    if not 0 <= threshold < 1:
        raise ArrayError(f"threshold must be at least 0 and below 1, found {threshold}")
    distance, place = nearest(embedding, NEIGHBOURS, seed=seed)
    closest = distance[:, 0]
    usual = (
        float(np.median(closest)) or float(np.median(closest[closest > 0])) if (closest > 0).any() else 1.0
    )
    row, column = np.nonzero(distance <= threshold * usual)
    return Pairs.of(row, place[row, column], 1 - distance[row, column].astype(np.float64) / usual)
