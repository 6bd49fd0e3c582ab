"""Suspicious order: rows that stand near each other are alike, so they are not independent draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.findings import Checked, Findings, as_points
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

NEIGHBOURS = 10
PERMUTATIONS = 499
SAMPLE = 10_000


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

    ``order`` ``(n,)`` is the place of every row, or a time; by default the place in the array. The test statistic is
    the mean difference in rank between a row and its ten nearest neighbours, against 499 permutations of the ranks,
    which makes it exact for exchangeable rows. Of more than 10,000 rows a sample is tested. Rows of one of ``groups``
    (copies) are tested once. Code ``non_iid`` where the p-value is below ``level``. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> find_order(rng.normal(size=(300, 3))).outcome, find_order(np.sort(rng.normal(size=(300, 1)), 0)).p_value
    ('passed', 0.002)
    """
    points = as_points(embedding, least=1)
    n = len(points)
    place = np.arange(n) if order is None else np.asarray(order)
    if place.shape != (n,):
        raise ArrayError(f"order: expected one place for each of the {n} rows, found {place.shape}")
    rng = np.random.default_rng(seed)
    once = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_index=True)[1]
    rows = np.sort(rng.permutation(once)[:SAMPLE])
    score = np.full(n, np.nan)
    if len(rows) < 3 * NEIGHBOURS:
        reason = f"{len(rows)} distinct rows; {3 * NEIGHBOURS} are needed"
        return Order(
            "not applicable", reason, Findings.empty(), {"rows": len(rows)}, float("nan"), float("nan"), score
        )
    rank = np.argsort(np.argsort(place[rows], kind="stable"), kind="stable")
    near = nearest(points[rows], NEIGHBOURS, seed=seed)[1]
    gap = _gaps(rank, near)
    chance = np.array([_gaps(rng.permutation(len(rows)), near).mean() for _ in range(PERMUTATIONS)])
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


def _gaps(rank: Ints, near: Ints) -> Floats:
    """Mean difference in rank between each row and its neighbours, ``(n,)``."""
    return np.abs(rank[near] - rank[:, None]).mean(axis=1)
