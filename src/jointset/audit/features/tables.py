"""Tables: numbers standardised, categories as indicator columns, missing values said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.features.images import reduced
from jointset.errors import ArrayError
from jointset.records import Bools

MOST = 30  # categories of a column that get an indicator of their own
CLIP = 8.0  # robust standard deviations; one absurd value must not be all that a distance sees


def table_features(columns: Mapping[str, NDArray[Any]], *, width: int | None = None) -> NDArray[np.float32]:
    """An embedding ``(n, d)`` of a table of named columns ``(n,)``, numbers or categories.

    A number is shifted by its median and scaled by its standard deviation (over the middle 98 %), bounded by ±8; a
    missing one is the median and sets an indicator. Of a category column the commonest 30 values have an indicator,
    scaled so that two different values are as far apart as two numbers by √2 standard deviations. With ``width``, the
    first principal components. Raises ``ArrayError`` for columns of different length.

    >>> table_features({"age": np.array([20.0, 30.0, np.nan]), "job": np.array(["a", "b", "a"], object)}).shape
    (3, 4)
    """
    if not columns:
        raise ArrayError("columns: there are none; name at least one")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ArrayError(
            f"columns differ in length: {', '.join(f'{k} {v}' for k, v in list(lengths.items())[:5])}"
        )
    parts = [part for column in columns.values() for part in _features(as_plain(column))]
    points = np.stack(parts, axis=1) if parts else np.zeros((next(iter(lengths.values())), 1), np.float32)
    return (
        reduced(points, width) if width is not None and points.shape[1] > width else points.astype(np.float32)
    )


def is_number(column: NDArray[Any]) -> bool:
    """Whether a column holds numbers, as opposed to categories.

    >>> is_number(np.array([1, 2])), is_number(np.array(["a"], object))
    (True, False)
    """
    return column.dtype.kind in "iufb"


def is_missing(column: NDArray[Any]) -> Bools:
    """Where a column ``(n,)`` has no value: NaN, NaT, ``None`` or pandas' ``NA``.

    >>> is_missing(np.array(["a", None], object)).tolist(), is_missing(np.array([1, 2])).tolist()
    ([False, True], [False, False])
    """
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind in "iubUS":
        return np.zeros(len(column), bool)
    import pandas as pd

    return np.asarray(pd.isna(column), bool)


def as_plain(values: ArrayLike) -> NDArray[Any]:
    """A column ``(n,)`` with dates, and objects that are all numbers or all dates, as floats, NaN where missing.

    >>> as_plain(np.array([1, 2.5, None], object)).tolist(), as_plain(["1970-01-02", None]).tolist()
    ([1.0, 2.5, nan], ['1970-01-02', None])
    >>> as_plain(np.array(["1970-01-02", "NaT"], "datetime64[D]")).tolist()
    [1.0, nan]
    """
    column = np.asarray(values)
    if column.dtype.kind not in "OMm" or column.ndim != 1:
        return column
    gone = is_missing(column)
    known = column[~gone]
    out = np.full(len(column), np.nan)
    if column.dtype.kind in "Mm":
        out[~gone] = known.astype(np.int64)
        return out
    kinds = {type(v) for v in known.tolist()}
    if kinds and all(issubclass(k, (Real, Decimal, np.bool_)) for k in kinds):
        out[~gone] = [float(v) for v in known.tolist()]
    elif kinds and all(issubclass(k, date) for k in kinds):
        try:
            out[~gone] = np.array([_moment(v) for v in known.tolist()], "datetime64[us]").astype(np.int64)
        except (TypeError, ValueError, OverflowError):  # a year that NumPy cannot hold
            return column
    else:
        return column
    return out


def _moment(day: date) -> date:
    """A date, its zone taken off at Greenwich."""
    if isinstance(day, datetime) and day.tzinfo is not None:
        return day.astimezone(timezone.utc).replace(tzinfo=None)
    return day


def as_texts(column: NDArray[Any], missing: str = "") -> NDArray[Any]:
    """The values of a category column ``(n,)`` as text.

    >>> as_texts(np.array(["a", None, 3], object)).tolist()
    ['a', '', '3']
    """
    gone = is_missing(column).tolist()
    return np.array([missing if no else str(v) for v, no in zip(column.tolist(), gone, strict=True)] or [""])[
        : len(column)
    ]


def has_value(columns: Mapping[str, NDArray[Any]]) -> Bools:
    """Rows with a value in some column, ``(n,)``.

    >>> has_value({"x": np.array([1.0, np.nan]), "y": np.array([None, None], object)}).tolist()
    [True, False]
    """
    given = [~is_missing(c) for c in columns.values()]
    return np.asarray(np.logical_or.reduce(given)) if given else np.empty(0, bool)


def _features(column: NDArray[Any]) -> list[NDArray[np.float32]]:
    return _numbers(column) if is_number(column) else _categories(column)


def _numbers(column: NDArray[Any]) -> list[NDArray[np.float32]]:
    values = column.astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        return []
    low, middle, high = np.quantile(values[known], [0.01, 0.5, 0.99])
    spread = float(np.std(np.clip(values[known], low, high))) or float(np.std(values[known])) or 1.0
    scaled = np.clip((np.where(known, values, middle) - middle) / spread, -CLIP, CLIP).astype(np.float32)
    return [scaled] if known.all() else [scaled, (~known).astype(np.float32)]


def _categories(column: NDArray[Any]) -> list[NDArray[np.float32]]:
    names, codes, counts = np.unique(as_texts(column), return_inverse=True, return_counts=True)
    common = np.argsort(-counts, kind="stable")[:MOST]
    return [(codes == c).astype(np.float32) for c in common[: max(len(names), 1)]]
