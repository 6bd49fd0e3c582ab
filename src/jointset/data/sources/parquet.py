"""Parquet: one file, or a folder of parts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jointset.data.sources.base import READ_ERRORS, SPLIT_NAMES, broken, concat, finish
from jointset.data.sources.features import decode


def read(source: Path, *, name: str) -> pa.Table:
    """Read a Parquet file, or all in a folder in the order of their names (``key=value`` folders become
    columns).

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
    >>> pq.write_table(pa.table({"a": [1, 2]}), path)
    >>> read(path, name="a").num_rows
    2
    """
    if source.is_file():
        return finish(_part(source, name), name=name, where=source.name)
    parts = []
    paths = sorted(source.rglob("*.parquet"))
    splits = [path.stem.split("-")[0].lower() for path in paths]
    named = all(split in SPLIT_NAMES for split in splits)  # train-00000-of-00001.parquet, test.parquet, …
    for path, split in zip(paths, splits, strict=True):
        part = _part(path, name)
        if named and "split" not in part.column_names:
            part = part.append_column("split", pa.array([split] * part.num_rows, pa.string()))
        for key, _, value in (p.partition("=") for p in path.relative_to(source).parts[:-1] if "=" in p):
            if key not in part.column_names:
                part = part.append_column(key, pa.array([value] * part.num_rows, pa.string()))
        parts.append(part)
    return finish(concat(parts, name=name, where=str(source)), name=name, where=source.name)


def _part(path: Path, name: str) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return decode(file.read())
    except READ_ERRORS as error:
        raise broken(path, name, "Parquet", error) from None
