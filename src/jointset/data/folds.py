"""Folds for cross-fitting: a component stands in one fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jointset.data.partition import partition
from jointset.errors import DataError


def make_folds(
    component: NDArray[np.int64],
    strata: NDArray[np.int64] | None,
    eligible: NDArray[np.bool_],
    k: int,
    seed: int,
) -> NDArray[np.int8]:
    """The fold of every row, ``(N,)`` in 0 … k-1; rows of one component share a fold.

    ``strata`` is ``(N,)`` codes, -1 = none; folds are balanced over the ``eligible`` rows (those that are
    trained on), and rows outside get a fold as well. Raises :class:`~jointset.errors.DataError` when the
    eligible rows have fewer components than folds.

    >>> folds = make_folds(np.array([0, 0, 1, 2, 3]), None, np.ones(5, bool), 2, seed=0)
    >>> bool(folds[0] == folds[1]), sorted(set(folds.tolist()))
    (True, [0, 1])
    """
    if not 2 <= k <= 127:
        raise DataError(f"folds: expected a number between 2 and 127, found {k}")
    n = len(component)
    codes = np.unique(component, return_inverse=True)[1]
    n_components = int(codes.max(initial=-1)) + 1
    has_eligible = np.zeros(n_components, bool)
    has_eligible[codes[eligible]] = True
    found = int(has_eligible.sum())
    if found < k:
        raise DataError(_too_few(found, k))
    stratum = np.zeros(n, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    fold = np.zeros(n_components, np.int8)
    for rows in (np.flatnonzero(eligible), np.flatnonzero(~has_eligible[codes])):
        if len(rows):
            fold[codes[rows]] = _balanced(codes[rows], stratum[rows], k, rng)
    return fold[codes]


def _balanced(
    component: NDArray[np.int64], stratum: NDArray[np.int64], k: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    component = np.unique(component, return_inverse=True)[1]
    stratum = np.unique(stratum, return_inverse=True)[1]
    targets = np.repeat(np.bincount(stratum)[:, None] / k, k, axis=1)
    return _fill_empty(partition(component, stratum, targets, rng), component, k)


def _fill_empty(fold: NDArray[np.int64], component: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Give every fold a component while there are enough: one large component can leave rounding none."""
    size = np.bincount(component)
    of = np.zeros(len(size), np.int64)
    of[component] = fold
    for empty in np.flatnonzero(np.bincount(of, minlength=k) == 0):
        crowd = np.bincount(of, minlength=k)
        if crowd.max() < 2:
            break
        candidates = np.flatnonzero(of == crowd.argmax())
        of[candidates[size[candidates].argmin()]] = empty
    return of[component]


def _too_few(found: int, k: int) -> str:
    if found == 0:
        return "folds: there are no rows to train on; check the split column and the labels"
    if found == 1:
        return (
            f"folds: all rows to train on share a group or their inputs, so {k} folds are impossible; "
            "check the group column, or add data"
        )
    return (
        f"folds: {found} independent groups of rows (rows that share a group or their inputs stay together) "
        f"cannot fill {k} folds; lower training.folds to {found} or below, or add data"
    )
