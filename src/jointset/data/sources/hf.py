"""Hugging Face datasets: folders written by ``save_to_disk``, and Dataset or DatasetDict objects.

Neither needs the ``datasets`` package here: the folders hold Arrow files, the objects an Arrow table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from jointset.data.sources.arrow import read_ipc
from jointset.data.sources.base import broken, concat, finish, with_splits
from jointset.data.sources.features import decode
from jointset.errors import DataError


def is_folder(path: Path) -> bool:
    """Whether ``save_to_disk`` wrote this folder.

    >>> is_folder(Path("nowhere"))
    False
    """
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def is_object(source: Any) -> bool:
    """Whether a value is a Dataset or a DatasetDict.

    >>> is_object({"a": [1]})
    False
    """
    if isinstance(source, Mapping):
        return bool(source) and all(is_object(v) for v in source.values())
    return isinstance(getattr(getattr(source, "data", None), "table", None), pa.Table)


def read(source: Path, *, name: str) -> pa.Table:
    """Read a ``save_to_disk`` folder; the parts of a DatasetDict get a ``split`` column, class codes their "
    "names."""
    listing = source / "dataset_dict.json"
    if not listing.is_file():
        return finish(_folder(source, name), name=name, where=source.name)
    splits = _json(listing, name).get("splits", [])
    tables = {split: _folder(source / split, name) for split in splits}
    if not tables:
        raise DataError(f"dataset {name}: {listing} lists no splits; save the dataset again")
    return finish(with_splits(tables, name=name, where=source.name), name=name, where=source.name)


def read_object(source: Any, *, name: str) -> pa.Table:
    """Take a Dataset (its selected rows, in their order), or a DatasetDict with a ``split`` column."""
    if isinstance(source, Mapping):
        table = with_splits({str(k): _rows(v) for k, v in source.items()}, name=name, where="the DatasetDict")
    else:
        table = _rows(source)
    return finish(table, name=name, where="the Hugging Face dataset")


def _rows(dataset: Any) -> pa.Table:
    table: pa.Table = dataset.data.table
    indices = getattr(dataset, "_indices", None)
    if indices is not None:  # select, shuffle and filter keep the table and add a list of rows
        table = table.take(indices.column(0))
    features = getattr(dataset, "features", None)
    schema = getattr(features, "arrow_schema", None)
    return decode(table, schema.metadata if schema is not None else None)


def _folder(path: Path, name: str) -> pa.Table:
    files = [f["filename"] for f in _json(path / "state.json", name).get("_data_files", [])]
    if not files:
        raise DataError(f"dataset {name}: {path / 'state.json'} lists no data files; save the dataset again")
    return concat([decode(read_ipc(path / f, name)) for f in files], name=name, where=str(path))


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise broken(path, name, "a saved Hugging Face dataset", error) from None
    return content
