"""Linear probes: what each task's label looks like from one shared set of features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints
from jointset.relatedness.columns import GROUPS, Array, checked, coded, graded, known, parts, points, varied

STRENGTH = 1.0  # inverse of the ridge penalty on standardised columns
STEPS = 60
LEAST = 1e-4  # probability


def standardised(features: Any, n: int) -> Floats:
    """Columns of mean 0 and spread 1, ``(n, d)``; constant ones are left out."""
    x = points(features, n)
    kept = varied(x)
    if not kept.any():
        raise ArrayError("features: every column is constant; there is nothing to learn from")
    x = x[:, kept]
    return np.clip((x - x.mean(axis=0)) / x.std(axis=0), -8, 8)


def probed(
    labels: Mapping[str, Any], features: Any, *, groups: Any = None, folds: int = 2, seed: int = 0
) -> dict[str, Floats]:
    """What a linear model of every task says of every row: probabilities, or a normal score, ``(n, K)``.

    Rows that carry the task's label are predicted by a model that did not see them nor their group (``groups``
    ``(n,)``: copies, one patient's rows), the others by the mean of the models. Classes: logistic regression. Label
    sets: one per label. Numbers: ridge regression of the normal scores of
    their ranks. A class that a fold does not know has a small probability.

    >>> x = np.repeat([[0.0], [1.0]], 20, axis=0)
    >>> probed({"t": np.repeat([0, 1], 20)}, x)["t"].argmax(1).tolist() == [0] * 20 + [1] * 20
    True
    """
    given = checked(labels)
    n = len(next(iter(given.values())))
    x, fold = standardised(features, n), folds_of(n, groups, folds, seed)
    out = {}
    for name, y in given.items():
        if y.ndim == 2:
            out[name] = np.stack([_crossed(x, p, fold, folds, 2)[:, 1] for p in parts(y)], axis=1)
        else:
            width = 1 if y.dtype.kind == "f" else max(int(y.max(initial=0)) + 1, 2)
            out[name] = _crossed(x, graded(y), fold, folds, width)
    return out


def nulls(
    labels: Mapping[str, Any], features: Any, *, draws: int = 9, groups: Any = None, seed: int = 0
) -> list[dict[str, Floats]]:
    """What :func:`probed` says when labels are permuted among the rows that carry them: sources without relation.

    Any direction of the features says something of a target, and many outputs say more than few: what a source says
    has to be compared with these. For speed they are ridge regressions of the classes' indicators. Labels of
    a set that are known in the same rows are permuted together; a missing one is learnt by neither.

    >>> x = np.repeat([[0.0], [1.0]], 20, axis=0)
    >>> len(nulls({"t": np.repeat([0, 1], 20)}, x, draws=2))
    2
    """
    given = checked(labels)
    n, rng = len(next(iter(given.values()))), np.random.default_rng(seed)
    x, fold = standardised(features, n), folds_of(n, groups, 2, seed)
    out: list[dict[str, Floats]] = [{} for _ in range(draws)]
    for name, y in given.items():
        numbers, there = _numbers(y)
        said = np.zeros((n, draws, numbers.shape[1]))
        for rows, columns in _alike(there):
            target = numbers[np.ix_(rows, columns)]
            wide = np.concatenate([target[rng.permutation(len(rows))] for _ in range(draws)], axis=1)
            for f in range(2):
                train = fold[rows] != f
                if train.any():
                    part = ridge(x, wide[train], rows[train])[fold == f]
                    said[np.ix_(fold == f, np.arange(draws), columns)] = part.reshape(len(part), draws, -1)
        kept = said if y.dtype.kind == "f" else np.clip(said, LEAST, 1 - LEAST)
        for d in range(draws):
            out[d][name] = kept[:, d]
    return out


def _numbers(y: Array) -> tuple[Floats, Bools]:
    """Labels as columns of numbers, classes as indicators, and where they are known, both ``(n, K)``."""
    if y.dtype.kind == "f":
        return np.nan_to_num(graded(y))[:, None], known(y)[:, None]
    if y.ndim == 2:
        return (y == 1).astype(np.float64), y >= 0
    told = np.asarray(y[:, None] == np.arange(max(int(y.max(initial=0)) + 1, 2)), np.float64)
    return told, np.repeat(known(y)[:, None], told.shape[1], axis=1)


def _alike(there: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Rows, and the columns that are known in just these."""
    patterns, which = np.unique(there, axis=1, return_inverse=True)
    for k, pattern in enumerate(patterns.T):
        yield np.flatnonzero(pattern), np.flatnonzero(which.ravel() == k)


