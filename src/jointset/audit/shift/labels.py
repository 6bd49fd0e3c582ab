"""Label shift: the classes come in other shares, where the second side's labels are not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.findings import Checked, Findings, as_labels
from jointset.errors import ArrayError
from jointset.records import Floats

FEWEST, EACH = 20, 5  # rows, and rows a class, that either side needs


@dataclass(frozen=True, repr=False)
class LabelShift(Checked):
    """``source`` and ``target`` ``(K,)`` are the shares of the classes, ``weights`` ``(K,)`` their ratio, ``p_value``
    that of equal shares, ``condition`` the condition number of the confusion matrix (large: the shares are not
    reliable)."""

    source: Floats
    target: Floats
    weights: Floats
    p_value: float
    condition: float


def label_shift(
    labels: ArrayLike,
    source_probs: ArrayLike,
    target_probs: ArrayLike,
    *,
    level: float = 0.01,
    names: list[str] | None = None,
    subject: str = "",
    seed: int = 0,
) -> LabelShift:
    """Estimate the target's class shares from predictions alone, by black box shift estimation (Lipton et al. 2018).

    ``labels`` ``(n,)`` and held-out predictions ``source_probs`` ``(n, K)`` are of the source, ``target_probs`` ``(m,
    K)`` of the target. Solves C w = q, with C[i, j] the share of source rows predicted i and labelled j (soft
    predictions, Azizzadenesheli et al. 2019) and q the mean prediction on the target, under w ≥ 0 and Σ p w = 1. The
    test is that of the mean predictions of both sides (Hotelling 1931: T² with the pooled covariance, by F with K − 1
    and n + m − K degrees of freedom), of 20 rows, and five a class, or more on either side. Assumes that p(x | y) is
    the same on both sides. Code ``label_shift``, score 1 − total variation. Raises ``ArrayError``.

    >>> y = np.repeat([0, 1], [90, 10])
    >>> p = np.where(y[:, None] == np.arange(2), 0.9, 0.1)
    >>> label_shift(y, p, p[np.r_[0:50, 90:100, 90:100, 90:100, 90:100, 90:100]]).target.round(2)
    array([0.5, 0.5])
    """
    p, q = np.asarray(source_probs, np.float64), np.asarray(target_probs, np.float64)
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1] or np.shape(labels) != (len(p),):
        raise ArrayError(
            "expected labels (n,), source_probs (n, K), target_probs (m, K), found "
            f"{np.shape(labels)}, {p.shape}, {q.shape}"
        )
    k = p.shape[1]
    for name, probs in (("source_probs", p), ("target_probs", q)):
        if not np.isfinite(probs).all():
            raise ArrayError(f"{name}: probabilities hold NaN or infinite numbers; leave such rows out")
    if names is not None and len(names) != k:
        raise ArrayError(f"names: expected one for each of the {k} classes, found {len(names)}")
    y = as_labels(labels, len(p), "labels", k)
    y, p = y[y >= 0], p[y >= 0]
    share = np.bincount(y, minlength=k) / max(len(y), 1)
    if min(len(y), len(q)) < max(FEWEST, EACH * k) or (share > 0).sum() < 2:
        reason = f"{len(y)} labelled and {len(q)} other rows are too few for {k} classes"
        nan = np.full(k, np.nan)
        return LabelShift(
            "not applicable", reason, Findings.empty(), {}, share, nan, nan, float("nan"), float("nan")
        )
    confusion = np.stack([p[y == j].sum(axis=0) / len(y) for j in range(k)], axis=1)  # (predicted, labelled)
    weights = _solve(confusion, q.mean(axis=0), share)
    target = weights * share
    target /= max(target.sum(), 1e-12)
    p_value = _same_mean(p, q)
    present = share > 0
    condition = float(np.linalg.cond(confusion[:, present] / share[present]))
    moved = float(np.abs(target - share).sum() / 2)
    labelled = names or [str(i) for i in range(k)]
    facts = {
        "p_value": p_value,
        "total_variation": moved,
        "condition": condition,
        "target": dict(zip(labelled, target.round(4).tolist(), strict=True)) if k <= 50 else {},
    }
    if p_value >= level:
        reason = f"the shares of the classes seem the same (p = {p_value:.2g})"
        return LabelShift(
            "passed", reason, Findings.empty(), facts, share, target, weights, p_value, condition
        )
    most = int(np.argmax(np.abs(target - share)))
    told = f"{labelled[most]} {share[most]:.1%} → {target[most]:.1%}"
    reason = f"the shares of the classes differ (p = {p_value:.2g}): {told}"
    found = Findings.of("label_shift", subjects=[subject], scores=[1 - moved], evidence=[facts])
    return LabelShift("found", reason, found, facts, share, target, weights, p_value, condition)


def _solve(confusion: Floats, mean: Floats, share: Floats) -> Floats:
    """Weights w ≥ 0 with C w = q as nearly as can be; the row Σ p w = 1 weighs as much as all others together."""
    from scipy.optimize import nnls

    k = len(share)
    a = np.concatenate([confusion, np.sqrt(k) * share[None, :]])
    return np.asarray(nnls(a, np.append(mean, np.sqrt(k)))[0])


def _same_mean(p: Floats, q: Floats) -> float:
    """The p-value of Hotelling's T² of two samples; one draw of both has one covariance."""
    from scipy.stats import f

    n, m = len(p), len(q)
    difference = q.mean(axis=0) - p.mean(axis=0)
    pooled = ((n - 1) * np.cov(p.T) + (m - 1) * np.cov(q.T)) / (n + m - 2)
    covariance = pooled * (1 / n + 1 / m)
    inverse = np.linalg.pinv(covariance, rcond=1e-6, hermitian=True)
    rank = max(
        int(np.linalg.matrix_rank(covariance, tol=1e-6 * np.linalg.norm(covariance, 2), hermitian=True)), 1
    )
    squared = float(difference @ inverse @ difference)
    return float(f.sf(squared * (n + m - rank - 1) / (rank * (n + m - 2)), rank, n + m - rank - 1))
