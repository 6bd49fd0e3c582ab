"""Mappings of column name → NumPy array or list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jointset.data.sources.base import finish
from jointset.errors import DataError


def read(source: Mapping[Any, Any], *, name: str) -> pa.Table:
    """Take a mapping of arrays with the same number of rows.

    An array of two or more dimensions becomes a fixed-size list per row, whose shape, without the rows,
    stands in the field's metadata as ``jointset.shape`` (for example ``28,28,3``).

    >>> t = read({"px": np.zeros((2, 4, 4), np.uint8), "y": ["a", "b"]}, name="a")
    >>> t.schema.field("px").type.list_size, t.schema.field("px").metadata[b"jointset.shape"]
    (16, b'4,4')
    """
    arrays: list[Any] = []
    fields: list[pa.Field] = []
    for key, values in source.items():
        array, shape = _column(str(key), values, name)
        metadata = {"jointset.shape": ",".join(map(str, shape))} if shape else None
        arrays.append(array)
        fields.append(pa.field(str(key), array.type, metadata=metadata))
    lengths = {f.name: len(a) for f, a in zip(fields, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{c} {n}" for c, n in lengths.items())
        raise DataError(
            f"dataset {name}: the arrays have different numbers of rows: {found}; give one value per row"
        )
    return finish(pa.table(arrays, schema=pa.schema(fields)), name=name, where="the mapping of arrays")


def _column(key: str, values: Any, name: str) -> tuple[pa.Array, tuple[int, ...]]:
    array = values if isinstance(values, (np.ndarray, list, tuple)) else np.asarray(values)
    try:
        if isinstance(array, np.ndarray) and array.ndim >= 2:
            shape = array.shape[1:]
            flat = pa.array(np.ascontiguousarray(array).reshape(-1))
            return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape))), shape
        return pa.array(array, from_pandas=True), ()
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        message = str(error).splitlines()[0][:160]
        raise DataError(
            f"dataset {name}: array {key!r} is not a column: {message}; use one type per array"
        ) from None
