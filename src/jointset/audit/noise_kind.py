"""Which kind of noise a task has: one that follows the true class, or one that follows what is hard to see.

A full T explains any given label, also those of rows that the model, or the people who labelled them, mix up for their
looks. So it is averaged with the model of a single rate, which accuses a label only where x speaks against it. Two
signs, both read off the given labels, say how much that one is to be believed:

- it explains as much noise as the full T does (:func:`even_share`);
- wrong labels of rows of one class go where x points within the class (:func:`input_share`). Noise that follows the
  class alone picks them without a look at x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.audit.chunks import row_sum
from jointset.audit.minimise import ANY, minimise
from jointset.audit.posterior import NoiseModel, log, softmax
from jointset.records import Bools, Floats, Ints

SURE = 0.2  # share of the rows assigned to a class that count as seen to be of it
LEAST = 0.1  # a smaller share is chance; heard, it would keep a certain label from being called so
BOUND = 1.64  # standard errors below the slope: what 95 of 100 samples would show
RIDGE, LOOSE = 1.0, 0.1  # on the slope, which few labels cannot show, and on the pattern, which comes first
TIED = 1e-15  # rows as sure as the last one are sure too, or their order would decide


def one_rate_trust(
    one: NoiseModel, full: Sequence[NoiseModel], views: Sequence[Floats], given: Ints
) -> float:
    """Weight in [0, 1] of the posterior of the model with one rate: that either sign speaks for it."""
    even, looks = even_share(one, full, views, given), input_share(full[-1].p_given(views), given)
    return 1 - (1 - even) * (1 - looks * (looks >= LEAST))


def even_share(one: NoiseModel, full: Sequence[NoiseModel], views: Sequence[Floats], given: Ints) -> float:
    """How far one rate explains more than half of the noise that a full T finds, less the share of what wrong labels
    say (log(K - 1) nats each, if their noise is even) that a full T foresees; in [0, 1].

    A full T explains the noise of one rate as well, but also takes what the model of x mixes up for noise. A single
    rate cannot, and where it finds as many errors, it is the better estimate; unless wrong labels follow a pattern.
    """
    errors, evidence = [], []
    for model in (one, *full):
        seen = model.p_true(views) * model.transition.T[given]
        total = row_sum(seen)[:, 0]
        evidence.append(float(np.log(np.maximum(total, 1e-300)).sum()))
        errors.append(float((1 - seen[np.arange(len(given)), given] / np.maximum(total, 1e-300)).sum()))
    found = max(float(np.mean(errors[1:])), 1e-9)
    pattern = (float(np.mean(evidence[1:])) - evidence[0]) / (found * np.log(len(one.bias) - 1))
    return float(np.clip(2 * errors[0] / found - 1, 0, 1) * np.clip(1 - pattern, 0, 1))


def input_share(p_given: Floats, given: Ints) -> float:
    """How far the wrong labels of sure rows follow x rather than the class, in [0, 1].

    Of the rows that calibrated ``p_given`` ``(n, K)`` is surest of, class t by class t, those with another label j are
    taken, and ``P(j | t, x) ~ exp(a log p_given[j] + R[t, j])`` is fitted to which one it is. With noise that depends
    on the class alone R explains it and a is near zero; where labels go wrong because rows look alike a is near one.
    The answer is the lower bound of a, times one less twice the share of what wrong labels say that R alone foresees (a
    pattern that foresees half of it is the noise), and times the variance of the logarithm within the class where that
    is below one: then x points nowhere in particular.

    >>> rng = np.random.default_rng(0)
    >>> p = rng.dirichlet(np.full(3, 0.3), 4000)
    >>> alike = np.array([rng.choice(3, p=row) for row in p])
    >>> even = (p.argmax(axis=1) + rng.choice(3, 4000, p=[0.8, 0.1, 0.1])) % 3
    >>> bool(input_share(p, alike) > 0.2 and input_share(p, even) < 0.05)
    True
    """
    k, label = p_given.shape[1], p_given.argmax(axis=1)
    rows = np.flatnonzero(sure_rows(p_given, label, SURE) & (given != label))
    if not len(rows) or k < 3:
        return 0.0
    true, wrong, logs = label[rows], given[rows], log(p_given[rows])
    slope, error, foreseen, spread = _which_label(true, wrong, logs)
    unforeseen = np.clip(1 - 2 * foreseen / np.log(k - 1), 0, 1)
    return float(np.clip(slope - BOUND * error, 0, 1) * unforeseen * min(spread, 1.0))


def sure_rows(p: Floats, label: Ints, share: float, least: int = 20) -> Bools:
    """The surest ``share`` of the rows assigned to every class, ``least`` at any rate, ties and all, ``(n,)``."""
    out, top = np.zeros(len(p), bool), p.max(axis=1)
    for t in range(p.shape[1]):
        rows = np.flatnonzero(label == t)
        keep = max(int(np.ceil(share * len(rows))), min(len(rows), least))
        if keep:
            bound = np.partition(top[rows], len(rows) - keep)[len(rows) - keep]
            out[rows[top[rows] >= bound - TIED]] = True
    return out


def _which_label(true: Ints, wrong: Ints, logs: Floats) -> tuple[float, float, float, float]:
    """The slope a, its standard error, the nats a label that R alone gains over even noise, and the variance of what x
    says within a class."""
    n, k = logs.shape
    rows, other = np.arange(n), np.ones((n, k), bool)
    other[rows, true] = False
    count = np.bincount(true, minlength=k)
    means = np.stack([np.bincount(true, column, minlength=k) for column in logs.T], axis=1)
    logs = (
        logs - (means / np.maximum(count, 1)[:, None])[true]
    )  # a class's own level is the pattern's to explain
    ridge = np.r_[RIDGE, np.full(k * k, LOOSE)]

    def loss(x: Floats, slope: bool) -> tuple[float, Floats]:
        pattern = x[1:].reshape(k, k)
        p = softmax(np.where(other, slope * x[0] * logs + pattern[true], -1e9))
        value = -np.log(np.maximum(p[rows, wrong], 1e-300)).sum() + 0.5 * float(ridge @ x**2)
        p[rows, wrong] -= 1
        by_cell = np.zeros((k, k))
        np.add.at(by_cell, true, p)
        return value / n, (np.r_[slope * np.vdot(p, logs), by_cell.ravel()] + ridge * x) / n

    def fitted(slope: bool) -> tuple[Floats, float]:
        return minimise(lambda x: loss(x, slope), np.zeros(1 + k * k), [ANY] * (1 + k * k), rounds=100)

    x, _ = fitted(True)
    p = softmax(np.where(other, x[0] * logs + x[1:].reshape(k, k)[true], -1e9))
    known = (p * logs**2).sum() - ((p * logs).sum(axis=1) ** 2).sum()  # Fisher's information on a, R given
    foreseen, spread = np.log(k - 1) - fitted(False)[1], float((logs[other] ** 2).mean())
    return float(x[0]), float(1 / np.sqrt(known + RIDGE)), max(foreseen, 0.0), spread
