"""Targets of scikit-learn, with gaps, as labels of tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.records import Bools


def columns(y: Any, name: str) -> tuple[dict[str, NDArray[Any]], bool]:
    """The columns of ``y`` by task, and whether there is but one, given flat.

    Tasks are called after the columns of a frame, else ``y``, or ``y0``, ``y1``, ….

    >>> columns([[1, 2], [3, 4]], "JointRegressor")[0]["y1"]
    array([2, 4])
    """
    if y is None:
        raise ArrayError(
            f"This {name} estimator requires y to be passed, but the target y is None; give labels"
        )
    if hasattr(y, "columns"):
        return {str(c): y[c].to_numpy() for c in y.columns}, False
    array = np.asarray(y)
    if array.ndim == 1:
        return {str(getattr(y, "name", None) or "y"): array}, True
    if array.ndim != 2 or not array.shape[1]:
        raise ArrayError(
            f"y should be a 1d array, or have a column for each task; got an array of shape {array.shape}"
        )
    return {f"y{i}": array[:, i] for i in range(array.shape[1])}, False


def known(values: NDArray[Any], missing: Any) -> Bools:
    """Where a label is there, ``(n,)``: neither None, NaN nor one of ``missing``, a value or a list of them.

    >>> known(np.array([1.0, np.nan, -1.0]), -1)
    array([ True, False, False])
    """
    import pandas as pd

    there = np.asarray(~pd.isna(values))
    listed = missing if isinstance(missing, Iterable) and not isinstance(missing, str) else [missing]
    for gap in listed:
        if gap is not None:
            there &= np.asarray(values != gap, bool)
    return there


def some(there: Bools, task: str) -> None:
    """Raise unless two labels are there."""
    if there.sum() < 2:
        raise ArrayError(
            f"task {task!r}: {int(there.sum())} labels are there, or have weight; two are needed at least"
        )
