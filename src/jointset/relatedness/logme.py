"""LogME: the evidence of a Bayesian linear model of the target on the source's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, aligned, checked, graded, known, one_hot, parts
from jointset.relatedness.pairs import Pair, chance_of, filled

PERMUTATIONS = 19
FEWEST = 10
STEPS, TOLERANCE = 100, 1e-4
FURTHEST = 1e12  # ratio of the two precisions at which the weights are as good as zero


def logme(
    labels: Mapping[str, Any],
    outputs: Mapping[str, Any],
    nulls: Sequence[Mapping[str, Any]] = (),
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Affinity:
    """LogME of every source's outputs for every target's labels, less that of no features, in nats a row.

    ``labels``, ``outputs`` and ``nulls`` as in :func:`~jointset.relatedness.leep`. Both are centred first, so that 0
    is what the shares of the classes say alone. Classes are one column each and their mean is taken, as in the paper;
    numbers count by their ranks. ``permutations`` of the target's labels give the level of chance. Raises ArrayError.

    >>> y = np.random.default_rng(0).normal(size=60)
    >>> found = logme({"a": y, "b": -y}, {"a": y[:, None], "b": -y[:, None]})
    >>> bool(found["a", "b"] > 1 > found.chance[0, 1])
    True
    """
    given = checked(labels)
    features = aligned(given, outputs, "outputs")

    without = [aligned(given, n, "nulls") for n in nulls]

    def of(source: str, target: str) -> Pair:
        rng = np.random.default_rng(seed)
        columns = [
            (rows, c[rows])
            for c in map(graded, parts(given[target]))
            for rows in [np.flatnonzero(known(c))]
            if len(rows) >= FEWEST and np.ptp(c[rows]) > 0
        ]
        if not columns:
            return Pair()
        found = np.mean([gains(features[source][r], y, permutations, rng) for r, y in columns], axis=0)
        others = [np.mean([gains(n[source][r], y, 0, rng)[0] for r, y in columns]) for n in without]
        return Pair(float(found[0]), max(len(y) for _, y in columns), chance_of(found[1:], others))

    return filled("logme", list(given), of, unit="nats a row over no features", bounds=(0.0, np.inf))


def logme_score(features: Floats, labels: Array) -> float:
    """LogME (You et al. 2021, eq. 2 and algorithm 1), nats a row; the mean over the classes' columns.

    ``features`` ``(n, d)``; ``labels`` ``(n,)`` codes or numbers, none missing. Raises ArrayError.

    >>> bool(logme_score(np.eye(4), np.array([0, 1, 0, 1])) < 0)
    True
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or features.shape[:1] != np.shape(labels):
        raise ArrayError(
            f"logme: features {features.shape} and labels {np.shape(labels)} do not belong together"
        )
    return float(evidence(features, _targets(np.asarray(labels))).mean())


def gains(features: Floats, column: Array, permutations: int, rng: np.random.Generator) -> Floats:
    """LogME over no features of a column, and of its permutations, ``(1 + permutations,)``; all centred."""
    targets = _targets(column)
    targets = targets - targets.mean(axis=0)
    none = -0.5 * (np.log(2 * np.pi * (targets**2).mean(axis=0)) + 1)
    draws = [targets, *(targets[rng.permutation(len(targets))] for _ in range(permutations))]
    found = evidence(features - features.mean(axis=0), np.concatenate(draws, axis=1))
    return np.asarray(np.maximum(found.reshape(len(draws), -1) - none, 0.0).mean(axis=1))


def evidence(features: Floats, targets: Floats) -> Floats:
    """The greatest log evidence a row of y = F w + ε, w ~ N(0, 1/α), ε ~ N(0, 1/β), for ``targets``.

    ``targets`` are ``(n, m)``, the result ``(m,)``. Fixed-point iteration of α and β (You et al. 2021, algorithm 1) on
    the singular values of ``features`` ``(n, d)``.
    """
    n = len(features)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    squares = (s[s > 1e-9 * max(s.max(initial=0.0), 1e-300)] ** 2)[:, None]  # (r, 1)
    inside = (u[:, : len(squares)].T @ targets) ** 2  # (r, m)
    total = np.maximum((targets**2).sum(axis=0), 1e-300)
    outside = np.maximum(total - inside.sum(axis=0), 0.0)
    ratio = np.ones(targets.shape[1])  # α / β
    for _ in range(STEPS):
        effective, length, rest = _moments(squares, inside, outside, ratio)
        alpha = effective / np.maximum(length, 1e-300)
        beta = np.maximum(n - effective, 1e-9) / np.maximum(rest, 1e-12 * total)
        renewed = np.clip(alpha / beta, 1e-12, FURTHEST)
        done = np.all(np.abs(renewed - ratio) <= TOLERANCE * ratio)
        ratio = renewed
        if done:
            break
    _, length, rest = _moments(squares, inside, outside, ratio)
    beta = n / np.maximum(rest + ratio * length, 1e-12 * total)
    alpha = ratio * beta
    spread = (np.log(alpha) - np.log(alpha + beta * squares)).sum(axis=0)
    return np.asarray((spread + n * np.log(beta) - n - n * np.log(2 * np.pi)) / (2 * n))


def _moments(
    squares: Floats, inside: Floats, outside: Floats, ratio: Floats
) -> tuple[Floats, Floats, Floats]:
    """Effective number of weights, their squared length and the squared residual, each ``(m,)``."""
    total = squares + ratio
    return (
        (squares / total).sum(axis=0),
        (squares * inside / total**2).sum(axis=0),
        (inside * (ratio / total) ** 2).sum(axis=0) + outside,
    )


def _targets(labels: Array) -> Floats:
    return labels[:, None].astype(np.float64) if labels.dtype.kind == "f" else one_hot(labels)
