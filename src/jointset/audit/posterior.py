"""The noise posterior of one classification task: calibration, transition matrix, deconvolution.

The model is ``P(given j | x) = sum_t P(true t | x) T[t, j]`` with class-conditional noise (Natarajan et al.
2013; Patrini et al. 2017, the forward correction). It is fitted in three steps, from the given labels alone:

1. a temperature and a bias per class calibrate the cross-fitted probabilities to the given labels (Guo et al.
   2017);
2. a first T is counted on rows that the model is sure of (anchors, as in Hendrycks et al. 2018) and sharpened
   in turns with the deconvolution of step 1's probabilities (Richardson-Lucy, the EM of a known mixture);
3. T and the weights of ``log P(true | x) = c1 log deconvolved + c2 log calibrated + bias + messages`` are
   fitted together by maximum likelihood of the given labels, T shrunk towards the T of step 2: where a model
   saturates, "noisy labels" and "ambiguous rows" fit equally well, and only the anchors tell them apart. With two
   classes c1 = 0 unless the likelihood asks for more: the deconvolved feature is too sure of itself at its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jointset.records import Floats, Ints

SHRINK = 20.0  # pseudo-labels per row of T; 5 % noise on 200 rows a class was overestimated with fewer
RIDGE = 0.01  # on the log-linear weights; with few distinct outputs a stronger one would settle T
FLOOR = 1e-3  # deconvolved probabilities reach exact zero, their logarithm must not
STEPS = 20
COLLAPSED = 0.9  # of two classes: share of the anchors' noise that the plain link has to explain
LIKELIHOOD_RATIO = 1.0  # what Akaike's criterion asks of one more parameter
PRIOR = 100.0  # pseudo-labels per row that hold T to its anchors while it is fitted
# with many classes the counts of T are thin and need most rows; with two, the surest tenth is purer
TOP_SHARE, TOP_SHARE_TWO = 0.6, 0.1
CHUNK = 1 << 17


@dataclass(frozen=True)
class NoiseModel:
    """Fitted noise model of one task.

    ``transition`` is T ``(K, K)``, rows = true class; ``temperature`` (an inverse: it multiplies log p) and
    ``given_bias`` ``(K,)`` calibrate to the given labels; ``weights`` are c1, c2 and those of the extra
    features; ``bias`` is ``(K,)``; ``anchor`` is the T that deconvolves the calibrated probabilities.
    """

    transition: Floats
    anchor: Floats
    temperature: float
    given_bias: Floats
    weights: Floats
    bias: Floats
    informative: bool

    def p_given(self, probs: Floats) -> Floats:
        """Calibrated P(given | x), ``(n, K)``."""
        return _softmax(self.temperature * _log(probs) + self.given_bias)

    def p_true(self, probs: Floats, extra: Sequence[Floats] = ()) -> Floats:
        """P(true | x) and, with ``extra`` log-messages ``(n, K)``, the other tasks' evidence, ``(n, K)``."""
        out = np.empty(probs.shape)
        for start in range(0, len(probs), CHUNK):
            rows = slice(start, start + CHUNK)
            features = self._features(self.p_given(probs[rows])) + [e[rows] for e in extra]
            out[rows] = _softmax(_logits(self.weights[: len(features)], self.bias, features))
        return out

    def posterior(self, p_true: Floats, given: Ints) -> Floats:
        """P(true | x, given), ``(n, K)``; rows without a given label keep P(true | x)."""
        return observe(p_true, self.transition, given)

    def _features(self, p_given: Floats) -> list[Floats]:
        return _features(p_given, self.anchor)


def observe(p_true: Floats, transition: Floats, given: Ints) -> Floats:
    """Multiply P(true | x) by T[true, given] where a label was given, and normalise.

    >>> observe(np.array([[.5, .5], [.5, .5]]), np.array([[.9, .1], [.2, .8]]), np.array([0, -1])).round(3)
    array([[0.818, 0.182],
           [0.5  , 0.5  ]])
    """
    out = p_true.copy()
    known = given >= 0
    out[known] *= transition.T[given[known]]
    return out / np.maximum(out.sum(axis=1, keepdims=True), 1e-300)


def deconvolve(p_given: Floats, transition: Floats, steps: int = STEPS) -> Floats:
    """Solve ``p_given = p_true @ T`` for distributions ``p_true`` by EM from the uniform one, ``(n, K)``.

    Stopping after some steps regularises (Richardson 1972). With T the identity nothing changes.

    >>> T = np.array([[.8, .2], [.1, .9]])
    >>> deconvolve(np.array([[.8, .2]]), T, 200).round(2)
    array([[1., 0.]])
    """
    p = np.full(p_given.shape, 1 / p_given.shape[1])
    for _ in range(steps):
        p *= (p_given / np.maximum(p @ transition, 1e-12)) @ transition.T
    return p / np.maximum(p.sum(axis=1, keepdims=True), 1e-300)


