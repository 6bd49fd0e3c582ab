"""Rows in chunks: arrays larger than memory are read slice by slice, and slices are worked on side by side."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.errors import ArrayError

CELLS = 1 << 16  # of a chunk: a few of them fit into a core's cache
WORKERS = 8
NARROW = 32  # columns up to which NumPy's reductions along a row are slower than ones along columns


def slices(n: int, width: int) -> Iterator[slice]:
    """Cut ``n`` rows of ``width`` cells into slices of about ``CELLS`` cells.

    >>> list(slices(3, 1 << 15))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    size = max(CELLS // max(width, 1), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def over_slices(n: int, width: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on every slice, side by side on the cores there are; it writes its own rows of a result."""
    parts = list(slices(n, width))
    workers = min(
        WORKERS, len(parts), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    )
    if workers < 2:
        for part in parts:
            work(part)
        return
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, parts):
            pass


def one_blas_thread() -> AbstractContextManager[Any]:
    """Products with K × K matrices are too small for BLAS threads, which cost more than they do."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def by_column(values: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """``(n, K)`` of single precision or better with columns in one piece: sums and maxima of rows run along them.

    >>> by_column(np.ones((3, 2), np.float16)).strides
    (4, 12)
    """
    return np.asarray(values, dtype or np.result_type(values, np.float32), order="F")


def row_sum(z: NDArray[Any]) -> NDArray[Any]:
    """Sums of the rows of ``(n, K)``, ``(n, 1)``: with few columns a product with ones is ten times as fast."""
    return z @ np.ones((z.shape[1], 1), z.dtype)


def row_max(z: NDArray[Any]) -> NDArray[Any]:
    """Maxima of the rows of ``(n, K)``, ``(n, 1)``: with few columns, column by column."""
    if z.shape[1] > NARROW or z.flags.f_contiguous:
        return z.max(axis=1, keepdims=True)
    out = z[:, 0].copy()
    for column in z.T[1:]:
        np.maximum(out, column, out=out)
    return out[:, None]


def spooled(chunks: Iterable[ArrayLike], name: str) -> NDArray[Any]:
    """Write chunks ``(m, K)`` to a temporary file and map it, ``(n, K)``; the file goes with the array.

    >>> spooled(iter([np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)]), "labels").shape
    (3, 3)
    """
    rows, width, dtype = 0, -1, np.dtype("f4")
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            part = np.asarray(chunk)
            if part.ndim != 2 or part.dtype.kind != "f" or width not in (-1, part.shape[1]):
                raise ArrayError(
                    f"{name}: a chunk of predictions must be floats (m, {'K' if width < 0 else width}), found "
                    f"{part.dtype} {part.shape} after {rows} rows"
                )
            if width < 0:
                width, dtype = part.shape[1], np.dtype("f2" if part.itemsize == 2 else "f4")
            rows += len(part)
            file.write(np.ascontiguousarray(part, dtype).tobytes())
        file.flush()
        if not rows:
            raise ArrayError(f"{name}: the chunks of predictions hold no rows; pass a fresh iterator")
        return np.memmap(file, dtype, "r", shape=(rows, width))
