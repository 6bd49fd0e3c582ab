"""Maximum mean discrepancy: do the rows of two tasks have one distribution?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.kernel import discrepancies, gaussian
from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.samples import of_samples

ROWS = 400  # of each side


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

    def alike(x: Floats, side: Ints, rows: Ints) -> float:
        squared = discrepancies(gaussian(x), side[None].astype(float))[0]
        return float(max(0.0, 1 - np.sqrt(max(squared, 0.0) / 2)))

    return of_samples("mmd", labels, features, alike, most=ROWS, seed=seed, unit="1 − MMD / √2")
