"""The noise posterior of one classification task: what a fitted noise model says about every label.

The model is ``P(given j | x) = sum_t P(true t | x) T[t, j]`` with class-conditional noise (Natarajan et al.
2013; Patrini et al. 2017, the forward correction). :mod:`jointset.audit.noise_fit` fits it to the given labels alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.chunks import by_column, row_max, row_sum
from jointset.records import Floats, Ints

FLOOR = 1e-3  # deconvolved probabilities reach exact zero, their logarithm must not
LEAST = 1e-6  # of a probability whose logarithm is taken
STEPS = 14


@dataclass(frozen=True)
class NoiseModel:
    """Fitted noise model of one task.

    ``transition`` is T ``(K, K)``, rows = true class; ``temperatures`` ``(V,)`` (inverse: they multiply log p of the
    views) and ``given_bias`` ``(K,)`` calibrate to the given labels; ``weights`` are c1, c2 and those of the extra
    features; ``bias`` is ``(K,)``; ``anchor`` is the T that deconvolves the calibrated probabilities.
    """

    transition: Floats
    anchor: Floats
    temperatures: Floats
    given_bias: Floats
    weights: Floats
    bias: Floats
    informative: bool

    def p_given(self, views: Sequence[Floats]) -> Floats:
        """Calibrated P(given | x), ``(n, K)``, pooled from the views ``(n, K)``."""
        return self.pooled([log(by_column(v)) for v in views])[0]

    def pooled(self, logs: Sequence[Floats]) -> tuple[Floats, Floats]:
        """``p_given`` and its logarithm from those of the views, ``(n, K)`` each and of their type."""
        return normalised(weighted(self.temperatures, logs, self.given_bias))

    def p_true(self, views: Sequence[Floats], extra: Sequence[Floats] = ()) -> Floats:
        """P(true | x) and, with ``extra`` log-messages ``(n, K)``, the other tasks' evidence, ``(n, K)``."""
        return self.p_true_of([log(by_column(v)) for v in views], extra)

    def p_true_of(self, logs: Sequence[Floats], extra: Sequence[Floats] = ()) -> Floats:
        """The same from the logarithms of the views, which members of a mixture share."""
        found = [*self.features(*self.pooled(logs)), *extra]
        return softmax(weighted(self.weights, found, self.bias))

    def features(self, p_given: Floats, log_given: Floats) -> list[Floats]:
        """What P(true | x) is made of beside other tasks' evidence; the costly first one only where it counts."""
        if not self.weights[0]:
            return [log_given, log_given]
        p = deconvolve(p_given, self.anchor.astype(p_given.dtype))
        p += p.dtype.type(FLOOR)
        return [np.log(p, out=p), log_given]

    def posterior(self, p_true: Floats, given: Ints) -> Floats:
        """P(true | x, given), ``(n, K)``; rows without a given label keep P(true | x)."""
        return observe(p_true, self.transition, given)


@dataclass(frozen=True)
class Mixture:
    """Noise models that differ in what T was anchored on, or in its form; their posteriors are averaged by ``weights``.

    Which rows a model is sure enough of to count T on cannot be told from the given labels, and T decides the rest.
    Averaging the posteriors rather than T keeps a label doubtful as long as one of the models doubts it.
    """

    members: tuple[NoiseModel, ...]
    weights: tuple[float, ...]

    @property
    def transition(self) -> Floats:
        """Mean T, ``(K, K)``."""
        return np.average([m.transition for m in self.members], axis=0, weights=self.weights)

    @property
    def informative(self) -> bool:
        """Whether the predictions say more about the given labels than the class shares do."""
        return all(m.informative for m in self.members)

    def score(
        self, views: Sequence[NDArray[Any]], given: Ints, extra: Sequence[Floats] = ()
    ) -> tuple[Floats, Floats, Floats]:
        """P(true | x, extra) and P(true | x, extra, given), ``(n, K)`` float32, and the expected number of errors: that
        of the mixture, then that of every member with a weight."""
        logs = [log(by_column(v, np.float32)) for v in views]
        p_true = np.zeros_like(logs[0])
        posterior, errors, used = np.zeros_like(p_true), [], [w for w in self.weights if w]
        known = np.flatnonzero(given >= 0)
        for member, weight in zip(self.members, self.weights, strict=True):
            if not weight:
                continue
            here = member.p_true_of(logs, extra)
            after = observe(here, member.transition.astype(np.float32), given)
            errors.append(len(known) - after[known, given[known]].sum(dtype=np.float64))
            p_true += np.float32(weight) * here
            posterior += np.float32(weight) * after
        return p_true, posterior, np.array([float(np.dot(errors, used)), *errors])


