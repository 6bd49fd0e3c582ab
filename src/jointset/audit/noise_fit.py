"""Fitting the noise model of one classification task, in three steps, from the given labels alone.

1. One temperature a view and a bias per class pool and calibrate the cross-fitted probabilities to the given labels
   (Guo et al. 2017; with several views a log-linear stack, Wolpert 1992).
2. A first T is counted on rows that the model is sure of (anchors, as in Hendrycks et al. 2018) and sharpened in turns
   with the deconvolution of step 1's probabilities (Richardson-Lucy, the EM of a known mixture).
3. T and the weights of ``log P(true | x) = c1 log deconvolved + c2 log calibrated + bias + messages`` are fitted
   together by maximum likelihood of the given labels, T shrunk towards the T of step 2: where a model saturates, "noisy
   labels" and "ambiguous rows" fit equally well, and only the anchors tell them apart. With two classes c1 = 0 unless
   the likelihood asks for more: the deconvolved feature is too sure of itself at its ends.

With more than two classes this is done for several shares of rows to anchor on, each on a sample of its own, and the
posteriors are averaged (:class:`jointset.audit.posterior.Mixture`), together with that of a model whose T has a single
rate, weighted by what :mod:`jointset.audit.noise_kind` reads off the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from jointset.audit.chunks import by_column, row_sum
from jointset.audit.minimise import ANY, minimise
from jointset.audit.noise_kind import one_rate_trust, sure_rows
from jointset.audit.posterior import FLOOR, Mixture, NoiseModel, deconvolve, log, softmax, weighted
from jointset.records import Floats, Ints

SHRINK = 20.0  # pseudo-labels per row of T; 5 % noise on 200 rows a class was overestimated with fewer
RIDGE = 0.01  # on the log-linear weights; with few distinct outputs a stronger one would settle T
COLLAPSED = 0.9  # of two classes: share of the anchors' noise that the plain link has to explain
LIKELIHOOD_RATIO = 1.0  # what Akaike's criterion asks of one more parameter
PRIOR = 100.0  # pseudo-labels per row that hold T to its anchors while it is fitted
# the surest rows are the purest, but with many classes the counts of T are thin and need more of them
SHARES, SHARES_TWO = (0.1, 0.3, 0.6), (0.1,)
ANCHOR_TURNS = 4
OWN = 0.5  # least share of a task's own weight that other tasks' messages leave it
SINGLE, TINY = np.float32, 1e-30  # of losses; their values are summed up in double precision


def fit_mixture(
    views: Sequence[Floats],
    given: Ints,
    samples: Sequence[Ints],
    extra: Sequence[Floats] = (),
    start: Mixture | None = None,
) -> Mixture:
    """Fit one noise model per anchor share, the i-th on the rows ``samples[i]``, and one with a single rate.

    ``views`` are ``(n, K)`` each, ``given`` ``(n,)`` labelled in the sampled rows, ``extra`` log-messages of other
    tasks ``(n, K)``; ``start`` is the mixture fitted without ``extra``.
    """
    k = views[0].shape[1]
    starts = start.members if start else (None,) * (len(samples) + 1)

    def fitted(part: tuple[Ints, NoiseModel | None, float]) -> NoiseModel:
        rows, first, share = part
        return fit_noise_model(
            [v[rows] for v in views], given[rows], [e[rows] for e in extra], first, share=share
        )

    with ThreadPoolExecutor(len(samples)) as pool:
        full = list(pool.map(fitted, zip(samples, starts, shares(k), strict=False)))
    if k == 2 or not all(m.informative for m in full):
        return Mixture(tuple(full), (1 / len(full),) * len(full))
    rows = samples[-1]
    here, messages = [v[rows] for v in views], [e[rows] for e in extra]
    one = fit_one_rate(full[-1], here, given[rows], messages, starts[-1])
    trust = start.weights[-1] if start else one_rate_trust(one, full, here, given[rows])
    return Mixture((*full, one), (*((1 - trust) / len(full),) * len(full), trust))


def fit_one_rate(
    base: NoiseModel,
    views: Sequence[Floats],
    given: Ints,
    extra: Sequence[Floats] = (),
    start: NoiseModel | None = None,
) -> NoiseModel:
    """The model with ``T = (1 - e) I + e / (K - 1)`` off the diagonal and the plain link, by maximum likelihood.

    ``start`` is the one that was fitted without ``extra``. Messages of a task that decides this one can explain its
    labels without its own predictions; as their weights are at most one, nothing would then be sure. So some of its
    own weight is left.
    """
    features = [log(base.p_given(views)).astype(SINGLE), *(by_column(e, SINGLE) for e in extra)]
    (n, k), m = features[0].shape, len(features)
    rows, ones = np.arange(n), np.ones(n, SINGLE)

    def loss(x: Floats) -> tuple[float, Floats]:
        c, rate, b = x[:m], x[m], x[m + 1 :]
        p = softmax(weighted(c, features, b))
        own = p[rows, given].astype(np.float64)
        seen = np.maximum(own * (1 - rate) + (1 - own) * rate / (k - 1), 1e-300)
        pull = own * (1 - rate - rate / (k - 1)) / seen
        slope = p
        slope *= pull[:, None].astype(SINGLE)
        slope[rows, given] -= pull.astype(SINGLE)
        gain = ((1 - own) / (k - 1) - own) / seen
        value = -np.log(seen).sum() + 0.5 * (b @ b + RIDGE * (c[0] - 1) ** 2)
        by_weight = np.array([np.vdot(slope.T, f.T) for f in features])
        by_weight[0] += RIDGE * (c[0] - 1)
        return value / n, np.concatenate([by_weight, [-gain.sum()], ones @ slope + b]) / n

    own, rate, bias = 1.0, 0.05, np.zeros(k)
    if start is not None:
        own, rate, bias = float(start.weights[1]), float(1 - start.transition[0, 0]), start.bias
    first = np.r_[own, np.tile([0.1, 0.9], m)[: m - 1], rate, bias]
    least = OWN * own if start is not None else 0.0
    limits = [(least, 20.0), *[(0.0, 1.0)] * (m - 1), (1e-6, 0.9), *[ANY] * k]
    x, _ = minimise(loss, first, limits, rounds=100)
    transition = uniform_noise(float(x[m]), k)
    return replace(base, transition=transition, weights=np.r_[0.0, x[:m]], bias=x[m + 1 :])


def shares(k: int) -> tuple[float, ...]:
    """Shares of the rows that T is anchored on, one a member of the mixture."""
    return SHARES_TWO if k == 2 else SHARES


def fit_noise_model(
    views: Sequence[Floats],
    given: Ints,
    extra: Sequence[Floats] = (),
    start: NoiseModel | None = None,
    *,
    share: float | None = None,
) -> NoiseModel:
    """Fit the noise model of one task to rows that carry a label.

    ``views`` are probabilities ``(n, K)``, ``given`` ``(n,)`` without missing labels, ``extra`` holds log-messages of
    other tasks ``(n, K)``, whose weights are kept in [0, 1]. ``start`` is a model fitted without ``extra``, ``share``
    the share of the rows assigned to a class that T is anchored on.
    """
    views = [by_column(v, np.float64) for v in views]
    extra = [by_column(e, np.float64) for e in extra]
    base = start or calibrate(views, given)
    if not base.informative:
        return _with_extra(base, len(extra))
    p_given = base.p_given(views)
    anchor = start.anchor if start else _anchor(views, p_given, given, share)
    order = np.argsort(given, kind="stable")
    features = [f.T.astype(SINGLE).take(order, axis=1).T for f in [*_features(p_given, anchor), *extra]]
    first = (start.transition if start else anchor, _with_extra(base, len(extra)).weights, base.bias)
    if start is not None:
        found = _maximise(features, given[order], anchor, *first, plain=not start.weights[0])
    else:
        found = _maximise(features, given[order], anchor, *first)
        if len(anchor) == 2:
            plain = _maximise(features, given[order], anchor, *first, plain=True)
            found = _choose_link(plain, found, features, given[order], anchor)
    transition, weights, bias = found
    return NoiseModel(transition, anchor, base.temperatures, base.given_bias, weights, bias, True)


Parameters = tuple[Floats, Floats, Floats]


def _choose_link(
    plain: Parameters, both: Parameters, features: list[Floats], given: Ints, anchor: Floats
) -> Parameters:
    """Of two classes, the plain link, unless Akaike's criterion asks for the deconvolved feature (the model saturates
    where labels are noisy) or the plain link explains away the noise of the surest rows."""

    def evidence(found: Parameters) -> float:
        transition, weights, bias = found
        p = softmax(logits(weights, bias, features))
        return float(np.log(np.maximum((p * transition.T[given]).sum(axis=1), 1e-300)).sum())

    def noise(transition: Floats) -> float:
        return float(1 - np.trace(transition) / len(transition))

    saturates = evidence(both) - evidence(plain) > LIKELIHOOD_RATIO
    return both if saturates or noise(plain[0]) < COLLAPSED * noise(anchor) else plain


def _features(p_given: Floats, anchor: Floats) -> list[Floats]:
    return [np.log(deconvolve(p_given, anchor) + FLOOR), log(p_given)]


def _with_extra(model: NoiseModel, n: int) -> NoiseModel:
    return replace(model, weights=np.concatenate([model.weights[:2], np.tile([0.1, 0.9], n)[:n]]))


def logits(weights: Floats, bias: Floats, features: Sequence[Floats]) -> Floats:
    """``sum_i weights_i features_i + bias``, ``(n, K)``."""
    z = weights[0] * features[0] + bias
    for w, f in zip(weights[1:], features[1:], strict=True):
        z += w * f
    return z


def calibrate(views: Sequence[Floats], given: Ints, *, biased: bool = True) -> NoiseModel:
    """A temperature a view, and a bias, by maximum likelihood of the given labels, with a unit ridge on the bias.

    A model that explains the labels no better than the class shares do, by three nats a parameter, is marked as not
    informative. Where labels are fewer than classes, ``biased`` should be false: temperatures alone are fitted.
    """
    logs = [log(by_column(v)).astype(SINGLE) for v in views]
    (n, k), v = logs[0].shape, len(logs)
    rows, ones = np.arange(n), np.ones(n, SINGLE)

    def loss(x: Floats) -> tuple[float, Floats]:
        p = softmax(weighted(x[:v], logs, x[v:]))
        own = np.maximum(p[rows, given], TINY, dtype=np.float64)
        value = float(-np.log(own).sum() + 0.5 * (x[v:] @ x[v:]))
        p[rows, given] -= 1
        slope = np.concatenate([[np.vdot(p.T, f.T) for f in logs], ones @ p + x[v:]])
        return value / max(n, 1), slope / max(n, 1)

    limits = [(0.0, 20.0)] * v + [ANY if biased else (0.0, 0.0)] * k
    x, found = minimise(loss, np.r_[np.full(v, 1 / v), np.zeros(k)], limits, rounds=60)
    share = (np.bincount(given, minlength=k) + 1) / (n + k)
    gain = -np.log(share[given]).sum() - found * n
    weights = np.array([1.0, 0.0])
    if gain > 3 * (k if biased else v):
        identity = np.eye(k)
        return NoiseModel(identity, identity, x[:v], x[v:], weights, np.zeros(k), True)
    # noise in proportion to the classes accuses no label without evidence, however rare its class
    flat = 0.95 * np.eye(k) + 0.05 * share
    return NoiseModel(flat, flat, np.zeros(v), np.log(share), weights, np.zeros(k), False)


def shrink(counts: Floats, strength: float = SHRINK) -> Floats:
    """Rows of T from counts, shrunk towards ``(1 - e) I + e / (K - 1)`` with e the overall rate.

    >>> shrink(np.array([[80.0, 20.0], [20.0, 80.0]])).round(2)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    counts = counts + strength * uniform_noise(noise_share(counts), len(counts))
    return counts / counts.sum(axis=1, keepdims=True)


