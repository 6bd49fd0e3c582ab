"""Mutual information of labels on shared rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, checked, coded, parts, table
from jointset.relatedness.pairs import Pair, best_per_part, filled
from jointset.relatedness.permuted import PERMUTATIONS, blocks, permuted_level

FEWEST = 10  # shared rows below which nothing is said


def information(labels: Mapping[str, Any], *, permutations: int = PERMUTATIONS, seed: int = 0) -> Affinity:
    """The share of the target's entropy that the source's label removes (uncertainty coefficient, Theil 1972).

    Directed: a fine label gives a coarse one away, and not the other way round. Mutual information and entropy are
    corrected for their bias in few rows (Miller 1955). Numbers are cut into five groups of equal size; label sets
    count as in :func:`~jointset.relatedness.association`, and so does the level of chance, by ``permutations`` and
    ``seed``. NaN below 10 shared rows.

    >>> fine = np.tile([0, 1, 2, 3], 50)
    >>> found = information({"fine": fine, "coarse": fine // 2})
    >>> round(found["fine", "coarse"], 2), round(found["coarse", "fine"], 2)
    (0.99, 0.49)
    >>> bool(0 < found.chance[0, 1] < 0.1)
    True
    """
    columns = {name: [coded(p) for p in parts(y)] for name, y in checked(labels).items()}

    def of(source: str, target: str) -> Pair:
        found, support = np.full((len(columns[source]), len(columns[target])), np.nan), 0
        for i, a in enumerate(columns[source]):
            for j, b in enumerate(columns[target]):
                rows = (a >= 0) & (b >= 0)
                support = max(support, int(rows.sum()))
                if rows.sum() >= FEWEST:
                    found[i, j] = uncertainty(table(a[rows], b[rows]))
        value = best_per_part(found)
        if not np.isfinite(value):
            return Pair(support=support)
        return Pair(
            value, support, permuted_level(columns[source], columns[target], _drawn, permutations, seed)
        )

    return filled("information", list(columns), of, unit="share of the target's entropy", bounds=(0.0, 1.0))


def label_information(labels: Any) -> float:
    """What a task's labels say, in nats: their number times their entropy, summed over the labels of a set.

    Numbers are cut into five groups of equal size. Raises ArrayError.

    >>> round(label_information([0, 1, 0, 1, -1]), 3), round(label_information([[0, 1], [1, 1]]), 3)
    (2.773, 1.386)
    """
    codes = (coded(p) for p in parts(checked({"task": labels})["task"]))
    counts = (np.bincount(c[c >= 0]).astype(np.float64) for c in codes)
    return float(sum(c.sum() * entropy(c) for c in counts if c.any()))


def entropy(counts: Floats) -> float:
    """Entropy in nats of the shares of ``counts``, of any shape.

    >>> round(entropy(np.array([1.0, 1.0])), 4)
    0.6931
    """
    return float(_entropies(counts.reshape(1, -1))[0])


def _entropies(counts: Floats) -> Floats:
    """The same of each row of counts ``(B, K)``; of none it is 0."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1))


def mutual_information(counts: Floats) -> float:
    """Mutual information in nats of a table of counts ``(K_a, K_b)``, as observed.

    >>> round(mutual_information(np.eye(2)), 4)
    0.6931
    """
    return max(0.0, entropy(counts.sum(axis=1)) + entropy(counts.sum(axis=0)) - entropy(counts))


def normalised(counts: Floats) -> float:
    """Mutual information over the mean of the two entropies, in [0, 1]; NaN where both sides have one class.

    >>> round(normalised(np.array([[5.0, 0.0], [0.0, 5.0]])), 6)
    1.0
    """
    middle = (entropy(counts.sum(axis=1)) + entropy(counts.sum(axis=0))) / 2
    return mutual_information(counts) / middle if middle > 0 else float("nan")


def uncertainty(counts: Floats, *, corrected: bool = True) -> float:
    """The share of the entropy of the columns that the rows of a table ``(K_source, K_target)`` remove, in [0, 1].

    ``corrected`` takes (K_s − 1)(K_t − 1) / 2n off the information and adds (K_t − 1) / 2n to the entropy (Miller
    1955). NaN where the target has one class.

    >>> uncertainty(np.array([[5.0, 0.0], [0.0, 5.0]]), corrected=False)
    1.0
    """
    return float(_uncertainties(counts[None], corrected)[0])


def _uncertainties(counts: Floats, corrected: bool) -> Floats:
    """The same of several tables ``(B, K_source, K_target)``."""
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    own = _entropies(columns)
    told = np.maximum(0.0, _entropies(rows) + own - _entropies(counts.reshape(len(counts), -1)))
    usable = own > 0
    if corrected:
        n = np.maximum(counts.sum(axis=(1, 2)), 1)
        k, r = ((m > 0).sum(axis=1) for m in (rows, columns))
        told, own = told - (k - 1) * (r - 1) / (2 * n), own + (r - 1) / (2 * n)
    return np.where(usable, np.clip(told / np.where(usable, own, 1.0), 0.0, 1.0), np.nan)


def _drawn(source: Sequence[Array], target: Sequence[Array], orders: Ints) -> Floats:
    """The coefficient of all parts ``(B, parts of the source, parts of the target)`` when the target's rows are put in
    each of the orders ``(B, n)``."""
    found = np.full((len(orders), len(source), len(target)), np.nan)
    for i, j, block in blocks(source, target, orders):
        found[:, i, j] = _uncertainties(block, corrected=True)
    return found
