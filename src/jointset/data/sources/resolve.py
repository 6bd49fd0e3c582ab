"""Which reader a source needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from jointset.data.sources import audio, frame, hf, images
from jointset.data.sources.base import find
from jointset.data.sources.folders import count
from jointset.errors import DataError, nearest

EXTENSIONS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
COMPRESSED = (".gz", ".bz2")


def kind_of(source: Any, *, name: str) -> str:
    """The key of the reader in the table of sources.

    >>> kind_of({"a": [1]}, name="d"), kind_of(pa.table({"a": [1]}), name="d")
    ('arrays', 'table')
    """
    if isinstance(source, (str, Path)):
        return kind_of_path(find(source, name), name)
    if isinstance(source, pa.Table):
        return "table"
    if frame.is_frame(source):
        return "frame"
    if hf.is_object(source):
        return "hf_object"
    if isinstance(source, Mapping):
        return "arrays"
    raise DataError(
        f"dataset {name}: a source of type {type(source).__name__} cannot be read; give a path, a pandas "
        f"frame, an Arrow "
        "table, a Hugging Face dataset or a mapping of arrays"
    )


def kind_of_path(path: Path, name: str) -> str:
    """The key of the reader for a file or folder that exists."""
    if path.is_dir():
        if hf.is_folder(path):
            return "hf"
        if any(path.rglob("*.parquet")):
            return "parquet"
        pictures, sounds = count(path, images.EXTENSIONS), count(path, audio.EXTENSIONS)
        if pictures or sounds:  # a cover among songs, or a clip among photographs, does not decide
            return "images" if pictures >= sounds else "audio"
        raise DataError(
            f"dataset {name}: folder {path} holds neither Parquet files, nor a saved Hugging Face dataset, "
            "nor images, nor sounds; give the path of a file"
        )
    suffix = path.suffix.lower()
    kind = None
    if suffix in COMPRESSED:
        inner = EXTENSIONS.get(Path(path.stem).suffix.lower())
        kind = inner if inner in ("csv", "jsonl") else None
    else:
        kind = EXTENSIONS.get(suffix)
    if kind is None:
        raise DataError(
            f"dataset {name}: unknown extension {path.suffix!r} of {path.name}{nearest(suffix, EXTENSIONS)}; "
            f"known: {', '.join(EXTENSIONS)}, and .csv or .jsonl with .gz or .bz2"
        )
    return kind
