"""Near-copies of table rows: equal when numbers are rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.audit.duplicates.base import Pairs, in_order
from jointset.audit.features.tables import has_value, is_missing, is_number
from jointset.data import hashing
from jointset.errors import ArrayError


def near_tables(columns: Mapping[str, NDArray[Any]], *, digits: int = 3) -> Pairs:
    """Pairs of rows of which every number is equal to ``digits`` significant digits, and every category without regard
    to case and spaces; each row is paired with the first that it equals. Rows without any value equal nothing.

    The similarity of a pair is the share of columns that are equal as they stand. Raises ``ArrayError`` for fewer than
    one digit.

    >>> near_tables({"x": np.array([1.0001, 1.0002, 2.0]), "y": np.array(["a", "A ", "a"], object)}).second.tolist()
    [1]
    """
    if digits < 1:
        raise ArrayError(f"digits must be at least 1, found {digits}")
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    rows = np.flatnonzero(has_value(arrays))
    arrays = {name: column[rows] for name, column in arrays.items()}
    rounded = {n: _rounded(c, digits) if is_number(c) else _folded(c) for n, c in arrays.items()}
    group = in_order(row_hashes(rounded))
    _, head = np.unique(group, return_index=True)
    again = np.flatnonzero(head[group] != np.arange(len(group)))
    first = head[group[again]]
    equal = np.zeros(len(again))
    for column in arrays.values():
        a, b = column[first], column[again]
        gone = is_missing(a), is_missing(b)
        known = ~(gone[0] | gone[1])
        equal[known] += np.asarray(a[known] == b[known], bool)
        equal += gone[0] & gone[1]
    return Pairs.of(rows[first], rows[again], equal / max(len(arrays), 1))


def row_hashes(columns: Mapping[str, NDArray[Any]]) -> hashing.Hashes:
    """A hash of every row, ``(n,)``.

    >>> len(np.unique(row_hashes({"x": np.array([1, 1, 2])})))
    2
    """
    table = pa.table({n: pa.array(c, from_pandas=True) for n, c in columns.items()})
    return hashing.hash_rows(table)


def _rounded(column: NDArray[Any], digits: int) -> NDArray[np.float64]:
    values = column.astype(np.float64)
    known = np.isfinite(values) & (values != 0)
    out = values.copy()
    power = np.floor(np.log10(np.abs(values[known])))
    scale = 10.0 ** (digits - 1 - power)
    out[known] = np.round(values[known] * scale) / scale
    return out + 0.0


def _folded(column: NDArray[Any]) -> NDArray[np.object_]:
    gone = is_missing(column).tolist()
    return np.array(
        [None if no else str(v).strip().lower() for v, no in zip(column.tolist(), gone, strict=True)], object
    )
