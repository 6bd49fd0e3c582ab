"""Covariate shift: are two sets of inputs draws of one distribution?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import Linear, area, folds_of, group_codes, spreads
from jointset.audit.findings import Checked, Findings, as_points
from jointset.errors import ArrayError
from jointset.kernel import discrepancies, gaussian
from jointset.records import Bools, Floats, Ints

SAMPLE = 2000  # rows of each side that the classifier sees
KERNEL = 500  # rows of each side that the kernel test sees
PERMUTATIONS = 499
COARSEST = 1 / (1 + PERMUTATIONS)  # the kernel test's smallest p-value without more of them
BLOCK = 2000  # permutations at a time
FEWEST = 20
TWICE = 2.0  # see covariate_shift; without it one random split in eight is called shifted at 0.05


@dataclass(frozen=True, repr=False)
class CovariateShift(Checked):
    """``p_value`` is the smaller of the two tests' p-values, doubled (Bonferroni); ``area`` is how well a classifier
    tells the sides apart, 0.5 = not at all; ``distance`` is the kernel's, 0 = none. ``direction`` ``(n_a + n_b,)`` is
    each row's log odds of being of the second side, NaN where it was not sampled."""

    p_value: float
    p_classifier: float
    p_kernel: float
    area: float
    distance: float
    direction: Floats


def covariate_shift(
    a: ArrayLike,
    b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.01,
    finest: float | None = None,
    subject: str = "",
    seed: int = 0,
) -> CovariateShift:
    """Test whether the inputs of two sides, embeddings ``(n_a, d)`` and ``(n_b, d)``, have one distribution.

    Two tests, as either is blind where the other sees. A classifier two-sample test (Lopez-Paz and Oquab 2017):
    logistic regression on the columns and their squares, five folds, and the rank-sum test of its held-out scores,
    fold by fold, as scores of different folds are not comparable. The folds' results are not independent either: rows
    of one fold teach the model of the other and the other way round, so every pair of folds is counted twice, and the
    variance of the sum is twice that of independent folds (exactly so for a nearest-mean classifier). The maximum mean
    discrepancy (Gretton et al. 2012, eq. 3) with a Gaussian kernel as wide as the median distance, and 499
    permutations, so that its p-value is at least 1/500; with ``finest``, where none of them reaches the distance, as
    many more as a p-value of that needs (one after the other, as Besag and Clifford 1991: they stop once it cannot fall
    below 1/500). ``groups`` ``(n_a + n_b,)`` (copies, patients) stay in one fold. Code ``covariate_shift`` where the
    p-value is below ``level``; the score is 2 (1 − area). Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2))
    >>> covariate_shift(x[:150], x[150:]).outcome, covariate_shift(x[:150], x[150:] + 1).outcome
    ('passed', 'found')
    """
    first, second = as_points(a, "a"), as_points(b, "b")
    if first.shape[1] != second.shape[1]:
        raise ArrayError(f"a has {first.shape[1]} columns, b {second.shape[1]}; embed both the same way")
    n, m = len(first), len(second)
    direction = np.full(n + m, np.nan)
    if min(n, m) < FEWEST:
        reason = f"{min(n, m)} rows on one side; {FEWEST} are needed"
        nan = float("nan")
        return CovariateShift(
            "not applicable", reason, Findings.empty(), {}, nan, nan, nan, nan, nan, direction
        )
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(n)[:SAMPLE], n + rng.permutation(m)[:SAMPLE]])
    both = np.concatenate([first, second])
    own = None if groups is None else group_codes(groups, n + m)[rows]
    x, side = _scaled(both[rows]), (rows >= n).astype(np.int64)
    odds, auc, p_classifier = classifier_test(x, side, own, seed)
    direction[rows] = odds
    small = np.concatenate([rows[side == s][:KERNEL] for s in (0, 1)])
    distance, p_kernel = kernel_test(_scaled(both[small]), small >= n, rng, finest=finest)
    p_value = min(1.0, 2 * min(p_classifier, p_kernel))
    facts = {
        "p_value": p_value,
        "p_classifier": p_classifier,
        "p_kernel": p_kernel,
        "area": auc,
        "distance": distance,
    }
    if p_value >= level:
        reason = f"no shift is seen (p = {p_value:.2g}, area {auc:.2f})"
        return CovariateShift(
            "passed",
            reason,
            Findings.empty(),
            facts,
            p_value,
            p_classifier,
            p_kernel,
            auc,
            distance,
            direction,
        )
    found = Findings.of(
        "covariate_shift", subjects=[subject], scores=[2 * (1 - max(auc, 0.5))], evidence=[facts]
    )
    reason = f"the inputs differ (p = {p_value:.2g}, area {auc:.2f}, kernel distance {distance:.3f})"
    return CovariateShift(
        "found", reason, found, facts, p_value, p_classifier, p_kernel, auc, distance, direction
    )


