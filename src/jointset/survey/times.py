"""The time of every row, out of the column that a configuration names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jointset.data import Dataset
from jointset.records import Floats
from jointset.survey.inputs import columns_of

KINDS = (
    pa.timestamp("us"),
    pa.timestamp("us", tz="UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ns", tz="UTC"),
    pa.float64(),
)  # that texts are read as; all values of a column alike, as dates with and without a zone have no common order
NUMBERS = (
    pa.types.is_temporal,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_null,
)


def times_of(dataset: Dataset) -> Floats | None:
    """The time of every row as a number, NaN where there is none: texts as dates (ISO 8601), or as numbers.

    ``None`` where the configuration names no time, or the column holds none.
    """
    if dataset.time is None:
        return None
    column = dataset.table.column(dataset.time)
    column = _read(_trimmed(column)) if _is_text(column) else column
    if column is None or not any(test(column.type) for test in NUMBERS):
        return None
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    (values,) = columns_of(pa.table({"time": column})).values()
    return values


def why_none(dataset: Dataset) -> str:
    """Why the column that is named holds no times: its first value that is none."""
    column = dataset.table.column(dataset.time)
    if not _is_text(column):
        return f"a column of {column.type} holds no dates and no numbers"
    texts = _trimmed(column).drop_null().unique()
    odd = next((v.as_py() for v in texts if _read(pa.array([v.as_py()])) is None), None)
    if odd is None:
        return "dates with a zone, dates without one and numbers are mixed; write all of them alike"
    return f"{odd[:40]!r} is no date (ISO 8601, such as 2024-01-31T10:00:00Z) and no number"


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _trimmed(column: pa.ChunkedArray) -> Any:
    """Texts without spaces around them, and without empty ones."""
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), None, column)


def _read(texts: Any) -> Any:
    """Texts as the first kind that all of them are, or ``None``."""
    read = (_cast(texts, kind) for kind in KINDS)
    return next((values for values in read if values is not None), None)


def _cast(texts: Any, kind: pa.DataType) -> Any:
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return None
