"""Out-of-fold predictions of ordinary scikit-learn models, trained on the given labels alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def digit_models(seed: int) -> dict[str, Callable[[], Any]]:
    """The three kinds of model of the digits, as scikit-learn has them."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    return {
        "LR": lambda: LogisticRegression(max_iter=300),
        "MLP": lambda: MLPClassifier(early_stopping=True, n_iter_no_change=20, random_state=seed),
        "forest": lambda: RandomForestClassifier(200, random_state=seed),
    }


def folds_of(n: int, folds: int, seed: int) -> Array:
    """A fold for every row, all of one size, ``(n,)``."""
    return np.random.default_rng(seed).permutation(n) % folds


def class_probs(
    make: Callable[[], Any], x: Any, given: Array, classes: int, *, folds: int = 5, seed: int = 0
) -> Array:
    """``(n, K) float32``: each row by a model that was trained on the labelled rows of the other folds."""
    fold, probs = folds_of(len(given), folds, seed), np.zeros((len(given), classes), np.float32)
    for k in range(folds):
        train, own = np.flatnonzero((fold != k) & (given >= 0)), np.flatnonzero(fold == k)
        if len(np.unique(given[train])) == 1:  # no model can be trained on one class
            probs[own, given[train[0]]] = 1
            continue
        model = make().fit(x[train], given[train])
        probs[own[:, None], model.classes_[None, :]] = model.predict_proba(x[own])
    return probs


def entry_probs(make: Callable[[], Any], x: Any, given: Array, *, folds: int = 3, seed: int = 0) -> Array:
    """``(n, K) float32``: a binary model for each 0/1 column."""
    return np.stack(
        [class_probs(make, x, column, 2, folds=folds, seed=seed)[:, 1] for column in given.T], axis=1
    )


def numbers(make: Callable[[], Any], x: Array, given: Array, *, folds: int = 5, seed: int = 0) -> Array:
    """``(n,)`` predicted numbers."""
    fold, predicted = folds_of(len(given), folds, seed), np.zeros(len(given))
    for k in range(folds):
        predicted[fold == k] = make().fit(x[fold != k], given[fold != k]).predict(x[fold == k])
    return predicted
