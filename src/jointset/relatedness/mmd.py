"""Maximum mean discrepancy: do the rows of two tasks have one distribution?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.kernel import discrepancies, gaussian
from jointset.records import is_labelled
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import checked
from jointset.relatedness.pairs import Pair, filled
from jointset.relatedness.probes import standardised

ROWS = 400  # of each side
FEWEST = 20


def mmd(labels: Mapping[str, Any], features: Any, *, seed: int = 0) -> Affinity:
    """1 less the maximum mean discrepancy (Gretton et al. 2012, eq. 3) over √2, its greatest value.

    A Gaussian kernel as wide as the median distance; a negative square counts as none. ``labels`` and ``features`` as
    in :func:`~jointset.relatedness.proxy_a`; at most 400 rows of each side.

    >>> x = np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([0, 9], 100)[:, None]
    >>> tasks = {"a": np.repeat([0, -1], 100), "b": np.repeat([-1, 0], 100), "c": np.tile([0, -1], 100)}
    >>> found = mmd(tasks, x)
    >>> found["a", "b"] < found["a", "c"]
    True
    """
    given = checked(labels)
    x = standardised(features, len(next(iter(given.values()))))
    rows = {name: np.flatnonzero(is_labelled(y)) for name, y in given.items()}

    def of(a: str, b: str) -> Pair:
        size = min(len(rows[a]), len(rows[b]), ROWS)
        if size < FEWEST:
            return Pair(support=size)
        if a == b or np.array_equal(rows[a], rows[b]):
            return Pair(1.0, size)
        rng = np.random.default_rng(seed)
        both = np.concatenate([rng.choice(rows[s], size, replace=False) for s in (a, b)])
        squared = discrepancies(gaussian(x[both]), np.repeat([0.0, 1.0], size)[None])[0]
        return Pair(float(max(0.0, 1 - np.sqrt(max(squared, 0.0) / 2))), size)

    return filled("mmd", list(given), of, unit="1 − MMD / √2", bounds=(0.0, 1.0), symmetric=True)