def observe(p_true: Floats, transition: Floats, given: Ints) -> Floats:
    """Multiply P(true | x) by T[true, given] where a label was given, and normalise.

    >>> observe(np.array([[.5, .5], [.5, .5]]), np.array([[.9, .1], [.2, .8]]), np.array([0, -1])).round(3)
    array([[0.818, 0.182],
           [0.5  , 0.5  ]])
    """
    columns = np.concatenate([transition, np.ones((len(transition), 1), transition.dtype)], axis=1)
    out: Floats = columns.take(given, axis=1).T  # of the last one where no label was given
    out *= p_true
    out /= np.maximum(row_sum(out), np.finfo(out.dtype).tiny)
    return out


def deconvolve(p_given: Floats, transition: Floats, steps: int = STEPS) -> Floats:
    """Solve ``p_given = p_true @ T`` for distributions ``p_true`` by EM from the uniform one, ``(n, K)``.

    All steps but the last are taken twice as far, which about halves their number; the last, a plain one, damps what
    they overshoot. Stopping early regularises (Richardson 1972). With T the identity nothing changes.

    >>> T = np.array([[.8, .2], [.1, .9]])
    >>> deconvolve(np.array([[.8, .2]]), T, 100).round(2)
    array([[1., 0.]])
    >>> deconvolve(np.array([[.7, .3]]), np.eye(2)).round(2)
    array([[0.7, 0.3]])
    """
    transition = np.maximum(transition, 1e-12)  # so that every label is seen at times
    p = np.full_like(p_given, 1 / p_given.shape[1])
    seen, ratio = np.empty_like(p), np.empty_like(p)
    for step in range(steps):
        np.matmul(p, transition, out=seen)
        np.divide(p_given, seen, out=seen)
        np.matmul(seen, transition.T, out=ratio)
        p *= ratio
        if step < steps - 1:
            p *= ratio  # the sum of a row turns to its inverse, and the last step brings it to one
    return p


def log(probs: Floats) -> Floats:
    """Logarithm of probabilities, clipped at a millionth."""
    return np.log(np.clip(probs, LEAST, np.inf))  # with both bounds it is twice as fast


def weighted(weights: Floats, features: Sequence[Floats], bias: Floats) -> Floats:
    """``sum_i weights_i features_i + bias``, ``(n, K)`` of the type and layout of the first feature."""
    dtype = features[0].dtype
    z = np.empty_like(features[0])
    z[:] = bias
    part = np.empty_like(z)
    for weight, feature in zip(weights, features, strict=True):
        if weight:
            z += np.multiply(feature, dtype.type(weight), out=part)
    return z


def normalised(z: Floats) -> tuple[Floats, Floats]:
    """Rows of ``z`` as distributions, and their logarithm, clipped as ``log`` does; overwrites ``z``."""
    z -= row_max(z)
    out = np.exp(z)
    total = row_sum(out)
    out /= total
    z -= np.log(total)
    return out, np.clip(z, float(np.log(LEAST)), 0.0, out=z)


def softmax(z: Floats) -> Floats:
    """Rows of ``z`` as distributions."""
    out = z - row_max(z)
    np.exp(out, out=out)
    out /= row_sum(out)
    return out
