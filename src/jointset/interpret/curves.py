"""Deletion and insertion: does an attribution name what the prediction rests on?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.errors import ArrayError
from jointset.interpret.occlusion import Score
from jointset.records import Floats

STEPS = 10


@dataclass(frozen=True)
class Curves:
    """The score after each step, ``(steps + 1,)``, and the areas under both curves, over shares of the units in [0, 1].

    ``deletion`` takes the units away, the largest contribution first: a good attribution has a small area.
    ``insertion`` puts them back in the same order into an empty row: a good one has a large area."""

    deletion: Floats
    insertion: Floats
    deletion_area: float
    insertion_area: float


def curves(score: Score, contributions: ArrayLike, *, steps: int = STEPS) -> Curves:
    """Deletion and insertion curves (Petsiuk, Das and Saenko 2018, sec. 4.1) of contributions ``(units,)``.

    ``score`` takes masks ``(m, units)``, True = taken away, and returns ``(m,)``: a probability, in the paper.

    >>> c = curves(lambda gone: 1.0 * ~gone[:, 0], [3.0, 1.0, 0.0], steps=3)
    >>> c.deletion.tolist(), c.insertion.tolist()
    ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0])
    """
    value = np.asarray(contributions, np.float64)
    if value.ndim != 1 or not len(value) or steps < 1:
        raise ArrayError(
            f"contributions must be (units,) and steps 1 or more, found {value.shape} and {steps}"
        )
    n = len(value)
    rank = np.empty(n, np.int64)
    rank[np.argsort(-value, kind="stable")] = np.arange(n)
    counts = np.round(np.linspace(0, n, steps + 1)).astype(np.int64)
    gone = rank[None, :] < counts[:, None]  # (steps + 1, units)
    found = np.asarray(score(np.concatenate([gone, ~gone])), np.float64)
    deletion, insertion = found[: steps + 1], found[steps + 1 :]
    x = counts / n
    area = [float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum()) for y in (deletion, insertion)]
    return Curves(deletion, insertion, *area)
