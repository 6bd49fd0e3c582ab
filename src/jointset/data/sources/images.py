"""Folders of images: ``ROOT/CLASS/*.png``, or ``ROOT/SPLIT/CLASS/*.png``."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from jointset.data.sources.base import SPLIT_NAMES, finish
from jointset.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def is_folder(path: Path) -> bool:
    """Whether a folder holds an image anywhere.

    >>> is_folder(Path("nowhere"))
    False
    """
    return any(f.lower().endswith(EXTENSIONS) for _, _, files in os.walk(path) for f in files)


def read(source: Path, *, name: str) -> pa.Table:
    """List the images of a folder in the order of their paths.

    Columns are ``image`` (path relative to the folder, with ``/``), ``label`` (name of the class folder) and,
    when the first level is made of split names such as train and test, ``split``."""
    paths = sorted(
        Path(folder, f).relative_to(source).as_posix()
        for folder, _, files in os.walk(source)
        for f in files
        if f.lower().endswith(EXTENSIONS) and not f.startswith(".")
    )
    parts = [p.split("/") for p in paths]
    depth = 2 if all(len(p) >= 3 and p[0].lower() in SPLIT_NAMES for p in parts) else 1
    flat = next((p for p, q in zip(paths, parts, strict=True) if len(q) <= depth), None)
    if flat is not None:
        raise DataError(
            f"dataset {name}: {flat} in {source} stands in no class folder; expected CLASS/IMAGE or "
            f"SPLIT/CLASS/IMAGE, "
            "or list the images in a CSV file with a column of paths"
        )
    columns = {"image": paths, "label": [p[depth - 1] for p in parts]}
    if depth == 2:
        columns["split"] = [p[0] for p in parts]
    return finish(
        pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}), name=name, where=str(source)
    )
