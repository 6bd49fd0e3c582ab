"""Task embeddings from the Fisher information of linear probes, and their cosine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.records import Floats, is_labelled
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, checked, graded, known, parts
from jointset.relatedness.pairs import Pair, filled
from jointset.relatedness.probes import logistic, standardised

FEWEST = 10


def fisher(labels: Mapping[str, Any], features: Any, *, seed: int = 0) -> Affinity:
    """1 less the distance of task embeddings after Achille et al. (2019, eq. 4): 1 = the same features matter.

    The embedding is the diagonal of the Fisher information of what all tasks share. In the paper that are the filters
    of a network; here it is a scale on each of the ``features`` ``(n, d)``, for a linear probe of each task. The
    distance is the cosine distance of F_a / (F_a + F_b) and F_b / (F_a + F_b), each of mean 1 before, so that neither
    size nor certainty of a task counts. ``labels`` as in :mod:`jointset.records`. ``seed`` is not used.

    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> tasks = {"a": (x[:, 0] > 0) * 1, "b": (x[:, 0] < 0) * 1, "c": (x[:, 2] > 0) * 1}
    >>> found = fisher(tasks, x)
    >>> found["a", "b"] > 0.99, found["a", "c"] < 0.5
    (True, True)
    """
    given = checked(labels)
    x = standardised(features, len(next(iter(given.values()))))
    embedded = {name: embedding(x, y) for name, y in given.items()}
    rows = {name: int(is_labelled(y).sum()) for name, y in given.items()}

    def of(a: str, b: str) -> Pair:
        left, right = embedded[a], embedded[b]
        if not (left.any() and right.any()):
            return Pair()
        return Pair(similarity(left, right), min(rows[a], rows[b]))

    return filled(
        "fisher", list(given), of, unit="cosine of Fisher embeddings", bounds=(0.0, 1.0), symmetric=True
    )


def embedding(x: Floats, labels: Array) -> Floats:
    """The Fisher information ``(d,)`` of a scale on each column of ``x`` ``(n, d)``; zeros where nothing is learnt.

    For logits z = W (s ∘ x) at s = 1, E over x and y ~ p of (∂ log p / ∂ s_j)² = E x_j² Var_{k ~ p}(W_kj). For a number
    with residual variance σ², E x_j² w_j² / σ². A label set sums over its labels.
    """
    total = np.zeros(x.shape[1])
    for column in parts(labels):
        rows = np.flatnonzero(known(column))
        if len(rows) < FEWEST or np.ptp(column[rows]) == 0:
            continue
        total += (
            _of_number(x[rows], column[rows])
            if column.dtype.kind == "f"
            else _of_classes(x[rows], column[rows])
        )
    return total


def similarity(a: Floats, b: Floats) -> float:
    """The cosine of a / (a + b) and b / (a + b), vectors of mean 1; columns that neither needs are left out.

    >>> similarity(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.0
    """
    a, b = a / a.mean(), b / b.mean()
    used = a + b > 1e-12
    left, right = (v[used] / (a + b)[used] for v in (a, b))
    cosine = left @ right / np.sqrt((left @ left) * (right @ right))
    return round(float(np.clip(cosine, 0.0, 1.0)), 12)


def _of_classes(x: Floats, y: Array) -> Floats:
    model = logistic(x, y)
    p, w = model.predict_proba(x), model.coef_
    if len(w) == 1:
        w = np.concatenate([np.zeros_like(w), w])
    variance = p @ w**2 - (p @ w) ** 2  # (n, d)
    return np.asarray((x**2 * variance).mean(axis=0))


def _of_number(x: Floats, y: Array) -> Floats:
    values = graded(y)
    values /= values.std()
    slope = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ values)
    rest = max(float(((values - x @ slope) ** 2).mean()), 1e-6)
    return np.asarray((x**2).mean(axis=0) * slope**2 / rest)
