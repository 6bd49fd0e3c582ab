"""Importance weights: let the rows of one side stand for those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import cross_fitted
from jointset.audit.findings import Checked, Findings, as_points
from jointset.errors import ArrayError
from jointset.records import Floats

MOST = 20.0
ENOUGH = 0.2  # share of the rows that the weighted ones must be worth


@dataclass(frozen=True, repr=False)
class ImportanceWeights(Checked):
    """``weights`` ``(n,)`` of the source's rows, mean one, and the number of rows that they are worth,
    ``effective``."""

    weights: Floats
    effective: float


def importance_weights(
    source: ArrayLike,
    target: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    most: float = MOST,
    flatten: float = 1.0,
    seed: int = 0,
) -> ImportanceWeights:
    """p_target(x) / p_source(x) of every source row, by cross-fitted odds of a logistic regression (Sugiyama et al.
    2012, section 4.2), cut at ``most``; to the power ``flatten`` in [0, 1] (Shimodaira 2000), mean one.

    ``effective`` is (Σw)² / Σw² (Kish 1965). Where it is below a fifth of the rows the weights are not worth using:
    code ``no_overlap``. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(500, 1)), rng.normal(0.5, 1, size=(500, 1))
    >>> found = importance_weights(a, b)
    >>> bool(abs((found.weights * a[:, 0]).mean() - 0.5) < 0.2), bool(300 < found.effective < 500)
    (True, True)
    """
    a, b = as_points(source, "source", 2), as_points(target, "target", 2)
    if a.shape[1] != b.shape[1]:
        raise ArrayError(f"source has {a.shape[1]} columns, target {b.shape[1]}; embed both the same way")
    if not 0 <= flatten <= 1 or most < 1:
        raise ArrayError(f"flatten must be in [0, 1] and most at least 1, found {flatten} and {most}")
    side = np.repeat([0, 1], [len(a), len(b)])
    p = np.clip(cross_fitted(np.concatenate([a, b]), side, 2, groups=groups, seed=seed)[: len(a)], 1e-6, None)
    raw = p[:, 1] / p[:, 0] * len(a) / len(b)
    weights = np.minimum(raw / raw.mean(), most) ** flatten
    weights /= weights.mean()
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    facts = {"rows": len(a), "effective": effective, "largest": float(weights.max())}
    share = effective / len(a)
    if share >= ENOUGH:
        reason = f"weighted, {len(a):,} rows are worth {effective:,.0f}"
        return ImportanceWeights("passed", reason, Findings.empty(), facts, weights, effective)
    found = Findings.of("no_overlap", subjects=[""], scores=[share], evidence=[facts])
    reason = f"weighted, {len(a):,} rows are worth {effective:,.0f} only: the sides hardly overlap"
    return ImportanceWeights("found", reason, found, facts, weights, effective)
