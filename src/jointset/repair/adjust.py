"""Logit adjustment after training: name a class by what its inputs say, not by how common it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from jointset.errors import ArrayError
from jointset.records import Floats

TAUS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def adjust_logits(probs: ArrayLike, prior: ArrayLike, *, tau: float = 1.0) -> Floats:
    """Decisions' scores ``(n, K)`` out of P(y | x) and the class shares of the training rows: p / prior^τ (Menon et al.
    2021, eq. 9). For classes they sum to one; for label sets (rows that do not) each label's odds are divided by its
    prior odds to the power τ. Raises ``ArrayError``.

    >>> adjust_logits([[0.8, 0.2]], [0.9, 0.1]).round(3).tolist()
    [[0.308, 0.692]]
    """
    p, share = np.asarray(probs, np.float64), np.asarray(prior, np.float64)
    if p.ndim != 2 or share.shape != (p.shape[1],) or (share < 0).any():
        raise ArrayError(
            f"expected probs (n, K) and a prior (K,) of shares, found {p.shape} and {share.shape}"
        )
    share = np.clip(share, 1e-6, 1 - 1e-6)
    if len(p) and np.allclose(p.sum(axis=1), 1, atol=1e-3):
        scores = p / share**tau
        return scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    odds = p / (1 - p) / (share / (1 - share)) ** tau
    return odds / (1 + odds)


def choose_tau(
    probs: ArrayLike, prior: ArrayLike, labels: ArrayLike, *, taus: Sequence[float] = TAUS
) -> tuple[float, Floats]:
    """The τ with the best macro F1 on held-out rows, and the scores of all; ties go to the smaller τ.

    ``labels`` are codes ``(n,)`` or ``(n, K)`` of 0 and 1 with -1 where missing. Use rows that no other choice is
    judged on. Raises ``ArrayError``.

    >>> p = np.array([[0.8, 0.2], [0.95, 0.05], [0.7, 0.3]])
    >>> choose_tau(p, [0.9, 0.1], [1, 0, 1])[0]
    0.75
    """
    y = np.asarray(labels)
    p = np.asarray(probs, np.float64)
    if not len(taus) or len(y) != len(p):
        raise ArrayError(
            f"labels and probs must have the same rows and taus at least one value, found {len(y)}, {len(p)}"
        )
    scores = np.array([macro_f1(y, adjust_logits(p, prior, tau=t)) for t in taus])
    best = np.flatnonzero(scores >= np.nanmax(scores) - 1e-12)
    return float(min(np.asarray(taus)[best])), scores


def choose_thresholds(probs: ArrayLike, labels: ArrayLike, *, shrink: float = 10.0) -> Floats:
    """Per label the threshold ``(K,)`` of the best F1 on held-out rows, shrunk to that of all labels pooled.

    For label sets (Lipton, Elkan and Naryanaswamy 2014); the F1 of a label with few positive rows is noisy, so its
    threshold is (n⁺ own + ``shrink`` common) / (n⁺ + ``shrink``), in log odds. ``labels`` ``(n, K)`` are 0, 1 and -1
    where missing. Raises ``ArrayError``.

    >>> choose_thresholds([[0.1], [0.2], [0.3]] * 10, [[0], [1], [1]] * 10).round(2).tolist()
    [0.15]
    """
    p, y = np.asarray(probs, np.float64), np.asarray(labels)
    if p.ndim != 2 or y.shape != p.shape or shrink < 0:
        raise ArrayError(
            f"expected probs and labels (n, K) and shrink of at least 0, found {p.shape}, {y.shape}, {shrink}"
        )
    known = y >= 0
    common = _logit(_best_threshold(p[known], y[known]))
    out = np.empty(p.shape[1])
    for k in range(p.shape[1]):
        mine = known[:, k]
        positive = int((y[mine, k] == 1).sum())
        own = _logit(_best_threshold(p[mine, k], y[mine, k])) if positive else common
        out[k] = 1 / (1 + np.exp(-(positive * own + shrink * common) / max(positive + shrink, 1e-9)))
    return out


def _best_threshold(p: Floats, y: Floats) -> float:
    """Half-way between the two values that the best F1 cuts between."""
    order = np.argsort(-p, kind="stable")
    found, total = np.cumsum(y[order] == 1), int((y == 1).sum())
    if not total:
        return 0.5
    f1 = 2 * found / (np.arange(1, len(p) + 1) + total)
    last = int(np.argmax(f1))
    below = p[order[last + 1]] if last + 1 < len(p) else 0.0
    return float((p[order[last]] + below) / 2)


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))


def macro_f1(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean F1 over the classes that are given or named; label sets are cut at one half.

    >>> macro_f1([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    1.0
    """
    y, s = np.asarray(labels), np.asarray(scores)
    if y.ndim == 1:
        known = y >= 0
        given = y[known][:, None] == np.arange(s.shape[1])
        named = s[known].argmax(axis=1)[:, None] == np.arange(s.shape[1])
    else:
        given, named = y == 1, (s >= 0.5) & (y >= 0)
    both, either = (given & named).sum(axis=0), given.sum(axis=0) + named.sum(axis=0)
    return float(np.mean(2 * both[either > 0] / either[either > 0])) if (either > 0).any() else float("nan")
