"""Classes that were made from a number: which cuts give them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, log

import numpy as np
from numpy.typing import NDArray

from jointset.records import Floats, Ints
from jointset.relatedness.information import uncertainty

MOST = 10  # intervals
WRONG = 0.005  # share of rows off their interval's class, at most
CHANCE = 1e-6  # of permuted classes to lie in so few intervals, at most


@dataclass(frozen=True)
class Intervals:
    """``share`` of the classes' entropy that the intervals between ``cuts`` remove."""

    share: float
    cuts: tuple[float, ...]


def intervals(numbers: Floats, classes: Ints) -> Intervals | None:
    """The fewest intervals of ``numbers`` ``(n,)`` of which each is one class of ``classes`` ``(n,)``; None where there
    are none that chance would not make.

    Neither may have a missing value. Up to ten intervals; a class may have several, and one row in 200 may be off. That
    permuted classes lie so is a count of arrangements: those of the runs, with the rows that are off, over all
    n! / ∏ nₖ!; it has to be below a millionth.

    >>> p = np.linspace(0, 1, 100)
    >>> [round(c, 2) for c in intervals(p, np.digitize(p, [0.3, 0.8])).cuts]
    [0.3, 0.8]
    >>> intervals(p, np.random.default_rng(0).integers(2, size=100)) is None
    True
    """
    kinds, codes = np.unique(classes, return_inverse=True)
    values, place = np.unique(numbers, return_inverse=True)
    if len(kinds) < 2 or len(values) < 2:
        return None
    counts = np.bincount(place * len(kinds) + codes, minlength=len(values) * len(kinds)).reshape(
        len(values), -1
    )
    most = int(WRONG * len(classes))
    starts = _starts(counts)
    if counts.sum() - counts.max(axis=1).sum() > most or len(starts) > MOST + 2 * most:
        return None
    edges, sums = list(starts), list(np.add.reduceat(counts, starts))
    fewest = None
    while len(edges) > 1:
        if len(edges) <= MOST and (share := _share(sums, most)):
            fewest = Intervals(share, tuple(float(values[e - 1] + values[e]) / 2 for e in edges[1:]))
        elif fewest:
            break
        edges, sums = _without_shortest(edges, sums)
    return fewest


def _starts(counts: NDArray[np.int64]) -> Ints:
    """Where the commonest class of the values in order changes."""
    top = counts.argmax(axis=1)
    return np.flatnonzero(np.r_[True, top[1:] != top[:-1]])


def _without_shortest(edges: list[int], sums: list[Ints]) -> tuple[list[int], list[Ints]]:
    """The same with the run of fewest rows given to its longer neighbour; runs of one class that then meet are one."""
    i = int(np.argmin([s.sum() for s in sums]))
    beside = [j for j in (i - 1, i + 1) if 0 <= j < len(sums)]
    j = max(beside, key=lambda k: int(sums[k].sum()))
    first, last = min(i, j), max(i, j)
    merged = [*sums[:first], sums[first] + sums[last], *sums[last + 1 :]]
    together = np.array(merged)
    starts = _starts(together)
    kept = [*edges[:last], *edges[last + 1 :]]
    return [kept[s] for s in starts], list(np.add.reduceat(together, starts))


def _share(sums: Sequence[Ints], most: int) -> float:
    """The share of the entropy that the runs remove; 0 where too many rows are off, or chance may have made them."""
    table = np.array(sums, np.float64)
    sizes, top = table.sum(axis=1).astype(int), table.argmax(axis=1)
    off = int(table.sum() - table.max(axis=1).sum())
    if off > most or len(np.unique(top)) < table.shape[1]:
        return 0.0
    n, k = int(table.sum()), table.shape[1]
    ways = log(k) + (len(sums) - 1) * log(max(k - 1, 1)) + log(comb(n, off)) + off * log(max(k - 1, 1))
    for kind in range(k):
        own = sizes[top == kind]
        ways += log(comb(int(own.sum()) - 1, len(own) - 1))
    if ways - _arrangements(table.sum(axis=0).astype(int)) > log(CHANCE):
        return 0.0
    return uncertainty(table, corrected=False)


def _arrangements(counts: Ints) -> float:
    """log n! / ∏ nₖ!."""
    from scipy.special import gammaln

    return float(gammaln(counts.sum() + 1) - gammaln(counts + 1).sum())
