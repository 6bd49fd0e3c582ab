"""Checks of input columns, by modality."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jointset.errors import DataError

Inputs = dict[str, tuple[str, ...]]


def check_inputs(
    table: pa.Table, inputs: Mapping[str, tuple[str, ...]], starred: bool, *, name: str, root: Path | None
) -> tuple[Inputs, tuple[str, ...]]:
    """The inputs that can be used, and notes on columns that ``"*"`` left out.

    A column that was named and cannot be used is a :class:`~jointset.errors.DataError`.

    >>> t = pa.table({"a": [1, 2], "b": pa.array([None, None], pa.int64())})
    >>> check_inputs(t, {"tabular": ("a", "b")}, True, name="d", root=None)
    ({'tabular': ('a',)}, ("dataset d: column 'b' is no input: it is empty in every row",))
    """
    checks = {"tabular": _tabular, "text": _text, "image": _image, "audio": _audio}
    kept: Inputs = {}
    notes = []
    for modality, columns in inputs.items():
        if modality not in checks:
            raise DataError(f"dataset {name}: unknown modality {modality!r}; known: {', '.join(checks)}")
        good = []
        for column in columns:
            values = table.column(column)
            problem = all_missing(values) or checks[modality](values, table.schema.field(column), root)
            if not problem:
                good.append(column)
            elif starred and modality == "tabular" and "infinite" not in problem:
                notes.append(f"dataset {name}: column {column!r} is no input: it {problem}")
            else:
                mend = "" if ";" in problem else "; name another column"
                raise DataError(f"dataset {name}: {modality} input {column!r} {problem}{mend}")
        if not good:
            raise DataError(f"dataset {name}: no {modality} input column can be used: {'; '.join(notes)}")
        kept[modality] = tuple(good)
    return kept, tuple(notes)


def text_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text; numbers are written out.

    >>> text_column(pa.chunked_array([[1, None]])).to_pylist()
    ['1', None]
    """
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column if is_text else column.cast(pa.large_string())


def all_missing(column: pa.ChunkedArray) -> str:
    """Says so where a column of inputs has no value in any row; empty otherwise.

    >>> all_missing(pa.chunked_array([["", None]])), all_missing(pa.chunked_array([[0, None]]))
    ('is empty in every row', '')
    """
    empty = column.null_count == len(column)
    if not empty and pa.types.is_floating(column.type):
        empty = bool(pc.all(pc.fill_null(pc.is_nan(column), True)).as_py())
    if not empty and (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        lengths = pc.utf8_length(pc.utf8_trim_whitespace(column))
        empty = not pc.max(lengths).as_py()
    return "is empty in every row" if empty else ""


def _tabular(column: pa.ChunkedArray, field: pa.Field, root: Path | None) -> str:
    kind = column.type
    if pa.types.is_fixed_size_list(kind) and _is_number(kind.value_type):
        return _infinite(column)
    if _is_number(kind):
        return _infinite(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_temporal(kind):
        return ""
    return f"is {kind}; tabular columns hold numbers, text, truth values or dates"


def _is_number(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return number or pa.types.is_boolean(kind)


def _infinite(column: pa.ChunkedArray) -> str:
    nested = pa.types.is_fixed_size_list(column.type)
    values = pc.list_flatten(column) if nested else column
    if not pa.types.is_floating(values.type):
        return ""
    mask = np.asarray(pc.fill_null(pc.is_inf(values), False))
    count = int(mask.sum())
    if not count:
        return ""
    first = int(np.flatnonzero(mask)[0])
    row = pc.list_parent_indices(column)[first].as_py() if nested else first
    return f"has {count:,} infinite values (first in row {row}); replace them by numbers, or leave them empty"


def _text(column: pa.ChunkedArray, field: pa.Field, root: Path | None) -> str:
    kind = column.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or _is_number(kind)
        or pa.types.is_temporal(kind)
    ):
        return ""
    return f"is {kind}; text columns hold text (join lists to one string first)"


def _image(column: pa.ChunkedArray, field: pa.Field, root: Path | None) -> str:
    if _is_encoded(column.type):
        return ""
    if pa.types.is_fixed_size_list(column.type) and b"jointset.shape" in (field.metadata or {}):
        return _infinite(column)
    if not is_path(column.type):
        return f"is {column.type}; image columns hold paths, encoded bytes, or arrays of height × width (× channels)"
    return _absent_files(column, root)


def _audio(column: pa.ChunkedArray, field: pa.Field, root: Path | None) -> str:
    kind = column.type
    if _is_encoded(kind):
        return ""
    if pa.types.is_struct(kind):
        names = {kind.field(i).name for i in range(kind.num_fields)}
        if names >= {"array", "sampling_rate"}:
            return ""
        return f"has the fields {', '.join(sorted(names))}; sounds have bytes or path, or array and sampling_rate"
    if _is_list(kind) and _is_number(kind.value_type):
        return ""
    if not is_path(kind):
        return (
            f"is {kind}; audio columns hold paths, encoded bytes (such as those of a WAV file), or samples, "
            "best as {array, sampling_rate}"
        )
    return _absent_files(column, root)


def is_path(kind: pa.DataType) -> bool:
    """Whether a column of images or sounds names files.

    >>> is_path(pa.string()), is_path(pa.binary())
    (True, False)
    """
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_encoded(kind: pa.DataType) -> bool:
    """Bytes of files, plain or, beside a path, as Hugging Face keeps them."""
    if pa.types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        return "bytes" in names and _is_encoded(kind.field(names.index("bytes")).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _absent_files(column: pa.ChunkedArray, root: Path | None) -> str:
    base = root or Path()
    absent = [(i, p) for i, p in enumerate(column.to_pylist()) if p is not None and not (base / p).is_file()]
    if not absent:
        return ""
    row, path = absent[0]
    return (
        f"names {len(absent):,} files that do not exist (first {path!r} in row {row}, looked for in {base}); "
        "check the paths"
    )
