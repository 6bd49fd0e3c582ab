"""Which datasets to pool for one task: what another dataset's rows add to a dataset's own, by linear probes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import Array, checked, known
from jointset.relatedness.probes import folds_of, predicted, standardised

FEWEST = 40
WIDTH = 1.645  # standard errors, 90 % two-sided
KEPT = 10  # rows of a rare class that a draw keeps


@dataclass(frozen=True, eq=False)
class Pooling:
    """``gain[source, target]``: what the source's rows add to the target's own, in the share of the target's spread
    that is explained, with a 90 % interval over rows; ``advice`` target → sources to pool; ``harm`` target → sources
    that do harm."""

    gain: Affinity
    advice: dict[str, tuple[str, ...]]
    harm: dict[str, tuple[str, ...]]


def pool_datasets(
    labels: Any,
    datasets: Any,
    features: Any,
    *,
    groups: Any = None,
    rows: int = 2000,
    turns: int = 1,
    pairs: Collection[tuple[str, str]] | None = None,
    seed: int = 0,
) -> Pooling:
    """Judge every ordered pair of datasets that label one task.

    For each target a linear model of its own rows, and one of its own and the source's, predict the target's rows in
    two folds; the gain is the mean difference of the rows' losses (Brier score, squared error), over the loss of
    predicting the same for all. The log-loss would punish a model that wrong labels made too sure. A pair whose
    interval lies above zero is advised, one below zero is called harm.

    Parameters
    ----------
    labels : ``(n,)`` codes (-1 missing) or numbers (NaN missing) of one task.
    datasets : ``(n,)`` names; ``features`` : ``(n, d)``, of one encoder.
    groups : ``(n,)`` rows that stay in one fold, such as copies.
    rows : at most so many of each dataset are used, every class by its share, of a rare one ten if there are.
    turns : draws of the folds of these rows, over which a row's loss is averaged.
    pairs : the (source, target) to judge, where not all of them.

    Raises ArrayError.

    >>> rng = np.random.default_rng(0)
    >>> x, site = rng.normal(size=(300, 2)), np.repeat(["a", "b", "c"], 100)
    >>> y = ((x[:, 0] * np.repeat([1, 1, -1], 100)) > 0).astype(int)
    >>> found = pool_datasets(y, site, x)
    >>> found.harm["a"], found.harm["b"]
    (('c',), ('c',))
    """
    y = checked({"task": labels})["task"]
    names = np.asarray(datasets).astype(str)
    if y.ndim != 1 or names.shape != y.shape:
        raise ArrayError(f"labels and datasets must be (n,), found {y.shape} and {names.shape}")
    x, started = standardised(features, len(y)), time.perf_counter()
    folds = [folds_of(len(y), groups, 2, seed + turn) for turn in range(turns)]
    rng = np.random.default_rng(seed)
    here = {
        str(d): _drawn(np.flatnonzero((names == d) & known(y)), y, rows, rng)
        for d in dict.fromkeys(names.tolist())
    }
    usable = [d for d, r in here.items() if told_apart(y[r])]
    t = len(usable)
    value, low, high = (np.full((t, t), np.nan) for _ in range(3))
    support = np.zeros((t, t), np.int64)
    for j, target in enumerate(usable):
        own = _losses(x, y, here[target], here[target][:0], folds)
        spread = _constant(y[here[target]])
        for i, source in enumerate(usable):
            if i == j or (pairs is not None and (source, target) not in pairs):
                continue
            both = _losses(x, y, here[target], here[source], folds)
            gains = (own - both) / spread
            middle, error = gains.mean(), gains.std() / np.sqrt(len(gains))
            value[i, j], low[i, j], high[i, j] = middle, middle - WIDTH * error, middle + WIDTH * error
            support[i, j] = len(gains)
    gain = Affinity(
        "pooling",
        tuple(usable),
        value,
        "share of the target's spread",
        (-np.inf, 1.0),
        seconds=time.perf_counter() - started,
        support=support,
        low=low,
        high=high,
    )
    return Pooling(gain, _named(gain, low > 0), _named(gain, high < 0))


def _named(gain: Affinity, where: Any) -> dict[str, tuple[str, ...]]:
    return {
        target: tuple(source for i, source in enumerate(gain.tasks) if where[i, j])
        for j, target in enumerate(gain.tasks)
    }


def told_apart(labels: Array) -> bool:
    """Whether labels are enough to pool: 40 of them, not all the same.

    >>> told_apart(np.tile([0, 1, -1], 20)), told_apart(np.tile([1, -1], 40))
    (True, False)
    """
    there = labels[known(labels)]
    return len(there) >= FEWEST and bool(np.ptp(there) > 0)


def _drawn(rows: Ints, y: Array, most: int, rng: np.random.Generator) -> Ints:
    """At most ``most`` of the rows, ascending; classes by their shares, but for rare ones, which fill half at most."""
    order = rng.permutation(rows)
    if len(rows) <= most or y.dtype.kind == "f":
        return np.sort(order[:most])
    place, counts = np.unique(y[order], return_inverse=True, return_counts=True)[1:]
    rank = np.zeros(len(order))
    for k, count in enumerate(counts):
        rank[place == k] = np.arange(count)
    kept = rank < min(KEPT, most // (2 * len(counts)))
    return np.sort(order[np.argsort(np.where(kept, 0.0, (rank + 0.5) / counts[place]), kind="stable")[:most]])


def _losses(x: Floats, y: Array, own: Ints, more: Ints, folds: Sequence[Ints]) -> Floats:
    """Held-out loss ``(len(own),)`` of the rows ``own``, learnt from the other fold of them and of ``more``; the mean
    over ``folds``."""
    out = np.zeros(len(own))
    rows = np.concatenate([own, more])
    points, labels = x[rows], y[rows]
    width = 1 if y.dtype.kind == "f" else max(int(labels.max()) + 1, 2)
    for fold, f in product(folds, (0, 1)):
        # rows of the source that share a group with a row to be predicted are in its fold, and so are left out
        train = np.flatnonzero(fold[rows] != f)
        said = predicted(points, labels, train, width)
        rest = np.flatnonzero(fold[own] == f)
        if y.dtype.kind == "f":
            out[rest] += (labels[rest] - said[rest, 0]) ** 2
        else:
            truth = labels[rest][:, None] == np.arange(width)
            out[rest] += ((truth - said[rest]) ** 2).sum(axis=1)
    return out / len(folds)


def _constant(y: Array) -> float:
    """The mean loss of predicting the same for all."""
    if y.dtype.kind == "f":
        return float(y.var())
    return float(1 - ((np.bincount(y) / len(y)) ** 2).sum())
