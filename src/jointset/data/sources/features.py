"""Hugging Face features that stand in a table's schema metadata: class names, images and sounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def decode(table: pa.Table, metadata: Mapping[bytes, bytes] | None = None) -> pa.Table:
    """The table with class codes turned into class names, and the structs of images and sounds into bytes
    or paths (structs that hold both, some this and some that, stay); nothing is decoded.

    ``metadata`` is the schema metadata to go by (default: the table's own); a table without features is
    returned as it is.

    >>> info = {"info": {"features": {"y": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    >>> t = pa.table({"y": [1, 0, -1]}).replace_schema_metadata({"huggingface": json.dumps(info)})
    >>> decode(t).to_pydict()
    {'y': ['yes', 'no', None]}
    """
    raw = (metadata or table.schema.metadata or {}).get(b"huggingface")
    if not raw:
        return table
    features: Mapping[str, Any] = json.loads(raw).get("info", {}).get("features", {}) or {}
    for i, column in enumerate(table.column_names):
        decoded = _decode(table.column(i).combine_chunks(), features.get(column))
        if decoded is not None:
            table = table.set_column(i, column, decoded)
    return table


def _decode(array: pa.Array | pa.ChunkedArray, feature: Any) -> pa.Array | None:
    if isinstance(array, pa.ChunkedArray):  # pyarrow before 22 and columns above 2 GiB
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    inner = _inner(feature)
    if inner is not None and (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        values = _decode(array.flatten(), inner)
        return None if values is None else _same_lists(array, values)
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and feature.get("names") and pa.types.is_integer(array.type):
        names = pa.array(feature["names"], pa.string())
        known = pc.and_(pc.greater_equal(array, 0), pc.less(array, len(names)))
        return names.take(pc.if_else(known, array, pa.scalar(None, array.type)))
    if feature.get("_type") in ("Image", "Audio") and pa.types.is_struct(array.type):
        data, path = pc.struct_field(array, "bytes"), pc.struct_field(array, "path")
        if data.null_count == len(data):
            return path
        only_path = pc.and_(pc.is_null(data), pc.is_valid(path))
        return None if pc.any(only_path).as_py() else data
    return None


def _inner(feature: Any) -> Any:
    if isinstance(feature, list) and feature:
        return feature[0]
    if isinstance(feature, Mapping) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        return feature.get("feature")
    return None


def _same_lists(array: pa.Array, values: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    return pa.LargeListArray.from_arrays(offsets, values, mask=array.is_null() if array.null_count else None)
