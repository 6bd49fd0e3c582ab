"""Association of labels on shared rows, on the scale of a correlation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, checked, known, parts, table
from jointset.relatedness.pairs import Pair, best_per_part, filled

FEWEST = 10  # shared rows below which nothing is said


def association(labels: Mapping[str, Any], *, seed: int = 0) -> Affinity:
    """How strongly the labels of two tasks go together on the rows that carry both.

    Classes with classes: Cramér's V with the bias correction of Bergsma (2013). Classes with numbers: the root of the
    correlation ratio, corrected. Numbers: |Spearman's ρ|. A label set counts label by label: the mean over the
    target's labels of the most that one of the source's says. NaN below 10 shared rows. ``labels`` are in the
    forms of :mod:`jointset.records`; nothing is drawn, so ``seed`` is not used.

    >>> association({"a": np.tile([0, 1], 20), "b": np.tile([1, 0], 20)}).top("a")
    [('b', 1.0)]
    """
    columns = {name: parts(y) for name, y in checked(labels).items()}

    def of(source: str, target: str) -> Pair:
        found = [[_pair(a, b) for b in columns[target]] for a in columns[source]]
        support = max((n for row in found for _, n in row), default=0)
        return Pair(best_per_part(np.array([[v for v, _ in row] for row in found])), support)

    even = all(len(c) == 1 for c in columns.values())
    return filled(
        "association", list(columns), of, unit="correlation, no sign", bounds=(0.0, 1.0), symmetric=even
    )


def _pair(a: Array, b: Array) -> tuple[float, int]:
    rows = known(a) & known(b)
    n = int(rows.sum())
    if n < FEWEST:
        return float("nan"), n
    a, b = a[rows], b[rows]
    numbers = (a.dtype.kind == "f", b.dtype.kind == "f")
    if numbers == (False, False):
        return cramers_v(table(a, b)), n
    if numbers == (True, True):
        return abs(spearman(a, b)), n
    classes, values = (a, b) if numbers[1] else (b, a)
    return float(np.sqrt(correlation_ratio(classes, values))), n


def cramers_v(counts: Floats, *, corrected: bool = True) -> float:
    """Cramér's V of a table of counts ``(K_a, K_b)``, in [0, 1]; NaN where a side has one class.

    With the bias correction of Bergsma (2013, eqs. 4 to 6), by which independent labels have a mean near zero and a
    one-to-one relation has exactly 1.

    >>> cramers_v(np.array([[10.0, 0.0], [0.0, 30.0]]))
    1.0
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n, (k, r) = counts.sum(), counts.shape
    if min(k, r) < 2 or n < 2:
        return float("nan")
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi = float((((counts - expected) ** 2) / expected).sum() / n)
    wide = [float(k), float(r)]
    if corrected:
        phi = max(0.0, phi - (k - 1) * (r - 1) / (n - 1))
        wide = [w - (w - 1) ** 2 / (n - 1) for w in wide]
    least = min(wide) - 1
    if least <= 1e-12:  # as many classes as rows
        return float("nan")
    return min(1.0, round(float(np.sqrt(phi / least)), 12))


def correlation_ratio(classes: Ints, values: Floats, *, corrected: bool = True) -> float:
    """η², the share of the variance of ``values`` ``(n,)`` that lies between ``classes`` ``(n,)``, in [0, 1].

    ``corrected`` takes off what classes explain by chance, 1 − (1 − η²) (n − 1) / (n − K) (Kelley 1935), never below
    zero. NaN with a single class or without variance.

    >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 3.0, 3.0]))
    1.0
    """
    place = np.unique(classes, return_inverse=True)[1]
    n, k = len(values), int(place.max(initial=-1)) + 1
    total = float(((values - values.mean()) ** 2).sum()) if n else 0.0
    if k < 2 or total <= 0 or (corrected and n <= k):
        return float("nan")
    sizes = np.bincount(place)
    means = np.bincount(place, weights=values) / sizes
    between = min(float((sizes * (means - values.mean()) ** 2).sum() / total), 1.0)
    return max(0.0, 1 - (1 - between) * (n - 1) / (n - k)) if corrected else between


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation, in [-1, 1]; NaN where a side is constant.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([3.0, 2.0, 0.0]))
    -1.0
    """
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return round(float(np.corrcoef(x, y)[0, 1]), 12)
