"""Cross-fitted predictions of a plain linear model over an embedding: what a check needs before anything is trained."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import as_points
from jointset.data.partition import partition
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

STRENGTH = 1.0  # inverse of the ridge penalty on standardised columns
OF_TERMS = 10.0  # the same of sparse rows of unit length
STEPS = 60
ROUNDING = 1e-6  # of a column's greatest magnitude, in single precision: a spread below it is none


def cross_fitted(
    embedding: Any,
    labels: ArrayLike,
    n_classes: int,
    *,
    groups: ArrayLike | None = None,
    folds: int = 5,
    most: int | None = None,
    seed: int = 0,
) -> Floats:
    """Class probabilities ``(n, n_classes)`` of a logistic regression that did not see the row nor its group.

    ``embedding`` may be sparse; ``labels`` ``(n,)`` are codes, -1 where missing: such rows are predicted, not learnt
    from. ``groups`` ``(n,)`` (copies, one patient's rows) stay in one fold. Classes of which a fold's training part
    has none get the class's share. At most ``most`` rows, drawn at random, teach a fold's model. Raises ``ArrayError``.

    >>> x = np.repeat([[0.0], [1.0]], 20, axis=0)
    >>> cross_fitted(x, np.repeat([0, 1], 20), 2).argmax(1).tolist() == [0] * 20 + [1] * 20
    True
    """
    points: Any = embedding if sparse(embedding) else as_points(embedding)
    given = np.asarray(labels)
    n = points.shape[0]
    if given.shape != (n,) or (n and given.max() >= n_classes):
        raise ArrayError(
            f"labels must be codes (n,) below {n_classes}, one for each of the {n} rows, found {given.shape}"
        )
    fold = folds_of(n, groups, folds, seed)
    known = given >= 0
    share = (np.bincount(given[known], minlength=n_classes) + 1) / (known.sum() + n_classes)
    out = np.tile(share, (n, 1))
    for f in range(folds):
        train, rest = np.flatnonzero(known & (fold != f)), np.flatnonzero(fold == f)
        if most is not None and most < len(train):
            train = np.sort(np.random.default_rng([seed, f]).permutation(train)[:most])
        if len(rest) and len(np.unique(given[train])) > 1:
            model = Linear(points[train], given[train])
            out[rest[:, None], model.classes] = model(points[rest])
    return out / out.sum(axis=1, keepdims=True)


def sparse(points: Any) -> bool:
    """Whether the rows are a sparse matrix, such as n-grams."""
    from scipy.sparse import issparse

    return bool(issparse(points))


def spreads(points: Floats, *, none: float = 0.0) -> Floats:
    """Standard deviation of every column ``(d,)``, in any unit; ``none`` for one that is constant but for rounding.

    >>> spreads(np.array([[0.0, 3.0, 1e-9], [0.0, 3.0, 3e-9]]), none=1.0).round(12).tolist()
    [1.0, 1.0, 1e-09]
    """
    found = points.std(axis=0, dtype=np.float64)  # in single precision, sums over many rows lose digits
    told = found > ROUNDING * np.abs(points).max(axis=0, initial=0.0)
    return np.where(told, found, none).astype(points.dtype)


class Linear:
    """A logistic regression over standardised columns; ``classes`` are the codes it has seen.

    Sparse rows, such as n-grams by TF-IDF, stay on their own scale.
    """

    def __init__(self, points: Any, labels: Ints, weights: Floats | None = None) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        # a hashed vocabulary is mostly empty
        self.used = np.unique(points.indices) if sparse(points) else None
        self.middle = None if sparse(points) else points.mean(axis=0, dtype=np.float64).astype(points.dtype)
        self.scale = None if sparse(points) else spreads(points, none=1.0)
        strength = STRENGTH if self.middle is not None else OF_TERMS
        self.model: Any = LogisticRegression(C=strength, max_iter=STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of steps is the intent
            self.model.fit(self._scaled(points), labels, sample_weight=weights)
        self.classes: Ints = self.model.classes_

    def __call__(self, points: Any) -> Floats:
        """Probabilities of the classes seen, ``(m, len(classes))``."""
        return np.asarray(self.model.predict_proba(self._scaled(points)))

    def _scaled(self, points: Any) -> Any:
        return points[:, self.used] if self.middle is None else (points - self.middle) / self.scale


def folds_of(n: int, groups: ArrayLike | None, folds: int, seed: int) -> Ints:
    """A fold for every row, ``(n,)``, groups whole and the folds about as large.

    >>> np.bincount(folds_of(10, None, 5, 0)).tolist()
    [2, 2, 2, 2, 2]
    """
    if folds < 2:
        raise ArrayError(f"folds must be at least 2, found {folds}")
    rng = np.random.default_rng(seed)
    if groups is None:
        return rng.permutation(np.arange(n) % folds)
    own = group_codes(groups, n)
    targets = np.full((1, folds), n / folds)
    return np.asarray(
        partition(own, np.zeros(n, np.int64), targets, rng, np.ones((int(own.max()) + 1, folds), bool))
    )


def group_codes(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """The groups ``(n,)`` of rows as codes from 0; raises ``ArrayError`` where they are not one name or number each.

    >>> group_codes(["b", "a", "b"], 3).tolist()
    [1, 0, 1]
    """
    own = np.asarray(groups)
    if own.shape != (n,):
        raise ArrayError(f"groups: expected one for each of the {n} rows, found {own.shape}")
    try:
        return np.unique(own, return_inverse=True)[1]
    except TypeError:
        kinds = ", ".join(sorted({type(g).__name__ for g in own.tolist()}))
        raise ArrayError(
            f"groups: expected names or numbers, all of one type, found {kinds}; give a row without a group one of "
            "its own"
        ) from None


def area(labels: Ints, scores: Floats) -> float:
    """Area under the curve of ``scores`` ``(n,)`` for 0/1 ``labels``; NaN with a single class (Hanley and McNeil 1982).

    >>> area(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    from scipy.stats import rankdata

    positive = int((labels == 1).sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(scores)[labels == 1].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def mean_area(labels: Ints, probs: Floats) -> float:
    """Mean area under the curve of every class against the rest; NaN where no class has rows on both sides.

    >>> mean_area(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    1.0
    """
    if probs.shape[1] == 2:
        return area(labels, probs[:, 1])
    found = [area((labels == k).astype(int), probs[:, k]) for k in range(probs.shape[1])]
    found = [a for a in found if a == a]
    return float(np.mean(found)) if found else float("nan")