def fit_noise_model(
    probs: Floats, given: Ints, extra: Sequence[Floats] = (), start: NoiseModel | None = None
) -> NoiseModel:
    """Fit the noise model of one task to rows that carry a label.

    ``probs`` is ``(n, K)``, ``given`` ``(n,)`` without missing labels, ``extra`` holds log-messages of other
    tasks ``(n, K)``, whose weights are kept in [0, 1]. ``start`` is a model fitted without ``extra``.
    """
    base = start or _calibrate(probs, given)
    if not base.informative:
        return _with_extra(base, len(extra))
    p_given = base.p_given(probs)
    anchor = start.anchor if start else _anchor(probs, p_given, given)
    order = np.argsort(given, kind="stable")
    features = [f[order] for f in [*_features(p_given, anchor), *extra]]
    first = (start.transition if start else anchor, _with_extra(base, len(extra)).weights, base.bias)
    if start is not None:
        found = _maximise(features, given[order], anchor, *first, plain=not start.weights[0])
    else:
        found = _maximise(features, given[order], anchor, *first)
        if len(anchor) == 2:
            plain = _maximise(features, given[order], anchor, *first, plain=True)
            found = _choose_link(plain, found, features, given[order], anchor)
    transition, weights, bias = found
    return NoiseModel(transition, anchor, base.temperature, base.given_bias, weights, bias, True)


Parameters = tuple[Floats, Floats, Floats]


def _choose_link(
    plain: Parameters, both: Parameters, features: list[Floats], given: Ints, anchor: Floats
) -> Parameters:
    """Of two classes, the plain link, unless Akaike's criterion asks for the deconvolved feature (the model saturates
    where labels are noisy) or the plain link explains away the noise of the surest rows."""

    def evidence(found: Parameters) -> float:
        transition, weights, bias = found
        p = _softmax(_logits(weights, bias, features))
        return float(np.log(np.maximum((p * transition.T[given]).sum(axis=1), 1e-300)).sum())

    def noise(transition: Floats) -> float:
        return float(1 - np.trace(transition) / len(transition))

    saturates = evidence(both) - evidence(plain) > LIKELIHOOD_RATIO
    return both if saturates or noise(plain[0]) < COLLAPSED * noise(anchor) else plain


def _features(p_given: Floats, anchor: Floats) -> list[Floats]:
    return [np.log(deconvolve(p_given, anchor) + FLOOR), _log(p_given)]


def _with_extra(model: NoiseModel, n: int) -> NoiseModel:
    weights = np.concatenate([model.weights[:2], np.tile([0.1, 0.9], n)[:n]])
    return NoiseModel(
        model.transition,
        model.anchor,
        model.temperature,
        model.given_bias,
        weights,
        model.bias,
        model.informative,
    )


def _log(probs: Floats) -> Floats:
    return np.log(np.clip(probs, 1e-6, None))


def _softmax(z: Floats) -> Floats:
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def _logits(weights: Floats, bias: Floats, features: Sequence[Floats]) -> Floats:
    z = weights[0] * features[0] + bias
    for w, f in zip(weights[1:], features[1:], strict=True):
        z += w * f
    return z


def _calibrate(probs: Floats, given: Ints) -> NoiseModel:
    """Temperature and bias by maximum likelihood of the given labels, with a unit ridge on the bias."""
    from scipy.optimize import minimize

    logs = _log(probs)
    n, k = logs.shape
    rows = np.arange(n)

    def loss(x: Floats) -> tuple[float, Floats]:
        p = _softmax(x[0] * logs + x[1:])
        value = -np.log(np.maximum(p[rows, given], 1e-300)).sum() + 0.5 * (x[1:] @ x[1:])
        p[rows, given] -= 1
        return value / max(n, 1), np.concatenate([[(p * logs).sum()], p.sum(axis=0) + x[1:]]) / max(n, 1)

    found = minimize(
        loss,
        np.r_[1.0, np.zeros(k)],
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 20.0)] + [(None, None)] * k,
        options={"maxiter": 60},
    )
    share = (np.bincount(given, minlength=k) + 1) / (n + k)
    gain = -np.log(share[given]).sum() - found.fun * n
    informative = bool(gain > 3 * k)
    weights = np.array([1.0, 0.0])
    rate = 0.05
    flat = (1 - rate) * np.eye(k) + rate * share
    if informative:
        return NoiseModel(np.eye(k), np.eye(k), float(found.x[0]), found.x[1:], weights, np.zeros(k), True)
    # noise in proportion to the classes accuses no label without evidence, however rare its class
    return NoiseModel(flat, flat, 0.0, np.log(share), weights, np.zeros(k), False)


