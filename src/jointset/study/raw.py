"""Columns of raw bytes as columns that every reader knows: pixels with their shape, sounds with their rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jointset.data.media.sounds import wav_of
from jointset.errors import DataError


def as_images(table: pa.Table, name: str, shape: Sequence[int], file: str) -> pa.Table:
    """The table with column ``name``, whose bytes are 8-bit pixels, as arrays of ``shape`` (height, width[, channels]).

    Raises ``DataError`` where a row has another number of bytes.

    >>> t = as_images(pa.table({"px": [bytes(range(6)), None]}), "px", (2, 3), "t")
    >>> t.schema.field("px").type, t["px"].to_pylist()
    (FixedSizeListType(fixed_size_list<item: uint8>[6]), [[0, 1, 2, 3, 4, 5], None])
    """
    column, wanted = _bytes(table, name, file, "image"), int(np.prod(shape))
    sizes = np.asarray(pc.fill_null(pc.binary_length(column), wanted))
    if (sizes != wanted).any():
        row = int(np.flatnonzero(sizes != wanted)[0])
        by = " × ".join(map(str, shape))
        raise DataError(
            f"{file}: column {name!r} has {sizes[row]:,} bytes in row {row}, and {by} are {wanted:,}"
        )
    null = np.asarray(column.is_null())
    values = b"".join(bytes(wanted) if v is None else v for v in column.to_pylist())
    pixels = np.frombuffer(values, np.uint8)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels), wanted, mask=pa.array(null))
    field = pa.field(name, flat.type, metadata={"jointset.shape": ",".join(map(str, shape))})
    return table.set_column(table.column_names.index(name), field, flat)


def as_sounds(table: pa.Table, name: str, rate: int, file: str) -> pa.Table:
    """The table with column ``name``, whose bytes are samples (16 bits, little-endian, one channel), as WAV files.

    Raises ``DataError`` where a row has half a sample.

    >>> as_sounds(pa.table({"pcm": [b"\\0\\1"]}), "pcm", 8000, "t")["pcm"][0].as_py()[:4]
    b'RIFF'
    """
    column = _bytes(table, name, file, "audio")
    sizes = np.asarray(pc.fill_null(pc.binary_length(column), 0))
    if (sizes % 2).any():
        row = int(np.flatnonzero(sizes % 2)[0])
        raise DataError(
            f"{file}: column {name!r} has {sizes[row]:,} bytes in row {row}; samples of 16 bits are two each"
        )
    files = pa.array([None if v is None else wav_of(v, rate) for v in column.to_pylist()], pa.binary())
    return table.set_column(table.column_names.index(name), name, files)


def _bytes(table: pa.Table, name: str, file: str, modality: str) -> pa.ChunkedArray:
    column = table.column(name)
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DataError(
            f"{file}: column {name!r} is {column.type}, not raw bytes; name it as it is: --input {modality}={name}"
        )
    return column