def folds_of(n: int, groups: Any, folds: int, seed: int) -> Ints:
    """A fold for every row, groups whole, ``(n,)``.

    >>> np.bincount(folds_of(10, None, 2, 0)).tolist()
    [5, 5]
    """
    own = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if own.shape != (n,):
        raise ArrayError(f"groups: expected one for each of the {n} rows, found {own.shape}")
    order = np.random.default_rng(seed).permutation(int(own.max(initial=-1)) + 1)
    return np.asarray((order % folds)[own])


def _crossed(x: Floats, y: Array, fold: Ints, folds: int, width: int) -> Floats:
    there = known(y)
    total = np.zeros((len(x), width))
    for f in range(folds):
        train = np.flatnonzero(there & (fold != f))
        said = predicted(x, y, train, width)
        rows = ~there | (fold == f)
        total[rows] += np.where(there, 1.0, 1.0 / folds)[rows, None] * said[rows]
    return total


def predicted(x: Floats, y: Array, train: Ints, width: int) -> Floats:
    """What a model of the rows ``train`` says of all, ``(n, width)``; without two classes there, their shares."""
    if y.dtype.kind == "f":
        return ridge(x, y[train][:, None], train) if len(train) else np.zeros((len(x), 1))
    out = np.full((len(x), width), LEAST)
    seen = np.unique(y[train])
    if len(seen) > 1:
        out[:, seen] = logistic(x[train], y[train]).predict_proba(x)
    elif len(seen):
        out[:, seen] = 1.0
    out = np.maximum(out, LEAST)
    return out / out.sum(axis=1, keepdims=True)


def logistic(x: Floats, y: Ints) -> Any:
    """A logistic regression after a fixed number of steps."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of steps is the intent
        return LogisticRegression(C=STRENGTH, max_iter=STEPS).fit(x, y)


def ridge(x: Floats, y: Floats, train: Ints) -> Floats:
    """Ridge regression of ``y`` ``(m, K)`` on the m rows ``train``, its word on all rows, ``(n, K)``."""
    mean, middle = y.mean(axis=0), x[train].mean(axis=0)
    centred = x[train] - middle
    penalty = centred.T @ centred + np.eye(x.shape[1]) / STRENGTH
    slope = np.linalg.solve(penalty, centred.T @ (y - mean))
    return np.asarray(mean + (x - middle) @ slope)


def assignment(outputs: Floats, labels: Array) -> Floats:
    """Outputs of a task as a soft assignment to classes ``(n, Z)``, rows of sum one.

    Label sets: the labels' probabilities and that of none, scaled to one. Numbers: one of five groups of equal size.

    >>> assignment(np.array([[0.5, 0.5]]), np.array([[0, 1]])).round(2)
    array([[0.4, 0.4, 0.2]])
    """
    if labels.ndim == 2:
        none = np.prod(1 - outputs, axis=1, keepdims=True)
        outputs = np.concatenate([outputs, none], axis=1)
        return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), 1e-12)
    if outputs.shape[1] == 1:
        codes = coded(outputs[:, 0], GROUPS)
        return np.eye(int(codes.max()) + 1)[codes]
    return outputs / outputs.sum(axis=1, keepdims=True)
