"""Folders of files by class: ``ROOT/CLASS/*``, or ``ROOT/SPLIT/CLASS/*``."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from jointset.data.sources.base import SPLIT_NAMES, finish
from jointset.errors import DataError


def count(path: Path, extensions: tuple[str, ...]) -> int:
    """How many files of these extensions a folder holds, at any depth.

    >>> count(Path("nowhere"), (".wav",))
    0
    """
    return len(_files(path, extensions))


def read_classes(source: Path, extensions: tuple[str, ...], *, column: str, noun: str, name: str) -> pa.Table:
    """List the files of a folder in the order of their paths.

    Columns are ``column`` (path relative to the folder, with ``/``), ``label`` (name of the class folder) and,
    when the first level is made of split names such as train and test, ``split``. ``noun`` names one file in
    the message of the :class:`~jointset.errors.DataError` about files outside of any class folder.
    """
    paths = _files(source, extensions)
    parts = [p.split("/") for p in paths]
    depth = 2 if all(len(p) >= 3 and p[0].lower() in SPLIT_NAMES for p in parts) else 1
    flat = next((p for p, q in zip(paths, parts, strict=True) if len(q) <= depth), None)
    if flat is not None:
        raise DataError(
            f"dataset {name}: {flat} in {source} stands in no class folder; expected CLASS/{noun.upper()} or "
            f"SPLIT/CLASS/{noun.upper()}, or list the {noun}s in a CSV file with a column of paths"
        )
    columns = {column: paths, "label": [p[depth - 1] for p in parts]}
    if depth == 2:
        columns["split"] = [p[0] for p in parts]
    return finish(
        pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}), name=name, where=str(source)
    )


def _files(source: Path, extensions: tuple[str, ...]) -> list[str]:
    return sorted(
        Path(folder, f).relative_to(source).as_posix()
        for folder, _, files in os.walk(source)
        for f in files
        if f.lower().endswith(extensions) and not f.startswith(".")
    )
