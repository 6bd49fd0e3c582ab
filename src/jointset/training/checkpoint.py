"""Tensors, arrays and plain values to one file and back, whole or not at all."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from jointset.data.storage import write_atomically

FORMAT = "2"  # raised when a training keeps other things of itself


def save(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write safetensors atomically: the file is either the old one or the new one. ``values`` must be JSON."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    owned = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}

    def write(file: Path) -> None:
        try:
            save_file(owned, file, metadata={"jointset": json.dumps(values), "format": FORMAT})
        except SafetensorError as error:  # it wraps what the system said
            raise OSError(errno.ENOSPC if "No space left" in str(error) else errno.EIO, str(error)) from None

    write_atomically(path, write)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`save` wrote."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["jointset"])


def usable(path: Path) -> bool:
    """Whether there is a file, and this version of the library wrote it."""
    from safetensors import safe_open

    if not path.is_file():
        return False
    with safe_open(path, framework="pt") as file:
        return bool(file.metadata().get("format") == FORMAT)


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an ``.npz`` atomically."""

    def write(file: Path) -> None:
        with file.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    write_atomically(path, write)
