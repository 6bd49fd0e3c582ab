"""Labels of any kind as columns that a measure can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints

Array = NDArray[Any]
ROUNDING = 1e-9  # of a column's greatest magnitude: a spread below it is none
GROUPS = 5  # quantile groups of a number, where classes are needed


def checked(labels: Mapping[str, Any]) -> dict[str, Array]:
    """Labels of every task in the forms of :mod:`jointset.records`, all of one length; else ArrayError.

    Numbers come in double precision, in which sums of squares fit, and true and false as classes 1 and 0.

    >>> list(checked({"a": [0, 1, -1], "b": [0.5, float("nan"), 2.0]}))
    ['a', 'b']
    """
    out = {name: np.asarray(y) for name, y in labels.items()}
    if not out:
        raise ArrayError("labels: there are none; give at least one task")
    n = len(next(iter(out.values())))
    for name, y in out.items():
        kind = (y.ndim, "f" if y.dtype.kind == "f" else "i" if y.dtype.kind in "iub" else "?")
        if kind not in ((1, "f"), (1, "i"), (2, "i")) or len(y) != n:
            raise ArrayError(
                f"task {name}: labels must be {n} numbers, class codes or rows of 0, 1 and -1, found {y.dtype} "
                f"of shape {y.shape}"
            )
        if y.ndim == 2 and y.size and (y.min() < -1 or y.max() > 1):
            raise ArrayError(f"task {name}: label sets hold 0, 1 and -1, found {y.min()} to {y.max()}")
    return {name: _plain(y) for name, y in out.items()}


def _plain(labels: Array) -> Array:
    if labels.dtype.kind == "b":
        return labels.astype(np.int8 if labels.ndim == 2 else np.int64)
    return labels.astype(np.float64, copy=False) if labels.dtype.kind == "f" else labels


def aligned(labels: Mapping[str, Any], rows: Mapping[str, Any], what: str) -> dict[str, Floats]:
    """An array of numbers ``(n, d)`` for every task, as long as the labels; else ArrayError."""
    n, out = len(next(iter(labels.values()))), {}
    for name in labels:
        if name not in rows:
            raise ArrayError(f"{what}: none for task {name!r}")
        out[name] = points(rows[name], n, f"{what} of {name}")
    return out


def points(features: Any, n: int, what: str = "features") -> Floats:
    """Finite numbers ``(n, d)`` in double precision; else ArrayError."""
    array = np.asarray(features, np.float64)
    if array.ndim != 2 or len(array) != n or not np.isfinite(array).all():
        raise ArrayError(f"{what} must be finite numbers ({n}, d) like the labels, found {array.shape}")
    return array


def varied(array: Floats) -> Bools:
    """The columns ``(d,)`` of ``(n, d)`` that are not constant but for rounding, whatever their unit.

    >>> varied(np.array([[0.0, 1e-9, 1e9], [0.0, 2e-9, 1e9 + 1e-3]])).tolist()
    [False, True, False]
    """
    return np.asarray(array.std(axis=0) > ROUNDING * np.abs(array).max(axis=0, initial=0.0))


def parts(labels: Array) -> list[Array]:
    """A task's labels as single columns ``(n,)``: themselves, or one for every label of a set.

    >>> [p.tolist() for p in parts(np.array([[0, 1], [-1, 0]]))]
    [[0, -1], [1, 0]]
    """
    return [labels] if labels.ndim == 1 else list(labels.T)


def coded(column: Array, groups: int = GROUPS) -> Ints:
    """A column as class codes, -1 where missing: numbers fall into groups of about equal size.

    >>> coded(np.array([1.0, 2.0, np.nan, 9.0]), 2).tolist()
    [0, 1, -1, 1]
    """
    if column.dtype.kind != "f":
        return column.astype(np.int64)
    known = np.isfinite(column)
    if not known.any():
        return np.full(len(column), -1, np.int64)
    edges = np.unique(np.quantile(column[known], np.linspace(0, 1, groups + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, np.where(known, column, 0.0), side="right"), -1)


def graded(column: Array) -> Array:
    """Numbers as normal scores of their ranks, so that neither unit nor a wild value counts; codes as they are.

    >>> graded(np.array([1.0, 500.0, np.nan])).round(2).tolist()
    [-0.67, 0.67, nan]
    """
    from scipy.stats import norm, rankdata

    if column.dtype.kind != "f":
        return column
    out, there = np.full(len(column), np.nan), np.isfinite(column)
    out[there] = norm.ppf((rankdata(column[there]) - 0.5) / max(int(there.sum()), 1))
    return out


def known(column: Array) -> NDArray[np.bool_]:
    """Where a column ``(n,)`` has a value."""
    return np.isfinite(column) if column.dtype.kind == "f" else column >= 0


def one_hot(codes: Ints) -> Floats:
    """Indicators ``(n, K)`` of the codes that occur; none may be missing.

    >>> one_hot(np.array([3, 1, 3])).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    found = np.unique(codes)
    return np.asarray(codes[:, None] == found, np.float64)


def table(a: Ints, b: Ints) -> Floats:
    """Counts of pairs of codes ``(K_a, K_b)``, over the codes that occur; none may be missing.

    >>> table(np.array([0, 0, 2]), np.array([1, 1, 0])).tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """
    i, j = (np.unique(x, return_inverse=True)[1] for x in (a, b))
    width = int(j.max(initial=-1)) + 1
    flat = np.bincount(i * width + j, minlength=(int(i.max(initial=-1)) + 1) * width)
    return flat.reshape(-1, max(width, 1)).astype(np.float64)
