"""Folders of images: ``ROOT/CLASS/*.png``, or ``ROOT/SPLIT/CLASS/*.png``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from jointset.data.sources.folders import read_classes

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def read(source: Path, *, name: str) -> pa.Table:
    """The images of a folder: ``image`` (path), ``label`` and, where there are splits, ``split``."""
    return read_classes(source, EXTENSIONS, column="image", noun="image", name=name)
