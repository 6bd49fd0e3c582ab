"""Folders of sounds: ``ROOT/CLASS/*.wav``, or ``ROOT/SPLIT/CLASS/*.wav``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from jointset.data.sources.folders import read_classes

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")


def read(source: Path, *, name: str) -> pa.Table:
    """The sounds of a folder: ``audio`` (path), ``label`` and, where there are splits, ``split``."""
    return read_classes(source, EXTENSIONS, column="audio", noun="sound", name=name)
