"""Association of labels on shared rows, on the scale of a correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, checked, known, parts, table, varied
from jointset.relatedness.pairs import ALPHA, Pair, best_per_part, filled
from jointset.relatedness.permuted import PERMUTATIONS, blocks, permuted_level, shared

FEWEST = 10  # shared rows below which nothing is said


def association(labels: Mapping[str, Any], *, permutations: int = PERMUTATIONS, seed: int = 0) -> Affinity:
    """How strongly the labels of two tasks go together on the rows that carry both.

    Classes with classes: Cramér's V with the bias correction of Bergsma (2013). Classes with numbers: the root of the
    correlation ratio, corrected. Numbers: |Spearman's ρ|. A label set counts label by label: the mean over the
    target's labels of the most that one of the source's says. NaN below 10 shared rows. ``labels`` are in the
    forms of :mod:`jointset.records`.

    The level of chance is that of the target's labels permuted among the shared rows, a label set's together, drawn by
    ``permutations`` and ``seed``; between numbers it is that of Student's t.

    >>> found = association({"a": np.tile([0, 1], 20), "b": np.tile([1, 0], 20)})
    >>> found.top("a"), bool(0 < found.chance[0, 1] < 0.6)
    ([('b', 1.0)], True)
    """
    columns = {name: parts(y) for name, y in checked(labels).items()}

    def of(source: str, target: str) -> Pair:
        found = [[_pair(a, b) for b in columns[target]] for a in columns[source]]
        support = max((n for row in found for _, n in row), default=0)
        value = best_per_part(np.array([[v for v, _ in row] for row in found]))
        if not np.isfinite(value):
            return Pair(support=support)
        return Pair(value, support, _chance(columns[source], columns[target], permutations, seed))

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


def _chance(source: Sequence[Array], target: Sequence[Array], permutations: int, seed: int) -> float:
    """The level of chance of two tasks."""
    if source[0].dtype.kind == target[0].dtype.kind == "f":
        from scipy.stats import t

        n = int(shared(source, target).sum())
        quantile = t.ppf(1 - ALPHA / 2, n - 2)
        return float(quantile / np.sqrt(n - 2 + quantile**2))
    return permuted_level(source, target, _drawn, permutations, seed)


def _drawn(source: Sequence[Array], target: Sequence[Array], orders: Ints) -> Floats:
    """The association of all parts ``(B, parts of the source, parts of the target)`` when the target's rows are put in
    each of the orders ``(B, n)``."""
    found = np.full((len(orders), len(source), len(target)), np.nan)
    for i, j, block in blocks(source, target, orders):
        if source[i].dtype.kind == "f":
            found[:, i, j] = np.sqrt(_ratios(block))
        elif target[j].dtype.kind == "f":
            found[:, i, j] = np.sqrt(_ratios(block.transpose(0, 2, 1)))
        else:
            found[:, i, j] = _cramers(block, corrected=True)
    return found


def _ratios(sums: Floats) -> Floats:
    """Corrected η² ``(B,)`` of a number's count, sum and sum of squares by class ``(B, 3, K)``."""
    size, total, square = sums[:, 0], sums[:, 1], sums[:, 2]
    n, k = size.sum(axis=1), (size > 0).sum(axis=1)
    middle = total.sum(axis=1) ** 2 / np.maximum(n, 1)
    whole = square.sum(axis=1) - middle
    between = (total**2 / np.maximum(size, 1)).sum(axis=1) - middle
    usable = (k > 1) & (n > k) & (whole > 1e-9)
    share = np.clip(between / np.where(usable, whole, 1.0), 0.0, 1.0)
    found = np.maximum(0.0, 1 - (1 - share) * (n - 1) / np.where(usable, n - k, 1))
    return np.where(usable, found, np.nan)


def cramers_v(counts: Floats, *, corrected: bool = True) -> float:
    """Cramér's V of a table of counts ``(K_a, K_b)``, in [0, 1]; NaN where a side has one class.

    With the bias correction of Bergsma (2013, eqs. 4 to 6), by which independent labels have a mean near zero and a
    one-to-one relation has exactly 1.

    >>> cramers_v(np.array([[10.0, 0.0], [0.0, 30.0]]))
    1.0
    """
    return float(_cramers(counts[None], corrected)[0])


def _cramers(counts: Floats, corrected: bool) -> Floats:
    """The same of several tables ``(B, K_a, K_b)``."""
    rows, columns, n = counts.sum(axis=2), counts.sum(axis=1), counts.sum(axis=(1, 2))
    k, r = ((m > 0).sum(axis=1).astype(float) for m in (rows, columns))
    usable = (np.minimum(k, r) > 1) & (n > 1)
    margins = np.maximum(rows[:, :, None] * columns[:, None, :], 1e-300)
    phi = np.maximum((counts**2 / margins).sum(axis=(1, 2)) - 1, 0.0)
    if corrected:
        less = np.where(usable, n - 1, 1)
        phi = np.maximum(0.0, phi - (k - 1) * (r - 1) / less)
        k, r = k - (k - 1) ** 2 / less, r - (r - 1) ** 2 / less
    least = np.minimum(k, r) - 1
    usable &= least > 1e-12  # else as many classes as rows
    found = np.minimum(1.0, np.round(np.sqrt(phi / np.where(usable, least, 1.0)), 12))
    return np.where(usable, found, np.nan)


def correlation_ratio(classes: Ints, values: Floats, *, corrected: bool = True) -> float:
    """η², the share of the variance of ``values`` ``(n,)`` that lies between ``classes`` ``(n,)``, in [0, 1].

    ``corrected`` takes off what classes explain by chance, 1 − (1 − η²) (n − 1) / (n − K) (Kelley 1935), never below
    zero. NaN with a single class or without variance beyond rounding.

    >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 3.0, 3.0]))
    1.0
    """
    place = np.unique(classes, return_inverse=True)[1]
    n, k = len(values), int(place.max(initial=-1)) + 1
    if k < 2 or not varied(values[:, None])[0] or (corrected and n <= k):
        return float("nan")
    total = float(((values - values.mean()) ** 2).sum())
    sizes = np.bincount(place)
    means = np.bincount(place, weights=values) / sizes
    between = min(float((sizes * (means - values.mean()) ** 2).sum() / total), 1.0)
    return max(0.0, 1 - (1 - between) * (n - 1) / (n - k)) if corrected else between


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation, in [-1, 1]; NaN where a side is constant but for rounding.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([3.0, 2.0, 0.0]))
    -1.0
    """
    from scipy.stats import rankdata

    if not varied(np.stack([a, b], axis=1)).all():
        return float("nan")
    x, y = rankdata(a), rankdata(b)
    return round(float(np.corrcoef(x, y)[0, 1]), 12)
