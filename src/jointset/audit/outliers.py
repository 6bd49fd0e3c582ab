"""Outliers: rows far from all others, and rows that the model is at a loss about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.crossfit import group_codes, spreads
from jointset.audit.findings import Checked, Findings, as_points, ended
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError
from jointset.records import Bools, Floats

NEIGHBOURS = 10
FEWEST = 30
SPREADS = 6.0  # robust standard deviations of the log distance from which a row is called an outlier
LEAST = 0.02  # the least such deviation; distances of many columns hardly differ
LEAST_OF_COPIES = 0.5  # the same of rows of few values, whose distances come in steps


@dataclass(frozen=True, repr=False)
class Outliers(Checked):
    """``distance`` ``(n,)`` is the mean distance to the nearest rows, ``score`` ``(n,)`` in [0, 1] orders the rows,
    lowest first, and ``is_outlier`` ``(n,)`` marks those beyond the bound."""

    distance: Floats
    score: Floats
    is_outlier: Bools


def find_outliers(
    embedding: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    k: int = NEIGHBOURS,
    spreads: float = SPREADS,
    standardise: bool = True,
    seed: int = 0,
) -> Outliers:
    """Find rows that are far from all others in an embedding ``(n, d)``.

    A row's distance is the mean over its ``k`` nearest others (Ramaswamy et al. 2000; Angiulli and Pizzuti 2002), after
    the columns are brought to one spread (the middle 90 %'s), unless ``standardise`` is off. It is an outlier where the
    log distance is more than ``spreads`` robust standard deviations (from the median and the upper quartile) above the
    median. Copies (``groups`` ``(n,)``) are looked at once. Where copies are still most neighbours of half of the rows,
    as with columns of few values, neighbours are looked for among so small a part of the rows, drawn with ``seed``,
    that they are not; where more than about half of the rows are copies of one row, nothing is said. The score is
    1 / (1 + (distance / bound)²), so one half at the bound. Code ``outlier``. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> find_outliers(np.vstack([rng.normal(size=(200, 3)), [[9, 9, 9]]])).findings.row.tolist()
    [200]
    """
    points = as_points(embedding)
    n = len(points)
    own = np.arange(n) if groups is None else group_codes(groups, n)
    _, once, inverse = np.unique(own, return_index=True, return_inverse=True)
    if len(once) < FEWEST:
        return _untold(n, f"{len(once)} distinct rows; {FEWEST} are needed")
    x = _one_spread(points) if standardise else points
    looked = _distances(x[once], min(k, len(once) - 1), seed)
    if looked is None:
        return _untold(
            n, "most rows are copies of one or a few rows; name copies in `groups` to leave them out"
        )
    distance, thinned = looked
    bound = _bound(distance, spreads, LEAST_OF_COPIES if thinned else LEAST)
    distance = distance[inverse]
    score = 1 / (1 + (distance / bound) ** 2)
    far = distance > bound
    rows = np.flatnonzero(far)
    rows = rows[np.argsort(score[rows], kind="stable")]
    found = Findings.of(
        "outlier",
        rows=rows,
        scores=score[rows],
        evidence=[{"distance": float(distance[i] / bound)} for i in rows],
    )
    outcome, reason = ended(
        found, f"{len(rows):,} rows are far from all others", "no row is far from all others"
    )
    facts = {"rows": n, "outliers": len(rows), "bound": bound}
    return Outliers(outcome, reason, found, facts, distance, score, far)


def _one_spread(points: NDArray[np.float32]) -> NDArray[np.float32]:
    low, middle, high = np.quantile(points, [0.05, 0.5, 0.95], axis=0)
    spread = (high - low) / 3.29
    usual = spreads(points)
    spread = np.where(spread > 1e-3 * usual, spread, usual)
    kept = usual > 0
    if not kept.any():
        return np.zeros((len(points), 1), np.float32)
    return ((points[:, kept] - middle[kept]) / spread[kept]).astype(np.float32)


def _distances(x: Floats, k: int, seed: int) -> tuple[Floats, bool] | None:
    """Mean distance of every row to its ``k`` nearest, and whether those are of a part of the rows only, for the sake
    of copies; None where no part is free of them."""
    near = nearest(x, k, seed=seed)[0]
    shuffled = np.random.default_rng(seed).permutation(len(x))
    part = len(x)
    while np.median(near[:, k // 2]) <= 0:
        part //= 2
        if part < 2 * k:
            return None
        near = nearest(x[shuffled[:part]], k, asked=x, seed=seed)[0]
    return near.mean(axis=1, dtype=np.float64), part < len(x)


def _bound(distance: Floats, spreads: float, least: float) -> float:
    """Median times exp(spreads × robust standard deviation of the log), from the upper half, the side that matters."""
    middle, upper = np.quantile(distance, [0.5, 0.75])
    return float(middle * np.exp(spreads * np.log(max(upper / middle, 1 + least)) / 0.6745))


def _untold(n: int, reason: str) -> Outliers:
    nan = np.full(n, np.nan)
    return Outliers("not applicable", reason, Findings.empty(), {"rows": n}, nan, nan, np.zeros(n, bool))


def uncertainty(probs: ArrayLike) -> Floats:
    """Entropy of predictions ``(n, K)`` as a share of the largest possible, ``(n,)`` in [0, 1].

    >>> uncertainty([[0.5, 0.5], [1.0, 0.0]]).round(3).tolist()
    [1.0, 0.0]
    """
    p = np.clip(np.asarray(probs, np.float64), 1e-12, 1)
    if p.ndim != 2 or p.shape[1] < 2:
        raise ArrayError(f"probs must be (n, K) with K at least 2, found {p.shape}")
    return np.maximum(-(p * np.log(p)).sum(axis=1) / np.log(p.shape[1]), 0.0)


def find_uncertain(probs: ArrayLike, *, level: float = 0.95, task: str = "") -> Checked:
    """Rows about which out-of-sample predictions say next to nothing although they mostly say something.

    ``level`` is the entropy, as a share of the largest, from which a row is uncertain. Where more than a fifth of the
    rows are, the model is, and there is nothing to say of rows. Code ``uncertain``, score 1 − entropy. Raises
    ``ArrayError``.

    >>> find_uncertain([[0.5, 0.5]] + [[0.9, 0.1]] * 9).findings.row.tolist()
    [0]
    """
    entropy = uncertainty(probs)
    rows = np.flatnonzero(entropy >= level)
    share = len(rows) / max(len(entropy), 1)
    if share > 0.2:
        reason = (
            f"the predictions say next to nothing on {share:.0%} of the rows, so single rows do not stand out"
        )
        return Checked("not applicable", reason, Findings.empty(), {"uncertain": share})
    found = Findings.of(
        "uncertain",
        rows=rows,
        scores=1 - entropy[rows],
        evidence=[{"entropy": float(entropy[i]), "task": task} for i in rows],
    )
    outcome, reason = ended(
        found, f"of {len(rows):,} rows the prediction says next to nothing", "it says something of every row"
    )
    return Checked(outcome, reason, found, {"uncertain": share})
