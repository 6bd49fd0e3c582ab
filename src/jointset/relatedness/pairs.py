"""An affinity filled pair by pair."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from jointset.records import Floats
from jointset.relatedness.affinity import Affinity

ALPHA = 0.05  # of unrelated pairs exceed the chance level


@dataclass(frozen=True)
class Pair:
    """What a measure says of one ordered pair: the value, the rows it rests on, and the level of chance."""

    value: float = float("nan")
    support: int = 0
    chance: float = float("nan")


def filled(
    measure: str,
    tasks: Sequence[str],
    of: Callable[[str, str], Pair],
    *,
    unit: str,
    bounds: tuple[float, float],
    symmetric: bool = False,
) -> Affinity:
    """The affinity whose pairs ``of(source, target)`` gives; a symmetric one is asked for half of them."""
    started, names = time.perf_counter(), tuple(tasks)
    t = len(names)
    values, chance = np.full((t, t), np.nan), np.full((t, t), np.nan)
    support = np.zeros((t, t), np.int64)
    for i, j in product(range(t), repeat=2):
        if symmetric and j < i:
            values[i, j], support[i, j], chance[i, j] = values[j, i], support[j, i], chance[j, i]
            continue
        found = of(names[i], names[j])
        values[i, j], support[i, j], chance[i, j] = found.value, found.support, found.chance
    return Affinity(
        measure,
        names,
        values,
        unit,
        bounds,
        symmetric=symmetric,
        seconds=time.perf_counter() - started,
        support=support,
        chance=chance if np.isfinite(chance).any() else None,
    )


def best_per_part(table: Floats) -> float:
    """Mean over the target's parts (columns) of the most that any part of the source says; NaN without any.

    >>> best_per_part(np.array([[0.1, np.nan], [0.5, np.nan]]))
    0.5
    """
    known = np.isfinite(table).any(axis=0)
    if not known.any():
        return float("nan")
    return float(np.nanmax(table[:, known], axis=0).mean())


def chance_of(permuted: Floats, nulls: Sequence[float]) -> float:
    """The level of chance: the greater of those of permuted target labels and of sources that learnt permuted labels.

    >>> chance_of(np.array([0.1, 0.2]), [0.3, 0.05])
    0.3
    """
    known = [c for c in (level(np.asarray(permuted)), level(np.asarray(nulls, float))) if c == c]
    return max(known) if known else float("nan")


def level(draws: Floats) -> float:
    """The value that one in twenty draws of chance exceeds; NaN without draws.

    >>> level(np.arange(19.0))
    18.0
    """
    known = np.sort(draws[np.isfinite(draws)])
    if not len(known):
        return float("nan")
    place = int(np.ceil((1 - ALPHA) * (len(known) + 1))) - 1
    return float(known[min(place, len(known) - 1)])