def shrink(counts: Floats, strength: float = SHRINK) -> Floats:
    """Rows of T from counts, shrunk towards ``(1 - e) I + e / (K - 1)`` with e the overall rate.

    >>> shrink(np.array([[80.0, 20.0], [20.0, 80.0]])).round(2)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    total = counts.sum() + 1.0
    counts = counts + strength * uniform_noise((total - 1.0 - np.trace(counts)) / total, len(counts))
    return counts / counts.sum(axis=1, keepdims=True)


def uniform_noise(rate: float, k: int) -> Floats:
    """``(1 - rate) I + rate / (K - 1)`` off the diagonal, ``(K, K)``."""
    return np.where(np.eye(k, dtype=bool), 1 - rate, rate / max(k - 1, 1))


def _count_top(p_true: Floats, given: Ints, share: float) -> Floats:
    """Given labels among the surest ``share`` of the rows assigned to every class, ``(K, K)``."""
    k = p_true.shape[1]
    label, top = p_true.argmax(axis=1), p_true.max(axis=1)
    counts = np.zeros((k, k))
    for t in range(k):
        rows = np.flatnonzero(label == t)
        keep = max(int(np.ceil(share * len(rows))), min(len(rows), 20))
        rows = rows[np.argsort(-top[rows], kind="stable")[:keep]]
        counts[t] = np.bincount(given[rows], minlength=k)
    return counts


def _anchor(probs: Floats, p_given: Floats, given: Ints) -> Floats:
    """First T: confident joint (Northcutt et al. 2021, eq. 1), then top rows of the deconvolved ones."""
    k = probs.shape[1]
    seen = np.bincount(given, minlength=k)
    mean = np.array([probs[given == j, j].mean() if seen[j] else 2.0 for j in range(k)])
    over = np.where(probs >= mean, probs, -1.0)
    sure = over.max(axis=1) >= 0
    joint = np.zeros((k, k))
    np.add.at(joint, (over[sure].argmax(axis=1), given[sure]), 1)
    transition = shrink(joint)
    share = TOP_SHARE_TWO if k == 2 else TOP_SHARE
    for _ in range(4):
        transition = shrink(_count_top(deconvolve(p_given, transition), given, share))
    return transition


def _maximise(
    features: list[Floats],
    given: Ints,
    prior: Floats,
    transition: Floats,
    weights: Floats,
    bias: Floats,
    *,
    plain: bool = False,
) -> Parameters:
    """Maximum a posteriori of T (Dirichlet around ``prior``), weights and bias; rows sorted by label.

    ``plain`` leaves the deconvolved feature out (c1 = 0).
    """
    from scipy.optimize import minimize

    n, (k, m) = len(given), (len(transition), len(weights))
    bounds = np.searchsorted(given, np.arange(k + 1))
    target = PRIOR * prior
    centre = np.r_[float(not plain), float(plain), np.tile([0.0, 1.0], m)[: m - 2]]

    def loss(x: Floats) -> tuple[float, Floats]:
        raw, b, c = x[: k * k].reshape(k, k), x[k * k : k * k + k], x[k * k + k :]
        noise = _softmax(raw)
        p = _softmax(_logits(c, b, features))
        q = p * noise.T[given]
        evidence = np.maximum(q.sum(axis=1), 1e-300)
        q /= evidence[:, None]
        counts = np.stack([q[bounds[j] : bounds[j + 1]].sum(axis=0) for j in range(k)], axis=1) + target
        value = -np.log(evidence).sum() - (target * np.log(np.maximum(noise, 1e-300))).sum()
        value += 0.5 * (b @ b + RIDGE * (c - centre) @ (c - centre))
        p -= q
        slope = np.array([np.vdot(p, f) for f in features]) + RIDGE * (c - centre)
        g = [(noise * counts.sum(axis=1, keepdims=True) - counts).ravel(), p.sum(axis=0) + b, slope]
        return value / n, np.concatenate(g) / n

    start = np.r_[np.log(np.clip(transition, 1e-4, None)).ravel(), bias, weights]
    start[k * k + k] *= not plain
    start[k * k + k + 1] = start[k * k + k + 1] or float(plain)
    first = (0.0, 0.0) if plain else (None, None)
    limits = [(None, None)] * (k * k + k) + [first, (None, None)] + [(0.0, 1.0)] * (m - 2)
    x = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 200}).x
    return _softmax(x[: k * k].reshape(k, k)), x[k * k + k :], x[k * k : k * k + k]