def _scaled(x: Floats) -> Floats:
    """Columns of one spread, none beyond eight of it."""
    spread = spreads(x)
    kept = spread > 0
    if not kept.any():
        return np.zeros((len(x), 1), np.float32)
    return np.clip((x[:, kept] - x[:, kept].mean(axis=0)) / spread[kept], -8, 8)


def classifier_test(x: Floats, side: Ints, groups: Ints | None, seed: int) -> tuple[Floats, float, float]:
    """Held-out log odds of being on side 1 ``(n,)``, the area under their curve, and the one-sided p-value that it is
    above one half.

    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> bool(classifier_test(x, (x[:, 0] > 0).astype(int), None, 0)[2] < 1e-9)
    True
    """
    from scipy.stats import norm

    fold = folds_of(len(side), groups, 5, seed)
    wide = np.concatenate([x, x**2], axis=1) if x.shape[1] <= 100 else x
    odds, ranks, variance, areas = np.zeros(len(side)), 0.0, 0.0, []
    for f in range(5):
        train, rest = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        ones = int(side[rest].sum())
        zeros = len(rest) - ones
        if not ones or not zeros or len(np.unique(side[train])) < 2:
            continue
        # both sides count the same, however many rows they have
        weight = np.where(side[train] == 1, 0.5 / side[train].mean(), 0.5 / (1 - side[train].mean()))
        p = np.clip(Linear(wide[train], side[train], weight)(wide[rest])[:, 1], 1e-6, 1 - 1e-6)
        odds[rest] = np.log(p / (1 - p))
        auc = area(side[rest], p)
        areas.append(auc)
        ranks += (auc - 0.5) * ones * zeros
        variance += ones * zeros * (ones + zeros + 1) / 12
    if not areas:
        return odds, float("nan"), 1.0
    return odds, float(np.mean(areas)), float(norm.sf(ranks / np.sqrt(TWICE * variance)))


def kernel_test(
    x: Floats,
    side: Ints | Bools,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
    *,
    finest: float | None = None,
) -> tuple[float, float]:
    """The maximum mean discrepancy (the root of its unbiased square, 0 where that is negative), and its p-value.

    ``finest`` is the p-value down to which more permutations are drawn, where none of the first reaches the distance.

    >>> x = np.random.default_rng(0).normal(size=(80, 1))
    >>> kernel_test(x, x[:, 0] > 0, np.random.default_rng(0))[1]
    0.002
    >>> kernel_test(x, x[:, 0] > 0, np.random.default_rng(0), finest=1e-4)[1]
    0.0001
    """
    member = np.asarray(side, np.float64)
    kernel = gaussian(x)
    draws = np.stack([member, *(rng.permutation(member) for _ in range(permutations))])
    value = discrepancies(kernel, draws)
    above = int((value[1:] >= value[0] - 1e-12).sum())
    p_value = (1 + above) / (1 + permutations)
    if finest is not None and not above:
        p_value = min(p_value, _finer(kernel, member, float(value[0]), permutations, finest, rng))
    return float(np.sqrt(max(value[0], 0.0))), p_value


def _finer(
    kernel: Floats, member: Floats, value: float, drawn: int, finest: float, rng: np.random.Generator
) -> float:
    """The p-value of ``drawn`` permutations, none of which reached the value, and of those that a p-value of ``finest``
    needs; 1 as soon as it cannot fall below that of the first ones."""
    whole = int(np.ceil(1 / finest)) - 1
    light, above, left = kernel.astype(np.float32), 0, whole - drawn
    while left > 0:
        now = min(BLOCK, left)
        draws = rng.permuted(np.tile(member.astype(np.float32), (now, 1)), axis=1)
        above += int((discrepancies(light, draws) >= value - 1e-5).sum())
        left -= now
        if (1 + above) * (1 + drawn) >= 1 + whole:
            return 1.0
    return (1 + above) / (1 + max(whole, drawn))
