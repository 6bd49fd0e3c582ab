"""Affinity of tasks by the inputs of their rows: samples of one size from both, compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jointset.records import Floats, Ints, is_labelled
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import checked
from jointset.relatedness.pairs import Pair, filled
from jointset.relatedness.probes import standardised

FEWEST = 20


def of_samples(
    measure: str,
    labels: Mapping[str, Any],
    features: Any,
    alike: Callable[[Floats, Ints, Ints], float],
    *,
    most: int,
    seed: int,
    unit: str,
) -> Affinity:
    """The affinity ``alike(x, side, rows)`` in [0, 1] of every two tasks, 1 where they have the same rows.

    ``x`` ``(2 m, d)`` are m standardised rows of each task, at most ``most``, ``side`` ``(2 m,)`` is 0 or 1, and
    ``rows`` ``(2 m,)`` says which rows they are. NaN with fewer than 20 rows on a side.
    """
    given = checked(labels)
    x = standardised(features, len(next(iter(given.values()))))
    rows = {name: np.flatnonzero(is_labelled(y)) for name, y in given.items()}

    def of(a: str, b: str) -> Pair:
        size = min(len(rows[a]), len(rows[b]), most)
        if size < FEWEST:
            return Pair(support=size)
        if a == b or np.array_equal(rows[a], rows[b]):
            return Pair(1.0, size)
        rng = np.random.default_rng(seed)
        both = np.concatenate([rng.choice(rows[s], size, replace=False) for s in (a, b)])
        return Pair(alike(x[both], np.repeat([0, 1], size), both), size)

    return filled(measure, list(given), of, unit=unit, bounds=(0.0, 1.0), symmetric=True)
