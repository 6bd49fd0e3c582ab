"""Tasks that say the same: copies, and tasks that another one gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

from jointset.relatedness.association import spearman
from jointset.relatedness.columns import Array, checked, known, parts, table
from jointset.relatedness.information import uncertainty
from jointset.relatedness.intervals import intervals

SAME = 0.98  # share of the entropy
HOLDS = 0.9  # of it after correction for few rows, so that an id column gives nothing away
ORDER = 0.999  # rank correlation of two numbers
FEWEST = 30
ALIKE, BEYOND = 0.95, 0.9  # of a near copy: share of rows that agree, and beyond chance (Cohen's kappa)
RARER = 10  # rows beside the commonest class, below which that means little


@dataclass(frozen=True)
class Sameness:
    """Two tasks with one content: a ``copy`` (each gives the other away), one that ``determines`` the other, or a
    ``near copy`` (they differ in few rows, as two annotators do).

    ``forth`` is the share of the target's entropy that the source removes, ``back`` the other way round; for numbers
    both are |ρ|, for near copies the share of rows that agree. ``cuts`` are those of a number that classes were made
    from.
    """

    source: str
    target: str
    kind: Literal["copy", "determines", "near copy"]
    forth: float
    back: float
    rows: int
    cuts: tuple[float, ...] = ()

    @property
    def reason(self) -> str:
        """The finding in words."""
        if self.kind == "copy":
            return f"{self.source} and {self.target} say the same on {self.rows:,} shared rows"
        if self.kind == "near copy":
            share = f"{self.forth:.1%} of {self.rows:,} shared rows"
            return f"{self.source} and {self.target} agree on {share}: a near copy"
        if self.cuts:
            where = ", ".join(f"{c:.6g}" for c in self.cuts)
            return f"{self.target} is {self.source} cut at {where}, on {self.rows:,} shared rows"
        return f"{self.source} gives {self.target} away on {self.rows:,} shared rows, and not the other way round"


def same_content(labels: Mapping[str, Any]) -> tuple[Sameness, ...]:
    """Pairs of tasks that say the same on the rows that carry both, whatever their classes are called.

    Classes are compared by the uncertainty coefficient (Theil 1972), from 0.98 on; numbers by their ranks. A number
    gives classes away that are its intervals (:func:`~jointset.relatedness.intervals.intervals`). A label set is given
    away when each of its labels is. Near copies have as many classes, which agree, one to one, on 95 of 100 rows with
    Cohen's kappa from 0.9 on. At least 30 shared rows. Tasks without shared rows are not compared.

    >>> import numpy as np
    >>> fine = np.tile([0, 1, 2, 3], 20)
    >>> [(s.source, s.target, s.kind) for s in same_content({"a": fine, "b": 3 - fine, "c": fine // 2})]
    [('a', 'b', 'copy'), ('a', 'c', 'determines'), ('b', 'c', 'determines')]
    >>> price = np.arange(100.0)
    >>> [s.reason for s in same_content({"price": price, "dear": (price > 60) * 1})]
    ['dear is price cut at 60.5, on 100 shared rows']
    """
    given, found = checked(labels), []
    for a, b in combinations(given, 2):
        there, again = _given_away(given[a], given[b]), _given_away(given[b], given[a])
        if there.share and again.share:
            found.append(Sameness(a, b, "copy", there.share, again.share, there.rows))
        elif there.share or again.share:
            source, target, one = (a, b, there) if there.share else (b, a, again)
            found.append(Sameness(source, target, "determines", one.share, 0.0, one.rows, one.cuts))
        elif near := _near(given[a], given[b]):
            found.append(Sameness(a, b, "near copy", near.share, near.share, near.rows))
    return tuple(found)


class _Given(NamedTuple):
    share: float = 0.0
    rows: int = 0
    cuts: tuple[float, ...] = ()


def _given_away(source: Array, target: Array) -> _Given:
    """How far the least of the target's parts is given away by a part of the source; 0 where it is not."""
    found = []
    for b in parts(target):
        shared = [known(a) & known(b) for a in parts(source)]
        ways = [
            _one(a[rows], b[rows])
            for a, rows in zip(parts(source), shared, strict=True)
            if rows.sum() >= FEWEST
        ]
        most = max(int(rows.sum()) for rows in shared)
        best = max(ways, key=lambda w: w.share, default=_Given())
        if not best.share:
            return _Given(rows=most)
        found.append(best._replace(rows=most))
    cuts = tuple(sorted({c for f in found for c in f.cuts}))
    return _Given(round(min(f.share for f in found), 6), max(f.rows for f in found), cuts)


def _one(a: Array, b: Array) -> _Given:
    numbers = (a.dtype.kind == "f", b.dtype.kind == "f")
    if numbers == (True, True):
        rho = abs(spearman(a, b))
        return _Given(rho if rho >= ORDER else 0.0)
    if numbers == (True, False):
        cut = intervals(a, b)
        return _Given(cut.share, cuts=cut.cuts) if cut and cut.share >= SAME else _Given()
    if numbers == (False, True):
        return _Given()
    counts = table(a, b)
    plain, corrected = uncertainty(counts, corrected=False), uncertainty(counts)
    return _Given(plain if plain >= SAME and corrected >= HOLDS else 0.0)


def _near(a: Array, b: Array) -> _Given | None:
    """The share of rows on which two tasks' classes agree, matched one to one; None below what a near copy takes."""
    from scipy.optimize import linear_sum_assignment

    if a.ndim != 1 or b.ndim != 1 or "f" in (a.dtype.kind, b.dtype.kind):
        return None
    rows = known(a) & known(b)
    counts = table(a[rows], b[rows])
    n, sides = counts.sum(), (counts.sum(axis=1), counts.sum(axis=0))
    if n < FEWEST or counts.shape[0] != counts.shape[1] or n - max(s.max() for s in sides) < RARER:
        return None
    i, j = linear_sum_assignment(-counts)
    agreed, chance = counts[i, j].sum() / n, (sides[0][i] @ sides[1][j]) / n**2
    if agreed < ALIKE or agreed - chance < BEYOND * (1 - chance):
        return None
    return _Given(round(float(agreed), 6), int(n))
