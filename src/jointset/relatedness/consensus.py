"""Several measures as one, on a scale that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity


def consensus(affinities: Sequence[Affinity]) -> Affinity:
    """The mean of measures, each as the share of the most that any task says of a target, above chance.

    ``(v − c) / m`` within [−1, 1], with v the value, c the level of chance (0 where there is none) and m the greatest
    ``v − c`` of the target, its own included: where a target has few labels, others may say more of it than what it
    could learn itself. 0 or less: no more than of unrelated tasks. NaN where no measure says anything, which is also
    where m is no more than noise: not above c, nor above half of what the measure's bounds leave over c. Raises
    ArrayError for measures of other tasks.

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
        "share of the most that a task says",
        (-1.0, 1.0),
        seconds=sum(a.seconds for a in affinities),
        support=np.max(supports, axis=0) if supports else None,
    )


def relative(affinity: Affinity) -> Floats:
    """``(v − c) / m`` of one measure, ``(t, t)``; a column whose ``m`` is no more than noise is NaN.

    The level of chance is what one unrelated source in twenty exceeds, so that of many some always do, by little; and
    a share of that little would look like much.

    >>> values, chance = np.array([[0.12, 0.8], [0.11, 0.4]]), np.full((2, 2), 0.1)
    >>> relative(Affinity("a", ("x", "y"), values, "share", (0, 1), chance=chance)).round(2)
    array([[ nan, 1.  ],
           [ nan, 0.43]])
    """
    chance = np.zeros_like(affinity.values) if affinity.chance is None else affinity.chance
    above = np.asarray(affinity.values - chance)
    each = np.where(np.isfinite(above), above, -np.inf)
    columns = np.arange(len(above))
    best = each.argmax(axis=0)
    most, level = each[best, columns], chance[best, columns]
    noise = np.maximum(np.minimum(level, (affinity.bounds[1] - level) / 2), 1e-9)
    return np.asarray(np.clip(above / np.where(most > noise, most, np.nan), -1.0, 1.0))
