"""Further rows of rare classes by the SMOTE family (Chawla et al. 2002), with imbalanced-learn: arrays in and out."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.errors import DataError, MissingExtra
from jointset.records import Floats, Ints

METHODS = ("smote", "borderline", "svm", "adasyn", "decoded")


def further_rows(
    numbers: Floats, categories: Ints, labels: Ints, *, method: str = "smote", neighbours: int = 5, seed: int = 0,
    where: str = "smote", classes: tuple[str, ...] = (),
) -> tuple[Floats, Ints, Ints]:  # fmt: skip
    """New rows that bring every class to the size of the largest: numbers ``(m, d)``, categories ``(m, c)``, labels.

    Parameters
    ----------
    numbers, categories, labels : of n rows: values, codes, class codes.
    method : *smote* between a row and a near one of its class (SMOTE-NC where there are categories, which vote),
        *borderline*, *svm* and *adasyn* with more rows where classes meet, on numbers alone: categories are those of
        the nearest row of the class.
    neighbours : near rows that take part; a class needs one row more.
    where, classes : for the message of an error.

    Raises :class:`~jointset.errors.DataError` for a class with too few rows, and MissingExtra without imbalanced-learn.

    >>> x = np.concatenate([np.zeros((20, 1)), np.ones((6, 1))]) + np.linspace(0, 0.1, 26)[:, None]
    >>> made, _, labels = further_rows(x, np.zeros((26, 0), int), np.repeat([0, 1], [20, 6]))
    >>> len(made), bool(((made >= 1.07) & (made <= 1.1)).all()), set(labels.tolist())
    (14, True, {1})
    """
    counts = np.bincount(labels)
    few = [c for c in np.flatnonzero(counts) if counts[c] <= neighbours and counts[c] < counts.max()]
    if few:
        name = classes[few[0]] if classes else str(few[0])
        raise DataError(
            f"{where}: class {name!r} has {counts[few[0]]} rows to train on, and {method} with {neighbours} neighbours "
            f"needs {neighbours + 1}; lower neighbours, or take it out"
        )
    if (counts[counts > 0] == counts.max()).all():
        return numbers[:0], categories[:0], labels[:0]
    n, d = numbers.shape
    joint = method == "smote" and categories.shape[1] > 0
    table = np.concatenate([numbers, categories], 1) if joint else numbers
    sampler = _sampler(method, neighbours, seed, list(range(d, table.shape[1])) if joint else [])
    made, named = sampler.fit_resample(table, labels)
    made, named = np.asarray(made)[n:], np.asarray(named)[n:]
    if joint:
        return made[:, :d], made[:, d:].astype(categories.dtype), named
    return made, _nearest(numbers, categories, labels, made, named), named


def _sampler(method: str, neighbours: int, seed: int, categorical: list[int]) -> Any:
    try:
        from imblearn import over_sampling
    except ImportError:
        raise MissingExtra("imbalanced-learn", "tabular", "augment.tasks.T.smote") from None
    if categorical:
        return over_sampling.SMOTENC(categorical, random_state=seed, k_neighbors=neighbours)
    if method == "adasyn":
        return over_sampling.ADASYN(random_state=seed, n_neighbors=neighbours)
    made = {
        "smote": over_sampling.SMOTE,
        "decoded": over_sampling.SMOTE,
        "borderline": over_sampling.BorderlineSMOTE,
        "svm": over_sampling.SVMSMOTE,
    }
    return made[method](random_state=seed, k_neighbors=neighbours)


def _nearest(numbers: Floats, categories: Ints, labels: Ints, made: Floats, named: Ints) -> Ints:
    """The categories of the nearest row of the same class."""
    from sklearn.neighbors import NearestNeighbors

    found = np.zeros((len(made), categories.shape[1]), categories.dtype)
    for code in np.unique(named) if categories.shape[1] else ():
        own = np.flatnonzero(labels == code)
        near = (
            NearestNeighbors(n_neighbors=1)
            .fit(numbers[own])
            .kneighbors(made[named == code], return_distance=False)
        )
        found[named == code] = categories[own[near[:, 0]]]
    return found
