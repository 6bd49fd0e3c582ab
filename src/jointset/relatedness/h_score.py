"""H-score: how much of the spread of the source's outputs lies between the target's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import aligned, checked, coded, parts
from jointset.relatedness.pairs import Pair, chance_of, filled

PERMUTATIONS = 19
FEWEST = 10
WIDE = 10  # rows for every column, below which the covariance is shrunk
TINY = 1e-9  # of the greatest eigenvalue: probabilities that sum to one have a column too many


def h_score(
    labels: Mapping[str, Any],
    outputs: Mapping[str, Any],
    nulls: Sequence[Mapping[str, Any]] = (),
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Affinity:
    """H-score of every source's outputs for every target's classes, over its greatest value K − 1.

    ``labels``, ``outputs`` and ``nulls`` as in :func:`~jointset.relatedness.leep`. Numbers are cut into five groups; a
    label set is the mean over its labels. ``permutations`` of the target's labels give the level of chance. Raises
    ArrayError.

    Regularised where there are fewer than ten rows for every column of the outputs; not elsewhere, as the shrinkage is
    near 1, and with it the score near 0, for few columns of equal spread whatever they say.

    >>> y = np.tile([0, 1], 30)
    >>> found = h_score({"a": y, "b": 1 - y}, {"a": np.eye(2)[y], "b": np.eye(2)[1 - y]})
    >>> bool(found["a", "b"] > 0.9 > 0.2 > found.chance[0, 1])
    True
    """
    given = checked(labels)
    features = aligned(given, outputs, "outputs")
    targets = {name: [coded(p) for p in parts(y)] for name, y in given.items()}

    without = [aligned(given, n, "nulls") for n in nulls]

    def of(source: str, target: str) -> Pair:
        rng = np.random.default_rng(seed)
        columns = [
            (np.flatnonzero(c >= 0), c[c >= 0])
            for c in targets[target]
            if (c >= 0).sum() >= FEWEST and len(np.unique(c[c >= 0])) > 1
        ]
        if not columns:
            return Pair()
        found = np.mean([_shares(features[source][r], y, rng, permutations) for r, y in columns], axis=0)
        others = [float(np.mean([_shares(n[source][r], y, rng, 0) for r, y in columns])) for n in without]
        return Pair(float(found[0]), max(len(y) for _, y in columns), chance_of(found[1:], others))

    return filled("h_score", list(given), of, unit="share of K − 1", bounds=(0.0, 1.0))


def h_score_of(features: Floats, labels: Ints, *, regularised: bool = True) -> float:
    """tr(cov(f)⁻¹ cov(E[f | y])) (Bao et al. 2019, def. 2), from 0 to K − 1.

    ``features`` ``(n, d)``, ``labels`` ``(n,)`` codes, none missing. ``regularised`` shrinks the covariance as Ledoit
    and Wolf (2004) and that between the classes by the same share (Ibrahim, Ponomareva and Mazumder 2022, eq. 7).

    >>> round(h_score_of(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1]), regularised=False), 6)
    1.0
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or features.shape[:1] != np.shape(labels):
        raise ArrayError(
            f"h_score: features {features.shape} and labels {np.shape(labels)} do not belong together"
        )
    return _trace(features, np.asarray(labels), _inverse(features, regularised))


def _shares(x: Floats, y: Ints, rng: np.random.Generator, permutations: int) -> Floats:
    """The score over K − 1, of the labels and of their permutations, ``(1 + permutations,)``."""
    white = _inverse(x, len(x) < WIDE * x.shape[1])
    draws = [y, *(rng.permutation(y) for _ in range(permutations))]
    return np.array([_trace(x, d, white) for d in draws]) / (len(np.unique(y)) - 1)


def _inverse(features: Floats, regularised: bool) -> Floats:
    """The inverse covariance ``(d, d)``, times what the covariance between classes is shrunk by."""
    from sklearn.covariance import ledoit_wolf

    centred = features - features.mean(axis=0)
    if not regularised:
        return np.linalg.pinv(centred.T @ centred / len(centred), rcond=TINY, hermitian=True)
    cov, shrinkage = ledoit_wolf(centred, assume_centered=True)
    return np.asarray((1 - shrinkage) * np.linalg.pinv(cov, rcond=TINY, hermitian=True))


def _trace(features: Floats, labels: Ints, white: Floats) -> float:
    place = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(place)
    centred = features - features.mean(axis=0)
    sums = np.stack([np.bincount(place, weights=c) for c in centred.T], axis=1)
    means = sums / sizes[:, None]
    return float(((means @ white) * means * sizes[:, None]).sum() / len(features))
