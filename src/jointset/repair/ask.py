"""Ask: which rows are worth a label from a person, most useful first."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints

SAMPLE = 4000  # rows that stand for all when uses are counted
REACH = (
    5  # a labelled row speaks for what is as near to it as rows are to their fifth neighbour, on the average
)


def rank_questions(
    embedding: ArrayLike,
    labelled: ArrayLike,
    *,
    probs: ArrayLike | None = None,
    multilabel: bool = False,
    n: int = 50,
    seed: int = 0,
) -> tuple[Ints, Floats]:
    """Rows without a label in the order in which they are worth asking about, and the expected use of each.

    A label speaks for the rows near its own. The use of a row is the sum, over the rows within its reach that no label
    speaks for yet, of how uncertain they are, in [0, 1] (entropy of ``probs`` ``(n, K)`` as a share of the largest;
    with ``multilabel``, where each of the K labels applies by itself, the mean of theirs; one each without ``probs``);
    rows are taken greedily, each time the most useful (Nemhauser et al. 1978 on such sums; Wei et al. 2015 for active
    learning). ``embedding`` is ``(n, d)``, ``labelled`` ``(n,)``. Returns at most ``n`` rows and their uses, in rows.
    Raises ``ArrayError``.

    >>> points = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    >>> rank_questions(points, [True, False, False, False, False, False], n=1)[0].tolist() in ([3], [4])
    True
    """
    x, known = _numbers(embedding, "embedding"), np.asarray(labelled)
    if known.shape != (len(x),) or known.dtype != bool:
        raise ArrayError(
            f"expected an embedding (n, d) and a mask (n,), found {x.shape}, {known.dtype} {known.shape}"
        )
    p = None if probs is None else _numbers(probs, "probs", len(x))
    if n < 1:
        raise ArrayError(f"n must be at least 1, found {n}")
    rng = np.random.default_rng(seed)
    open_rows = rng.permutation(np.flatnonzero(~known))[:SAMPLE]
    given = rng.permutation(np.flatnonzero(known))[:SAMPLE]
    if not len(open_rows):
        return np.empty(0, np.int64), np.empty(0)
    worth: Floats = np.ones(len(open_rows))
    if p is not None:
        worth = _uncertain(np.clip(p[open_rows], 0, 1), multilabel)
    x = (x - x.mean(axis=0)).astype(np.float32)  # squares of an offset would drown the distances
    near, spoken_for = _reach(x[open_rows], x[given])
    scale = (len(x) - int(known.sum())) / len(open_rows)
    order, uses = _greedy(near, np.where(spoken_for, 0.0, worth), min(n, len(open_rows)))
    return open_rows[order], uses * scale


def _numbers(given: ArrayLike, name: str, n: int | None = None) -> Floats:
    """Finite numbers ``(n, columns)``; else ArrayError."""
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise ArrayError(f"{name}: expected numbers (n, columns), found something else") from None
    if array.ndim != 2 or n not in (None, len(array)):
        rows = "n" if n is None else n
        raise ArrayError(f"{name}: expected numbers ({rows}, columns), found the shape {array.shape}")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ArrayError(
            f"{name}: {int(bad.sum())} rows hold NaN or infinite numbers (first row {int(np.argmax(bad))}); fill them"
        )
    return array


def _uncertain(p: Floats, multilabel: bool) -> Floats:
    """How uncertain predictions ``(m, K)`` are, ``(m,)`` in [0, 1]."""
    from scipy.special import entr

    if multilabel:
        return _uncertain(np.stack([p, 1 - p], axis=2).reshape(-1, 2), False).reshape(p.shape).mean(axis=1)
    return np.asarray(entr(p).sum(axis=1) / np.log(max(p.shape[1], 2)))


def _reach(x: Floats, given: Floats) -> tuple[Bools, Bools]:
    """Which of the open rows each of them speaks for ``(m, m)``, and which a label speaks for already ``(m,)``."""
    distance = _distances(x, x)
    k = min(REACH, len(x) - 1)
    reach = float(np.sort(distance, axis=1)[:, k].mean()) if len(x) > 1 else 0.0
    spoken_for = np.zeros(len(x), bool)
    for start in range(0, len(given), 1000):
        spoken_for |= (_distances(x, given[start : start + 1000]) <= reach).any(axis=1)
    return distance <= reach, spoken_for


def _distances(a: Floats, b: Floats) -> Floats:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0))


def _greedy(near: Bools, worth: Floats, n: int) -> tuple[Ints, Floats]:
    left, taken, uses = worth.astype(np.float64), [], []
    free = np.ones(len(worth), bool)
    member = near.astype(np.float32)
    for _ in range(n):
        gain = np.where(free, member @ left.astype(np.float32), -1.0)
        best = int(np.argmax(gain))
        if gain[best] <= 1e-9:
            break
        taken.append(best)
        uses.append(float(gain[best]))
        free[best] = False
        left[near[best]] = 0.0
    return np.array(taken, np.int64), np.array(uses)
