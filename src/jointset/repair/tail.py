"""Tail: let the labels of rare classes pull more."""

from __future__ import annotations

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Edits, Floats, Ints, Issues
from jointset.repair.base import weigh

POWER = 0.5
MOST = 10.0


def weigh_tail(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose the weights of ``tail_label`` issues (see :func:`tail_weights`).

    A weight changes no label, so ``precision`` does not bound it; the gate decides.
    """
    return weigh(issues, "tail_label", round=round)


def tail_weights(counts: Ints, *, power: float = POWER, most: float = MOST) -> Floats:
    """Weights ``(K,)`` of the labels of classes with ``counts`` rows: (n_median / n)^power for classes rarer than the
    median class, at most ``most``; one for the others. Raises ``ArrayError``.

    >>> tail_weights(np.array([100, 100, 25, 0])).tolist()
    [1.0, 1.0, 2.0, 1.0]
    """
    if not 0 <= power <= 1 or most < 1:
        raise ArrayError(f"power must be in [0, 1] and most at least 1, found {power} and {most}")
    counts = np.asarray(counts, float)
    there = counts > 0
    middle = float(np.median(counts[there])) if there.any() else 1.0
    weights = np.ones(len(counts))
    weights[there] = np.clip((middle / counts[there]) ** power, 1.0, most)
    return weights
