"""Scores of an audit against the truth, the same for ours and for the peer; and the raw scores it has to beat.

Arrays are ``(n,)``, or ``(n, K)`` entry by entry for multilabel tasks; only given labels count. Shares are in
[0, 1], ``None`` where nothing is counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Scores = dict[str, Any]


def average_precision(wrong: Array, quality: Array) -> float | None:
    """Of ``1 - quality`` against "the given label is wrong".

    >>> average_precision(np.array([True, False, True]), np.array([0.1, 0.2, 0.3])).round(4)
    np.float64(0.8333)
    """
    from sklearn.metrics import average_precision_score

    wrong = wrong.ravel()
    return average_precision_score(wrong, 1 - quality.ravel()) if wrong.any() else None


def f1(wrong: Array, flagged: Array) -> float | None:
    """Harmonic mean of precision and recall of the flags; ``None`` without a wrong label.

    >>> f1(np.array([True, True, False]), np.array([True, False, False])).round(4)
    np.float64(0.6667)
    """
    if not wrong.any():
        return None
    return 2 * (wrong & flagged).sum() / (wrong.sum() + flagged.sum())


def relabelled(given: Array, truth: Array, flagged: Array, suggested: Array) -> Scores:
    """What becomes of the labels when every flagged one is replaced by its suggestion.

    ``right_flagged``: of the flagged labels with another one suggested, the share whose suggestion is the truth;
    ``right_wrong``: of the wrong labels, the share that is right afterwards; ``noise_left``: the share of all labels
    wrong afterwards.
    """
    wrong, hit = given != truth, suggested == truth
    final = np.where(flagged, suggested, given)
    return {
        "right_flagged": share(hit[flagged & (suggested != given)]),
        "right_wrong": share((final == truth)[wrong]),
        "noise_left": share(final != truth),
    }


def promise(wrong: Array, flagged: Array, promised: float, p_error: Array) -> Scores:
    """The flags' promised precision and the mean P(error) beside the real precision."""
    return {
        "n": int(flagged.sum()),
        "promised": float(promised) if flagged.any() else None,
        "p_error": share(p_error[flagged]),
        "real": share(wrong[flagged]),
    }


def raw_scores(given: Array, probs: Array) -> dict[str, Array]:
    """Label quality straight from the probabilities of classes, by the peer's names for the three scores.

    The probability of the given label; the margin to the next; the normalised entropy over the first
    (Northcutt et al. 2021; Kuan and Mueller 2022).

    >>> {k: v.round(3).tolist() for k, v in raw_scores(np.array([0]), np.array([[0.5, 0.5]])).items()}
    {'self_confidence': [0.5], 'normalized_margin': [0.5], 'confidence_weighted_entropy': [0.387]}
    """
    p = np.asarray(probs, np.float64)
    rows = np.arange(len(given))
    own, others = p[rows, given], p.copy()
    others[rows, given] = -1
    safe = np.clip(p, 1e-6, None)
    entropy = -(p * np.log(safe)).sum(axis=1) / np.log(p.shape[1])
    ratio = entropy / np.maximum(own, 1e-6)
    # squeezed to (0, 1] in the same order: large = surely bad
    return {
        "self_confidence": own,
        "normalized_margin": (1 + own - others.max(axis=1)) / 2,
        "confidence_weighted_entropy": np.where(ratio > 0, np.log1p(ratio) / np.maximum(ratio, 1e-12), 1),
    }


def share(mask: Array) -> float | None:
    """The mean, ``None`` of nothing."""
    return float(np.mean(mask)) if np.size(mask) else None
