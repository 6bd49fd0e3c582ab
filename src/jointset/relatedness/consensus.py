"""Several measures as one, on a scale that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity


def consensus(affinities: Sequence[Affinity]) -> Affinity:
    """The mean of measures, each as the share of what a target's own labels or outputs would say, above chance.

    ``(v − c) / (o − c)`` within [−1, 1], with v the value, c the level of chance (0 where there is none) and o the
    value of the target with itself. 0 or less: no more than of unrelated tasks. NaN where no measure says anything,
    which is also where a target's own value is no more than chance. Raises ArrayError for measures of other tasks.

    >>> a = Affinity("a", ("x", "y"), np.array([[0.8, 0.5], [0.1, 0.9]]), "share", (0, 1), chance=np.full((2, 2), 0.1))
    >>> consensus([a]).values.round(2)
    array([[1. , 0.5],
           [0. , 1. ]])
    """
    if not affinities:
        raise ArrayError("consensus: no affinity is given")
    tasks = affinities[0].tasks
    for affinity in affinities:
        if affinity.tasks != tasks:
            raise ArrayError(f"consensus: {affinity.measure} has other tasks than {affinities[0].measure}")
    shares = np.stack([relative(a) for a in affinities])
    known = np.isfinite(shares)
    count = known.sum(axis=0)
    total = np.where(known, shares, 0.0).sum(axis=0)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    supports = [a.support for a in affinities if a.support is not None]
    return Affinity(
        "consensus",
        tasks,
        values,
        "share of what the target's own says",
        (-1.0, 1.0),
        seconds=sum(a.seconds for a in affinities),
        support=np.max(supports, axis=0) if supports else None,
    )


def relative(affinity: Affinity) -> Floats:
    """``(v − c) / (o − c)`` of one measure, ``(t, t)``."""
    chance = np.zeros_like(affinity.values) if affinity.chance is None else affinity.chance
    room = np.diag(affinity.values)[None, :] - np.diag(chance)[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (affinity.values - chance) / room
    return np.where(room > 1e-9, np.clip(share, -1.0, 1.0), np.nan)
