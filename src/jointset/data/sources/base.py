"""What all sources share: checks of the table, where a text file breaks, where a file is missing."""

from __future__ import annotations

import bz2
import codecs
import gzip
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from jointset.errors import DataError, nearest

READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error)
SPLIT_NAMES = {
    "train": 0, "training": 0,
    "holdout": 1, "valid": 1, "validation": 1, "val": 1, "dev": 1,
    "test": 2, "testing": 2,
}  # fmt: skip


def finish(table: pa.Table, *, name: str, where: str) -> pa.Table:
    """The table every source hands on: unique column names, some rows, plain types, no foreign metadata.

    >>> categories = pa.array(["x", "x"]).dictionary_encode()
    >>> finish(pa.table({"a": categories}), name="d", where="d.csv").schema.types
    [DataType(string)]
    """
    repeated = [c for c, times in Counter(table.column_names).items() if times > 1]
    if repeated:
        listed = ", ".join(repr(c) for c in repeated)
        raise DataError(
            f"dataset {name}: {where} has the column {listed} more than once; give each column its own name"
        )
    if not table.num_columns:
        raise DataError(f"dataset {name}: {where} has no columns; expected at least one input column")
    if not table.num_rows:
        raise DataError(f"dataset {name}: {where} has no rows; expected at least one row below the header")
    return pa.table(
        [_plain(c) for c in table.columns], schema=pa.schema([_plain_field(f) for f in table.schema])
    )


def find(source: str | Path, name: str) -> Path:
    """The path of a file or folder that exists, else a :class:`DataError` with the nearest name."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"dataset {name}: no folder {folder} (looking for {path.name}); check the path")
    near = nearest(path.name, sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")))
    raise DataError(f"dataset {name}: no file {path.name} in {folder}{near}; check the path")


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed when its name ends in .gz or .bz2."""
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix.lower(), open)
    stream: IO[bytes] = opener(path, "rb")
    return stream


def check_utf8(path: Path, name: str) -> None:
    """Raise a :class:`DataError` with byte offset and line number when a text file is not UTF-8."""
    try:
        _check_utf8(path, name)
    except READ_ERRORS as error:
        raise broken(path, name, "text", error) from None


def _check_utf8(path: Path, name: str) -> None:
    decoder, offset, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    with open_bytes(path) as stream:
        while True:
            block = stream.read(1 << 20)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                bad = error.start
                line += error.object[:bad].count(b"\n")
                found = error.object[bad : bad + 1].hex()
                raise DataError(
                    f"dataset {name}: {path.name} is not UTF-8: byte 0x{found} at offset "
                    f"{offset - pending + bad}, "
                    f"line {line}; save the file as UTF-8"
                ) from None
            line += block.count(b"\n")
            offset += len(block)
            if not block:
                return


def broken(path: Path, name: str, kind: str, error: Exception) -> DataError:
    """The one-line error of a file that cannot be read as what its name says."""
    message = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return DataError(f"dataset {name}: {path} cannot be read as {kind}: {message}; write the file again")


def with_splits(tables: dict[str, pa.Table], *, name: str, where: str) -> pa.Table:
    """Tables of several splits one after another, with a ``split`` column where they have none.

    >>> tables = {"train": pa.table({"a": [1]}), "test": pa.table({"a": [2]})}
    >>> with_splits(tables, name="d", where="d").to_pydict()
    {'a': [1, 2], 'split': ['train', 'test']}
    """
    if any("split" in t.column_names for t in tables.values()):
        parts = list(tables.values())
    else:
        parts = [t.append_column("split", pa.array([s] * t.num_rows, pa.string())) for s, t in tables.items()]
    return concat(parts, name=name, where=where)


def concat(parts: list[pa.Table], *, name: str, where: str) -> pa.Table:
    """Tables one after another; columns that only some have are null elsewhere."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        message = str(error).strip().splitlines()[0][:200]
        raise DataError(
            f"dataset {name}: the parts of {where} do not fit together: {message}; use one schema"
        ) from None


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if str(kind) == "string_view" else pa.binary() if str(kind) == "binary_view" else kind


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted = _plain_type(column.type)
    return column if wanted.equals(column.type) else column.cast(wanted)


def _plain_field(field: pa.Field) -> pa.Field:
    shape = (field.metadata or {}).get(b"jointset.shape")
    return pa.field(
        field.name, _plain_type(field.type), metadata={b"jointset.shape": shape} if shape else None
    )
