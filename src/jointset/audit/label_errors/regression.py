"""Label errors of numeric tasks: residuals are a mixture of narrow noise and broad mistakes.

A right label scatters around the cross-fitted prediction as a Student t (heavier tails than a normal one
accuse fewer good labels) whose width may change with the prediction; a wrong one as a normal one of the
spread of all labels. Share and widths are fitted by EM; the posterior of the broad part is P(error) (Banfield
and Raftery 1993, model-based outliers).
"""

from __future__ import annotations

import numpy as np

from jointset.audit.base import TaskArrays, TaskAudit, choose
from jointset.records import Bools, Floats

MIN_ROWS = 20
FREEDOM = (3.0, 6.0, 30.0)  # tails of the noise, the most likely is taken
ROUNDS = 40


def assess(task: TaskArrays, precision: float | None, fit_rows: Bools) -> TaskAudit:
    """Judge numeric labels by their residual; the suggestion is the shifted prediction."""
    given, known = task.labels, np.isfinite(task.labels)
    rows = known & fit_rows
    n = len(given)
    p_error, share, fit_quality, shift = np.full(n, np.nan), 0.0, 0.0, 0.0
    notes: tuple[str, ...] = ()
    if rows.sum() < MIN_ROWS:
        notes = (f"{int(rows.sum())} labels are too few to judge residuals by ({MIN_ROWS} are needed)",)
        p_error[known] = 0.0
    else:
        p_error[known], share, fit_quality, shift = _mixture(given[known], task.probs[known], rows[known])
    flagged, promised = choose(p_error, 1 - p_error, known & (p_error > 0.5), precision)
    suggested = np.where(flagged | ~known, task.probs + shift, given)
    confidence = np.where(flagged, p_error, np.where(known, 1 - p_error, fit_quality))
    return TaskAudit(
        task.name,
        "regression",
        given,
        flagged,
        1 - p_error,
        suggested,
        confidence,
        p_error,
        np.empty((n, 0)),
        np.empty((0, 0)),
        float(share),
        promised,
        notes,
    )


def local_scale(residual: Floats, pred: Floats, bins: int = 10) -> Floats:
    """Robust width of the residuals as a function of the prediction: median deviation in bins, interpolated.

    >>> local_scale(np.array([1.0, -1.0, 1.0, -1.0]), np.zeros(4)).round(2)
    array([1.48, 1.48, 1.48, 1.48])
    """
    overall = 1.4826 * float(np.median(np.abs(residual)))
    if len(residual) < 50 * bins or not np.ptp(pred):
        return np.full(len(pred), overall)
    edges = np.quantile(pred, np.linspace(0, 1, bins + 1))
    place = np.clip(np.searchsorted(edges, pred, side="right") - 1, 0, bins - 1)
    inside = [np.abs(residual[place == b]) for b in range(bins)]
    width = np.array([1.4826 * np.median(r) if len(r) else overall for r in inside])
    width = np.maximum(0.8 * width + 0.2 * overall, 0.1 * overall)
    return np.interp(pred, (edges[1:] + edges[:-1]) / 2, width)


def _mixture(given: Floats, pred: Floats, rows: Bools) -> tuple[Floats, float, float, float]:
    """P(error) of every label, their share, the variance explained by the predictions, and their shift."""
    shift = float(np.median(given[rows] - pred[rows]))
    residual = given - pred - shift
    spread = max(float(given[rows].std()), 1e-12)
    unit = np.maximum(local_scale(residual, pred), 1e-9 * spread)
    fits = [_fit(residual, unit, spread, rows, freedom) for freedom in FREEDOM]
    p, width, _ = max(fits, key=lambda fit: fit[2])
    # a label nearer to its prediction than the noise is wide is no error, whatever the mixture says
    p[np.abs(residual / unit) < width] = 0.0
    inside = 1 - p[rows]
    centre = np.average(given[rows], weights=inside + 1e-12)
    explained = 1 - (inside * residual[rows] ** 2).sum() / max(
        (inside * (given[rows] - centre) ** 2).sum(), 1e-12
    )
    return p, float(p[rows].mean()), float(np.clip(explained, 0, 1)), shift


def _fit(
    residual: Floats, unit: Floats, spread: float, rows: Bools, freedom: float
) -> tuple[Floats, float, float]:
    """EM for one tail weight: P(error), the width of the noise in units, and the log-likelihood."""
    from scipy.stats import norm, t

    z, broad = residual / unit, norm.logpdf(residual, 0, np.hypot(spread, unit))
    share, width, likelihood = 0.05, 1.0, -np.inf
    p = np.zeros(len(z))
    for _ in range(ROUNDS):
        good = t.logpdf(z, freedom, scale=width) - np.log(unit) + np.log1p(-share)
        both = np.logaddexp(good, broad + np.log(share))
        p = np.exp(broad + np.log(share) - both)
        share = float((p[rows].sum() + 0.5) / (rows.sum() + 20))
        weight = (1 - p[rows]) * (freedom + 1) / (freedom + (z[rows] / width) ** 2)
        width = float(np.sqrt(max((weight * z[rows] ** 2).sum() / max((1 - p[rows]).sum(), 1e-9), 1e-6)))
        likelihood = float(both[rows].sum())
    return p, width, likelihood
