"""Linear probes of words: what each task's label looks like from the terms of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats, is_labelled
from jointset.relatedness.columns import Array, checked, graded
from jointset.relatedness.probes import LEAST, folds_of

PENALTY = 1.0  # on rows of length 1
MOST = 2000  # rows that a fold learns from
Outputs = dict[str, Floats]


def probed_terms(
    labels: Mapping[str, Any], terms: Any, *, draws: int = 9, groups: Any = None, seed: int = 0
) -> tuple[Outputs, list[Outputs]]:
    """What ridge regressions on ``terms`` say of every row, and the same of permuted labels, ``draws`` times.

    As :func:`~jointset.relatedness.probes.probed` and :func:`~jointset.relatedness.probes.nulls`, for a sparse matrix
    ``(n, v)`` such as TF-IDF: classes by their indicators, numbers by the normal scores of their ranks. A few hundred
    directions that were found without labels keep what texts are about, and lose most of what is said of it; single
    terms do not. Solved in the dual, so that it takes less than the directions do. A fold learns from at most 2,000
    rows. Raises ArrayError for another number of rows.

    >>> from scipy.sparse import csr_matrix
    >>> x = csr_matrix(np.repeat(np.eye(2), 20, axis=0))
    >>> said, chance = probed_terms({"t": np.repeat([0, 1], 20)}, x, draws=2)
    >>> said["t"].argmax(1).tolist() == [0] * 20 + [1] * 20, len(chance)
    (True, 2)
    """
    given = checked(labels)
    n, rng = len(next(iter(given.values()))), np.random.default_rng(seed)
    if terms.shape[0] != n:
        raise ArrayError(f"terms: {terms.shape[0]} rows for {n} rows of labels")
    fold = folds_of(n, groups, 2, seed)
    said: Outputs = {}
    chance: list[Outputs] = [{} for _ in range(draws)]
    for name, y in given.items():
        rows, target = np.flatnonzero(is_labelled(y)), numbers(y)
        wide = [target[rows], *(target[rng.permutation(rows)] for _ in range(draws))]
        found = np.zeros((n, (1 + draws) * target.shape[1]))
        for f in (0, 1):
            train = rng.permutation(np.flatnonzero(fold[rows] != f))[:MOST]
            part = _ridge(terms, rows[train], np.concatenate(wide, axis=1)[train])
            own = np.isin(np.arange(n), rows)
            found[own & (fold == f)] = part[own & (fold == f)]
            found[~own] += part[~own] / 2
        kept = found if y.dtype.kind == "f" else np.clip(found, LEAST, 1 - LEAST)
        said[name], *others = np.split(kept, 1 + draws, axis=1)
        for into, other in zip(chance, others, strict=True):
            into[name] = other
    return said, chance


def numbers(y: Array) -> Floats:
    """Labels as columns of numbers ``(n, K)``: classes as indicators, and what is missing as the column's mean.

    >>> numbers(np.array([0, 1, -1])).round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    """
    if y.dtype.kind == "f":
        return np.asarray(np.nan_to_num(graded(y))[:, None])
    codes = y if y.ndim == 2 else np.where(y[:, None] < 0, -1, y[:, None] == np.arange(max(y.max() + 1, 2)))
    known = codes >= 0
    mean = np.where(known, codes, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, codes, mean)


def _ridge(terms: Any, train: Any, y: Floats) -> Floats:
    """Ridge regression of ``y`` ``(m, K)`` on the m rows ``train``, its word on all rows, ``(n, K)``."""
    if not len(train):
        return np.zeros((terms.shape[0], y.shape[1]))
    used = np.unique(terms[train].indices)
    own, mean = terms[train][:, used], y.mean(axis=0)
    kernel = (own @ own.T).toarray() + PENALTY * np.eye(len(train))
    slope = own.T @ np.linalg.solve(kernel, y - mean)
    return np.asarray(terms[:, used] @ slope + mean)
