"""Where rows come from: one file per format, one line per format in ``READERS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from jointset.data.sources import arrays, arrow, audio, csv, frame, hf, images, jsonl, parquet
from jointset.data.sources.base import SPLIT_NAMES, find
from jointset.data.sources.resolve import kind_of

READERS: dict[str, Callable[..., pa.Table]] = {
    "csv": csv.read,
    "jsonl": jsonl.read,
    "parquet": parquet.read,
    "arrow": arrow.read,
    "hf": hf.read,
    "images": images.read,
    "audio": audio.read,
    "table": arrow.read_table,
    "frame": frame.read,
    "hf_object": hf.read_object,
    "arrays": arrays.read,
}


def read(source: Any, *, name: str) -> pa.Table:
    """Read any source into an Arrow table with the original columns, by what it is.

    ``source`` is a path (file or folder), a pandas frame, an Arrow table, a Hugging Face dataset or a mapping
    of arrays; ``name`` is the dataset's name for messages. Raises :class:`~jointset.errors.DataError`.

    >>> read({"text": ["good", "bad"]}, name="reviews").column_names
    ['text']
    """
    reader = READERS[kind_of(source, name=name)]
    return reader(
        find(source, name) if hasattr(source, "__fspath__") or isinstance(source, str) else source, name=name
    )


__all__ = ["READERS", "SPLIT_NAMES", "kind_of", "read"]
