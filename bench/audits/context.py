"""What every section is handed: where to work, the peer's interpreter; and results that are kept between calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Context:
    """``work``: folder for what is kept; ``peer``: an interpreter that can import cleanlab, or ``None``."""

    work: Path
    peer: str | None = None
    quick_images: bool = False


def digest(arrays: Iterable[NDArray[Any]]) -> str:
    """Twelve hex digits that change with any value, type or shape.

    >>> digest([np.arange(3)]) == digest([np.arange(3)]), digest([np.arange(3)]) == digest([np.arange(4)])
    (True, False)
    """
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:12]


def kept(
    context: Context, name: str, arrays: Iterable[NDArray[Any]], make: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """What ``make`` returns, read back when it was made before from the same ``arrays`` under the same name."""
    path = context.work / "probabilities" / f"{name}-{digest(arrays)}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, make())
        partial.replace(path)
    return np.load(path)
