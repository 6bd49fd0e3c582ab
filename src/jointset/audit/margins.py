"""Training margins as a witness: a label that the model resists while it trains on it is more likely wrong.

The area under the margin (Pleiss et al. 2020, eq. 1) is the mean over training of the given label's logit minus the
largest other one. It comes free with the cross-fit, from the models that *did* train on the row. As those models learnt
from the same labels as the one that was held out, the margin s repeats most of what the posterior says already. So it
is judged given the posterior: with u the log-odds of P(error), before,

``s = a_right + b u + noise`` for right labels and ``s = a_wrong + b u + noise`` for wrong ones,

each with a width of its own, which labels are which being hidden; EM with P(error) as the prior of every row fits it.
The answer is the posterior of that mixture. It is taken only if the likelihood prefers two kinds of labels to one by
the Bayesian information criterion, right labels are the ones with the larger margin, and P(error) tells the two kinds
better than a constant share does: otherwise margins differ for a reason of their own (long texts, easy sites), and a
mixture that follows it would accuse the wrong rows.
"""

from __future__ import annotations

import numpy as np

from jointset.records import Floats

ROUNDS = 50
PARAMETERS = 2  # more in the mixture than in one regression: an intercept and a width
MIN_LABELS = 100
NARROWEST = 0.1  # width, in standard deviations of all margins: a few labels could share one margin exactly
FIRST = (0.3, -0.3)  # where right and wrong labels start, in the same unit
EDGE = 1e-6


def heed_margins(p_error: Floats, margin: Floats) -> Floats:
    """P(error) ``(n,)`` after the training margins ``(n,)`` are heard; NaN in either leaves a label as it was.

    >>> rng = np.random.default_rng(0)
    >>> wrong = rng.random(2000) < 0.3
    >>> before = np.clip(rng.normal(np.where(wrong, 0.5, 0.2), 0.15), 0.01, 0.99)
    >>> after = heed_margins(before, rng.normal(np.where(wrong, -2.0, 2.0), 1.0))
    >>> bool(after[wrong].mean() > 0.9 and after[~wrong].mean() < 0.05)
    True
    """
    usable = np.isfinite(p_error) & np.isfinite(margin)
    s = margin[usable].astype(np.float64)
    if usable.sum() < MIN_LABELS or not s.std():
        return p_error
    s = (s - s.mean()) / s.std()
    prior = np.clip(p_error[usable], EDGE, 1 - EDGE)
    after, gain, apart = _mixture(s, prior)
    if not apart or 2 * gain <= PARAMETERS * np.log(len(s)) or gain <= _mixture(s, prior, free=True)[1]:
        return p_error
    out = p_error.copy()
    out[usable] = after
    return out


def _mixture(s: Floats, p_error: Floats, *, free: bool = False) -> tuple[Floats, float, bool]:
    """P(error), the gain in log-likelihood over one regression, and whether right labels have the larger margin.

    ``free`` fits two kinds of labels whose shares have nothing to do with ``p_error``.
    """
    u, one = np.log(p_error / (1 - p_error)), np.ones(len(s))
    alone = s - np.column_stack([one, u]) @ np.linalg.lstsq(np.column_stack([one, u]), s, rcond=None)[0]
    widths = [max(float(alone.std()), NARROWEST)] * 2
    baseline = float(_log_normal(alone, widths[0]).sum())
    slope = float(np.cov(u, s)[0, 1] / max(u.var(), EDGE))
    middle = s.mean() - slope * u.mean()
    right, wrong = middle + FIRST[0], middle + FIRST[1]
    prior = np.full(len(s), p_error.mean()) if free else p_error
    p, likelihood = prior, -np.inf
    for _ in range(ROUNDS):
        if_right = _log_normal(s - right - slope * u, widths[0]) + np.log1p(-prior)
        if_wrong = _log_normal(s - wrong - slope * u, widths[1]) + np.log(prior)
        both = np.logaddexp(if_right, if_wrong)
        p, likelihood = np.exp(if_wrong - both), float(both.sum())
        right, wrong, slope = _regression(s, u, p, widths)
        widths = [_width(s - right - slope * u, 1 - p), _width(s - wrong - slope * u, p)]
        if free:
            prior = np.full(len(s), np.clip(p.mean(), EDGE, 1 - EDGE))
    return p, likelihood - baseline, right > wrong


def _regression(s: Floats, u: Floats, p: Floats, widths: list[float]) -> tuple[float, float, float]:
    """Two intercepts and a common slope by weighted least squares."""
    weights = (1 - p) / widths[0] ** 2, p / widths[1] ** 2
    normal, target = np.zeros((3, 3)), np.zeros(3)
    for i, w in enumerate(weights):
        sums = w.sum(), (w * u).sum(), (w * s).sum()
        normal[i, i], normal[i, 2], normal[2, i] = sums[0], sums[1], sums[1]
        normal[2, 2] += (w * u * u).sum()
        target[i] = sums[2]
        target[2] += (w * u * s).sum()
    right, wrong, slope = np.linalg.solve(normal + EDGE * np.eye(3), target)
    return float(right), float(wrong), float(slope)


def _width(residual: Floats, weight: Floats) -> float:
    return max(float(np.sqrt((weight * residual**2).sum() / max(weight.sum(), EDGE))), NARROWEST)


def _log_normal(x: Floats, width: float) -> Floats:
    return -0.5 * (x / width) ** 2 - np.log(width)
