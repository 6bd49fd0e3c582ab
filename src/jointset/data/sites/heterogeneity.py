"""How much sites differ: sizes, label distributions, features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.clusters import standardised
from jointset.errors import ArrayError
from jointset.records import Floats, Ints


@dataclass(frozen=True)
class LabelSkew:
    """How the label distributions of P sites differ from the pooled one, over K classes.

    ``counts`` ``(P, K)``; ``pooled`` ``(K,)`` shares; by site ``(P,)``: ``total_variation``, ``jensen_shannon`` (the
    distance, base 2) and ``hellinger`` to the pooled distribution, all in [0, 1], and ``effective_classes``, the
    exponential of the entropy, 1 … K; sites without labels have NaN. ``chi2`` with ``dof`` degrees of freedom and
    ``p_value`` test whether the sites have one distribution; ``cramers_v`` in [0, 1] is its strength, corrected for
    the number of cells (Bergsma 2013)."""

    counts: Ints
    pooled: Floats
    total_variation: Floats
    jensen_shannon: Floats
    hellinger: Floats
    effective_classes: Floats
    chi2: float
    dof: int
    p_value: float
    cramers_v: float


@dataclass(frozen=True)
class Heterogeneity:
    """``sizes`` ``(P,)`` rows by site and their ``gini``; ``labels`` and ``smd`` are None where there is nothing.

    ``smd`` ``(P, d)`` are the standardised mean differences of every column between a site and all others: the
    difference of the means over the root of the mean of the variances (Cohen's d); 0.2 is small, 0.8 is large."""

    sizes: Ints
    gini: float
    labels: LabelSkew | None
    smd: Floats | None


def heterogeneity(
    site: ArrayLike, label: ArrayLike | None = None, features: ArrayLike | None = None
) -> Heterogeneity:
    """Measure how sites differ.

    Parameters
    ----------
    site : ``(n,)`` codes from 0.
    label : ``(n,)`` class codes, -1 = unknown, left out.
    features : ``(n, d)`` numbers, NaN = missing.

    Raises ``ArrayError`` where the lengths differ or sites or labels are not codes.

    >>> found = heterogeneity(np.repeat([0, 1], 50), np.repeat([0, 1, 0, 1], [50, 0, 25, 25]))
    >>> found.gini, found.labels.total_variation.tolist(), found.labels.effective_classes.round(2).tolist()
    (0.0, [0.25, 0.25], [1.0, 2.0])
    """
    where = np.asarray(site)
    if where.ndim != 1 or not len(where) or where.dtype.kind not in "iu" or where.min() < 0:
        raise ArrayError(f"site must be (n,) codes from 0, found {where.dtype} of shape {where.shape}")
    for name, values in (("label", label), ("features", features)):
        if values is not None and len(np.asarray(values)) != len(where):
            raise ArrayError(f"{name} has {len(np.asarray(values))} rows, site {len(where)}")
    if label is not None and (np.asarray(label).ndim != 1 or np.asarray(label).dtype.kind not in "iub"):
        found = np.asarray(label)
        raise ArrayError(
            f"label must be (n,) class codes, -1 = unknown, found {found.dtype} of shape {found.shape}; encode it first"
        )
    sizes = np.bincount(where)
    return Heterogeneity(
        sizes,
        gini(sizes),
        None if label is None else label_skew(where, np.asarray(label).astype(np.int64), len(sizes)),
        None if features is None else mean_differences(where, standardised(features), len(sizes)),
    )


def gini(sizes: ArrayLike) -> float:
    """The Gini coefficient of sizes ``(P,)``: 0 = all equal, 1 − 1/P = one has everything.

    >>> gini([1, 1, 1]), gini([0, 0, 4])
    (0.0, 0.6666666666666666)
    """
    x = np.sort(np.asarray(sizes, np.float64))
    p = len(x)
    return float((2 * np.arange(1, p + 1) - p - 1) @ x / max(p * x.sum(), 1e-300))


def label_skew(site: Ints, label: Ints, sites: int) -> LabelSkew:
    """See :class:`LabelSkew`; ``site`` and ``label`` are ``(n,)`` codes, -1 = unknown label."""
    known = label >= 0
    k = int(label.max(initial=-1)) + 1
    counts = np.zeros((sites, k), np.int64)
    np.add.at(counts, (site[known], label[known]), 1)
    n = counts.sum()
    pooled = counts.sum(0) / max(n, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = counts / counts.sum(1, keepdims=True)
    middle = (q + pooled) / 2
    divergence = _entropy(middle) - (_entropy(q) + _entropy(pooled)) / 2
    chi2, dof, p_value, v = association(counts)
    return LabelSkew(
        counts,
        pooled,
        np.abs(q - pooled).sum(1) / 2,
        np.sqrt(np.maximum(divergence, 0) / np.log(2)),
        np.sqrt(np.maximum(1 - np.sqrt(q * pooled).sum(1), 0)),
        np.exp(_entropy(q)),
        chi2,
        dof,
        p_value,
        v,
    )


def association(counts: Ints) -> tuple[float, int, float, float]:
    """Pearson's χ² of a table of counts ``(P, K)``, its degrees of freedom, its p-value, and the corrected Cramér's V.

    Rows and columns without counts are left out. V is √(φ̃² / min(k̃ − 1, r̃ − 1)) of Bergsma (2013), whose expectation
    is near 0 where rows and columns are independent, however many there are.

    >>> chi2, dof, p, v = association(np.array([[10, 20], [20, 10]]))
    >>> round(chi2, 4), dof, round(p, 4), round(v, 4)
    (6.6667, 1, 0.0098, 0.3095)
    """
    from scipy.stats import chi2 as law

    table = counts[counts.sum(1) > 0][:, counts.sum(0) > 0].astype(np.float64)
    r, k = table.shape
    n = table.sum()
    if r < 2 or k < 2:
        return 0.0, 0, 1.0, 0.0
    wanted = table.sum(1, keepdims=True) * table.sum(0) / n
    chi2 = float(((table - wanted) ** 2 / wanted).sum())
    dof = (r - 1) * (k - 1)
    phi = max(0.0, chi2 / n - dof / (n - 1))
    rows, columns = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    narrow = min(rows, columns) - 1
    v = np.sqrt(phi / narrow) if narrow > 0 else 0.0
    return chi2, dof, float(law.sf(chi2, dof)), float(min(v, 1.0))


def mean_differences(site: Ints, features: Floats, sites: int) -> Floats:
    """Standardised mean differences ``(P, d)`` of each site against all others; 0 where neither side has spread.

    >>> mean_differences(np.array([0, 0, 1, 1]), np.array([[0.0], [2.0], [4.0], [6.0]]), 2).tolist()
    [[-4.0], [4.0]]
    """
    found = np.zeros((sites, features.shape[1]))
    for j in range(sites):
        mine, rest = features[site == j], features[site != j]
        if len(mine) and len(rest):
            spread = np.sqrt((mine.var(0) + rest.var(0)) / 2)
            gap = mine.mean(0) - rest.mean(0)
            told = spread > 1e-12 * np.abs(features).max(0)
            found[j] = np.where(told, gap / np.where(told, spread, 1.0), 0.0)
    return found


def facts(found: Heterogeneity, sites: list[str], classes: list[str], columns: list[str]) -> dict[str, Any]:
    """The statistics by name, ready for JSON; ``columns`` are those of the features."""
    told: dict[str, Any] = {"sites": {}, "rows": int(found.sizes.sum()), "gini": round(found.gini, 6)}
    skew = found.labels
    for j, name in enumerate(sites):
        entry: dict[str, Any] = {"rows": int(found.sizes[j])}
        if skew is not None:
            entry["labels"] = dict(zip(classes, skew.counts[j].tolist(), strict=True))
            for key in ("total_variation", "jensen_shannon", "hellinger", "effective_classes"):
                value = float(getattr(skew, key)[j])
                entry[key] = round(value, 6) if np.isfinite(value) else None
        if found.smd is not None:
            entry["smd"] = dict(zip(columns, found.smd[j].round(4).tolist(), strict=True))
        told["sites"][name] = entry
    if skew is not None:
        told["labels"] = {
            "pooled": dict(zip(classes, skew.pooled.round(6).tolist(), strict=True)),
            "chi2": round(skew.chi2, 4),
            "dof": skew.dof,
            "p_value": skew.p_value,
            "cramers_v": round(skew.cramers_v, 6),
        }
    return told


def _entropy(p: Floats) -> Floats:
    """In nats, over the last axis; NaN stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(p == 0, 0.0, p * np.log(p)).sum(-1) + 0.0)
