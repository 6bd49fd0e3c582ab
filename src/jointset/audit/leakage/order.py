"""Suspicious order: rows that stand near each other are alike, so they are not independent draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import group_codes, spreads
from jointset.audit.findings import Checked, Findings, as_points
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints

NEIGHBOURS = 10
PERMUTATIONS = 499
SAMPLE = 10_000
JITTER = 1e-3  # of a column's spread: among rows as near as each other, chance picks, and for every row anew


@dataclass(frozen=True, repr=False)
class Order(Checked):
    """``p_value`` that neighbours in the embedding stand no nearer in the order than chance has it; ``effect`` is one
    minus the mean distance of neighbours in the order over that of any two rows (0 = no order); ``score`` ``(n,)`` is
    each row's own share, low where its neighbours stand beside it (NaN for rows that were not sampled)."""

    p_value: float
    effect: float
    score: Floats


def find_order(
    embedding: ArrayLike,
    *,
    order: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.01,
    seed: int = 0,
) -> Order:
    """Test whether rows near each other in the order are alike beyond chance.

    ``order`` ``(n,)`` is the place of every row, or a time; by default the place in the array. Rows of one time share
    the mean of their ranks, and rows without one (None, NaN, NaT) are left out. The test statistic is
    the mean difference in rank between a row and its ten nearest neighbours, against 499 permutations of the ranks,
    which makes it exact for exchangeable rows; of rows that are equally near, chance (``seed``) picks the neighbours.
    Of more than 10,000 rows a sample is tested. Rows of one of ``groups``
    (copies) are tested once. Code ``non_iid`` where the p-value is below ``level``. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> find_order(rng.normal(size=(300, 3))).outcome, find_order(np.sort(rng.normal(size=(300, 1)), 0)).p_value
    ('passed', 0.002)
    """
    points = as_points(embedding, least=1)
    n = len(points)
    place, timed = (np.arange(n), np.ones(n, bool)) if order is None else _places(order, n)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(_once(groups, n, timed))[
        :SAMPLE
    ]  # at random, so that no tie is broken by the place
    score = np.full(n, np.nan)
    reason = ""
    if len(rows) < 3 * NEIGHBOURS:
        reason = f"{len(rows)} distinct rows; {3 * NEIGHBOURS} are needed"
    elif (place[rows] == place[rows[0]]).all():
        reason = "all rows have the same place in the order"
    if reason:
        return Order(
            "not applicable", reason, Findings.empty(), {"rows": len(rows)}, float("nan"), float("nan"), score
        )
    from scipy.stats import rankdata

    rank = rankdata(place[rows])
    near = nearest(_told_apart(points[rows], rng), NEIGHBOURS, seed=seed)[1]
    gap = _gaps(rank, near)
    chance = np.array([_gaps(rng.permutation(rank), near).mean() for _ in range(PERMUTATIONS)])
    p_value = float((1 + (chance <= gap.mean()).sum()) / (1 + PERMUTATIONS))
    effect = float(1 - gap.mean() / chance.mean())
    score[rows] = np.clip(gap / chance.mean(), 0, 1)
    facts = {"rows": len(rows), "p_value": p_value, "effect": effect}
    if p_value >= level:
        return Order(
            "passed",
            f"the order says nothing (p = {p_value:.3g})",
            Findings.empty(),
            facts,
            p_value,
            effect,
            score,
        )
    found = Findings.of("non_iid", subjects=["order"], scores=[1 - effect], evidence=[facts])
    reason = (
        f"rows near each other are alike (p = {p_value:.3g}, effect {effect:.2f}): split by blocks or groups"
    )
    return Order("found", reason, found, facts, p_value, effect, score)


def _places(order: ArrayLike, n: int) -> tuple[Ints, Bools]:
    """The place of every row ``(n,)`` as a code, and whether it has one."""
    import pandas as pd

    given = np.asarray(order)
    if given.shape != (n,):
        raise ArrayError(f"order: expected one place for each of the {n} rows, found {given.shape}")
    timed = ~np.asarray(pd.isna(given))
    place = np.zeros(n, np.int64)
    try:
        place[timed] = np.unique(given[timed], return_inverse=True)[1]
    except TypeError:
        raise ArrayError(
            "order: expected numbers, times or texts, found a mixture that has no order"
        ) from None
    return place, timed


def _once(groups: ArrayLike | None, n: int, timed: Bools) -> Ints:
    """The first row of every group among those that have a place."""
    rows = np.flatnonzero(timed)
    return rows if groups is None else rows[np.unique(group_codes(groups, n)[rows], return_index=True)[1]]


def _told_apart(points: Floats, rng: np.random.Generator) -> Floats:
    """The rows ``(m, d)`` about their mean, moved by next to nothing at random."""
    about = points - points.mean(axis=0, dtype=np.float64)
    return np.asarray(about + JITTER * spreads(about) * rng.standard_normal(about.shape), np.float32)


def _gaps(rank: Floats, near: Ints) -> Floats:
    """Mean difference in rank between each row and its neighbours, ``(n,)``."""
    return np.abs(rank[near] - rank[:, None]).mean(axis=1)
