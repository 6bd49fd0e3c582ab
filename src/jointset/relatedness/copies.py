"""Tasks that say the same: copies, and tasks that another one gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from jointset.relatedness.association import spearman
from jointset.relatedness.columns import Array, checked, known, parts, table
from jointset.relatedness.information import uncertainty

SAME = 0.98  # share of the entropy
HOLDS = 0.9  # of it after correction for few rows, so that an id column gives nothing away
ORDER = 0.999  # rank correlation of two numbers
FEWEST = 30


@dataclass(frozen=True)
class Sameness:
    """Two tasks with one content: a ``copy`` (each gives the other away), or one that ``determines`` the other.

    ``forth`` is the share of the target's entropy that the source removes, ``back`` the other way round; for numbers
    both are |ρ|.
    """

    source: str
    target: str
    kind: Literal["copy", "determines"]
    forth: float
    back: float
    rows: int

    @property
    def reason(self) -> str:
        """The finding in words."""
        if self.kind == "copy":
            return f"{self.source} and {self.target} say the same on {self.rows:,} shared rows"
        return f"{self.source} gives {self.target} away on {self.rows:,} shared rows, and not the other way round"


def same_content(labels: Mapping[str, Any]) -> tuple[Sameness, ...]:
    """Pairs of tasks that say the same on the rows that carry both, whatever their classes are called.

    Classes are compared by the uncertainty coefficient (Theil 1972), from 0.98 on; numbers by their ranks. A label set
    is given away when each of its labels is. At least 30 shared rows. Tasks without shared rows are not compared.

    >>> import numpy as np
    >>> fine = np.tile([0, 1, 2, 3], 20)
    >>> [(s.source, s.target, s.kind) for s in same_content({"a": fine, "b": 3 - fine, "c": fine // 2})]
    [('a', 'b', 'copy'), ('a', 'c', 'determines'), ('b', 'c', 'determines')]
    """
    given, found = checked(labels), []
    for a, b in combinations(given, 2):
        forth, rows = _given_away(given[a], given[b])
        back, _ = _given_away(given[b], given[a])
        if forth and back:
            found.append(Sameness(a, b, "copy", forth, back, rows))
        elif forth or back:
            source, target = (a, b) if forth else (b, a)
            found.append(Sameness(source, target, "determines", max(forth, back), min(forth, back), rows))
    return tuple(found)


def _given_away(source: Array, target: Array) -> tuple[float, int]:
    """How far the least of the target's parts is given away by a part of the source; 0 where it is not."""
    least, most = 1.0, 0
    for b in parts(target):
        best = 0.0
        for a in parts(source):
            rows = known(a) & known(b)
            n = int(rows.sum())
            if n >= FEWEST:
                best, most = max(best, _one(a[rows], b[rows])), max(most, n)
        least = min(least, best)
        if not least:
            return 0.0, most
    return round(least, 6), most


def _one(a: Array, b: Array) -> float:
    numbers = (a.dtype.kind == "f") + (b.dtype.kind == "f")
    if numbers == 2:
        rho = abs(spearman(a, b))
        return rho if rho >= ORDER else 0.0
    if numbers:
        return 0.0
    counts = table(a, b)
    plain, corrected = uncertainty(counts, corrected=False), uncertainty(counts)
    return plain if plain >= SAME and corrected >= HOLDS else 0.0
