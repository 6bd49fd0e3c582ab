"""Images of a column: files, bytes or arrays in, pixels out."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import MissingExtra


def _shape(field: Any) -> list[int] | None:
    """The shape of images that are stored as flat arrays."""
    text = (field.metadata or {}).get(b"jointset.shape")
    return [int(s) for s in text.decode().strip("()[] ").replace(" ", "").split(",") if s] if text else None


def pixel_array(column: Any, field: Any) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
    """Images that are stored as flat arrays of bytes, all at once: ``(n, h, w, c)`` and which are given."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shape = _shape(field)
    if shape is None or not pa.types.is_fixed_size_list(field.type):
        return None
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    given = array.is_valid().to_numpy(zero_copy_only=False)
    height, width, channels = (*shape, 1)[:3]
    out = np.zeros((len(array), height, width, channels), np.uint8)
    flat = pc.list_flatten(array).to_numpy(zero_copy_only=False)
    out[given] = flat.astype(np.uint8).reshape(-1, height, width, channels)
    return out, given


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels ``(h, w)`` or ``(h, w, 3)`` as the bytes of a PNG file."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "image", "writing images") from None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def decoded(column: Any, field: Any, root: str | None) -> Iterable[Any]:
    """Each image as a PIL image, ``None`` where it is null or cannot be read."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "image", "reading images") from None
    import os

    shape = _shape(field)
    for scalar in column:
        value = scalar.as_py()
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        try:
            if value is None:
                yield None
            elif shape:
                yield Image.fromarray(np.asarray(value, np.uint8).reshape(shape).squeeze())
            elif isinstance(value, bytes):
                yield Image.open(io.BytesIO(value)).copy()
            elif isinstance(value, str):
                with Image.open(os.path.join(root, value) if root else value) as image:
                    yield image.copy()
            else:
                yield Image.fromarray(np.asarray(value, np.uint8))
        except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
            yield None
