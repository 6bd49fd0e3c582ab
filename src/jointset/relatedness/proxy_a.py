"""Proxy A-distance: can a linear model tell the rows of two tasks apart?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.probes import folds_of, logistic
from jointset.relatedness.samples import of_samples

ROWS = 1000  # of each side


def proxy_a(labels: Mapping[str, Any], features: Any, *, seed: int = 0) -> Affinity:
    """1 − d / 2 with the proxy A-distance d = 2 (1 − 2 ε) (Ben-David et al. 2007), ε a linear model's held-out error.

    1: the rows of the two tasks are alike, or the same; 0: a linear model parts them without a mistake. The sides are
    drawn to one size, at most 1,000 rows each. ``labels`` say which rows a task has; for datasets, give each as a task
    that labels its rows. ``features`` ``(n, d)``. NaN with fewer than 20 rows on a side. Raises ArrayError.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([0, 9], 100)[:, None]
    >>> proxy_a({"a": np.repeat([0, -1], 100), "b": np.repeat([-1, 0], 100)}, x)["a", "b"] < 0.05
    True
    """

    def alike(x: Floats, side: Ints, rows: Ints) -> float:
        return similarity(x, side, rows, seed)

    return of_samples("proxy_a", labels, features, alike, most=ROWS, seed=seed, unit="1 − d / 2")


def similarity(x: Floats, side: Ints, groups: Ints, seed: int) -> float:
    """Twice the held-out error of a logistic regression in two folds, at most 1; ``groups`` keep copies in one fold."""
    fold, wrong = folds_of(len(x), groups, 2, seed), 0
    for f in (0, 1):
        train, rest = fold != f, fold == f
        wrong += int((logistic(x[train], side[train]).predict(x[rest]) != side[rest]).sum())
    return min(1.0, 2 * wrong / len(x))
