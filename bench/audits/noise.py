"""Known damage to right labels; every function takes the truth and returns what is given instead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# digits that people confuse; 0 and 2 are left over, and are each other's
CONFUSABLE = np.array([2, 7, 0, 8, 9, 6, 5, 1, 3, 4])


def symmetric(truth: Array, classes: int, share: float, rng: np.random.Generator) -> Array:
    """Each label moves with probability ``share`` to one of the other classes, all alike."""
    moved = (truth + rng.integers(1, classes, len(truth))) % classes
    return np.where(rng.random(len(truth)) < share, moved, truth)


def pairs(truth: Array, partner: Array, share: float, rng: np.random.Generator) -> Array:
    """Each label moves with probability ``share`` to its class's ``partner``."""
    return np.where(rng.random(len(truth)) < share, partner[truth], truth)


def digit_noises(truth: Array, rng: np.random.Generator) -> dict[str, Array]:
    """The four noises of ten classes: two symmetric, the next class, the class that looks alike."""
    following = (np.arange(10) + 1) % 10
    return {
        "sym20": symmetric(truth, 10, 0.2, rng),
        "sym40": symmetric(truth, 10, 0.4, rng),
        "pair30": pairs(truth, following, 0.3, rng),
        "confusable30": pairs(truth, CONFUSABLE, 0.3, rng),
    }


def swapped_entries(truth: Array, share: float, rng: np.random.Generator) -> Array:
    """0/1 columns: per class, ``share`` of the positives is taken away and as many negatives become positives."""
    given = truth.copy()
    for k in range(truth.shape[1]):
        present, absent = np.flatnonzero(truth[:, k] == 1), np.flatnonzero(truth[:, k] == 0)
        n = min(round(share * len(present)), len(absent))
        given[rng.choice(present, n, replace=False), k] = 0
        given[rng.choice(absent, n, replace=False), k] = 1
    return given


def flipped_entries(truth: Array, share: float, rng: np.random.Generator) -> Array:
    """0/1 labels, each turned over with probability ``share``."""
    return np.where(rng.random(truth.shape) < share, 1 - truth, truth)


def numbers(truth: Array, share: float, rng: np.random.Generator) -> Array:
    """``share`` of the numbers is wrong: half moved by 1.5 to 3 standard deviations, half taken from other rows.

    Whole-numbered labels stay whole, and a wrong label always differs from the right one.
    """
    given = truth.astype(np.float64)
    chosen = rng.permutation(len(truth))[: round(share * len(truth))]
    far, other = np.array_split(chosen, 2)
    given[far] += rng.choice([-1, 1], len(far)) * rng.uniform(1.5, 3, len(far)) * truth.std()
    if (truth == np.round(truth)).all():
        given[far] = np.round(given[far])
    for row in other:
        given[row] = rng.choice(truth[truth != truth[row]])
    return given