def noise_share(counts: Floats) -> float:
    """Share of the counts off the diagonal, with one pseudo-count on it."""
    total = counts.sum() + 1.0
    return float((total - 1.0 - np.trace(counts)) / total)


def uniform_noise(rate: float, k: int) -> Floats:
    """``(1 - rate) I + rate / (K - 1)`` off the diagonal, ``(K, K)``."""
    return np.where(np.eye(k, dtype=bool), 1 - rate, rate / max(k - 1, 1))


def _count_top(p_true: Floats, given: Ints, share: float) -> Floats:
    """Given labels among the surest ``share`` of the rows assigned to every class, ties and all, ``(K, K)``."""
    k, label = p_true.shape[1], p_true.argmax(axis=1)
    sure = sure_rows(p_true, label, share)
    return np.bincount(k * label[sure] + given[sure], minlength=k * k).reshape(k, k).astype(np.float64)


def _anchor(views: Sequence[Floats], p_given: Floats, given: Ints, share: float | None) -> Floats:
    """First T: confident joint (Northcutt et al. 2021, eq. 1) of the mean of the views, then the surest ``share`` of
    the rows of the deconvolved ones."""
    probs, k = np.mean(views, axis=0), p_given.shape[1]
    share = share or shares(k)[0]
    seen = np.bincount(given, minlength=k)
    mean = np.array([probs[given == j, j].mean() if seen[j] else 2.0 for j in range(k)])
    over = np.where(probs >= mean, probs, -1.0)
    sure = over.max(axis=1) >= 0
    joint = np.zeros((k, k))
    np.add.at(joint, (over[sure].argmax(axis=1), given[sure]), 1)
    transition = shrink(joint)
    for _ in range(ANCHOR_TURNS):
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
    n, (k, m) = len(given), (len(transition), len(weights))
    bounds, ones = np.searchsorted(given, np.arange(k + 1)), np.ones(n, SINGLE)
    parts = [slice(*bounds[j : j + 2]) for j in range(k)]
    target, room = PRIOR * prior, np.empty_like(features[0])
    centre = np.r_[float(not plain), float(plain), np.tile([0.0, 1.0], m)[: m - 2]]

    def loss(x: Floats) -> tuple[float, Floats]:
        raw, b, c = x[: k * k].reshape(k, k), x[k * k : k * k + k], x[k * k + k :]
        noise = softmax(raw)
        p = softmax(weighted(c, features, b))
        q, here = room, noise.astype(SINGLE)
        for j, part in enumerate(parts):
            np.multiply(p[part], here[:, j], out=q[part])
        evidence = np.maximum(row_sum(q), TINY)
        q /= evidence
        counts = np.stack([ones[part] @ q[part] for part in parts], axis=1) + target
        value = -np.log(evidence, dtype=np.float64).sum() - (target * np.log(np.maximum(noise, 1e-300))).sum()
        value += 0.5 * (b @ b + RIDGE * (c - centre) @ (c - centre))
        p -= q
        slope = np.array([np.vdot(p.T, f.T) for f in features]) + RIDGE * (c - centre)
        g = [(noise * counts.sum(axis=1, keepdims=True) - counts).ravel(), ones @ p + b, slope]
        return value / n, np.concatenate(g) / n

    start = np.r_[np.log(np.clip(transition, 1e-4, None)).ravel(), bias, weights]
    start[k * k + k] *= not plain
    start[k * k + k + 1] = start[k * k + k + 1] or float(plain)
    first = (0.0, 0.0) if plain else ANY
    limits = [ANY] * (k * k + k) + [first, ANY] + [(0.0, 1.0)] * (m - 2)
    x, _ = minimise(loss, start, limits)
    return softmax(x[: k * k].reshape(k, k)), x[k * k + k :], x[k * k : k * k + k]
