"""The inputs of a row for people's eyes: text, cells of a table, images, sounds.

Files are read only inside the dataset's own folder, and an image or a sound is handed on only after it was decoded
as one, so that a path in the data cannot show anything else.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.errors import DataError, MissingExtra
from jointset.records import Floats
from jointset.report.rows import Rows

SAMPLE = 10_000
RARE = 0.005
FAR = 5.0  # robust standard deviations
MOST_BYTES = 64 * 2**20
UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, RuntimeError, KeyError)


@dataclass(frozen=True)
class Cell:
    """A cell of a table; ``unusual`` says why it stands out, '' where it does not."""

    column: str
    value: str
    unusual: str = ""


def texts(rows: Rows, row: int, most: int = 20_000) -> list[tuple[str, str]]:
    """(column, text) of the text inputs of a row; long texts are cut to ``most`` characters."""
    found = []
    for column in rows.inputs.get("text", ()):
        value = rows.table.column(column)[row].as_py()
        if value is not None:
            text = str(value)
            rest = len(text) - most
            found.append((column, text if rest <= 0 else f"{text[:most]}… ({rest:,} more characters)"))
    return found


def cells(rows: Rows, row: int) -> list[Cell]:
    """The tabular inputs of a row, those that stand out marked."""
    found = []
    for column in rows.inputs.get("tabular", ()):
        value = rows.table.column(column)[row].as_py()
        found.append(Cell(column, _shown(value), _unusual(value, _usual(rows, column))))
    return found


def image(rows: Rows, column: str, row: int, side: int, *, enlarge: bool = True) -> bytes | None:
    """A picture as PNG of at most ``side`` pixels a side, tiny ones enlarged if asked; None where there is none.

    Raises :class:`~jointset.errors.DataError` for a path that leaves the dataset's folder, or what is no image.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "image", "showing images") from None
    value = rows.table.column(column)[row].as_py()
    shape = _shape(rows.table.schema.field(column))
    value = _file_of(value)
    if value is None:
        return None
    try:
        if shape is not None:
            picture = Image.fromarray(np.asarray(value, np.uint8).reshape(shape).squeeze())
        elif isinstance(value, (list, np.ndarray)):
            picture = Image.fromarray(np.asarray(value, np.uint8))
        else:
            picture = Image.open(io.BytesIO(content(rows, value)))
        if picture.width * picture.height > 50_000_000:
            raise ValueError("more than 50 million pixels")
        picture.draft("RGB", (side, side))
        picture = picture.convert("L" if picture.mode in ("L", "1", "I", "I;16", "F") else "RGB")
        factor = side / max(picture.size)
        size = tuple(max(1, round(factor * s)) for s in picture.size)
        if factor < 1:
            picture = picture.resize(size)  # type: ignore[arg-type]
        elif enlarge and max(picture.size) <= 64:
            picture = picture.resize(size, Image.Resampling.NEAREST)  # type: ignore[arg-type]
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=True)
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise DataError(
            f"dataset {rows.name}, {column}: not an image that can be shown ({_why(error)})"
        ) from None
    return out.getvalue()


def sound(rows: Rows, column: str, row: int, seconds: float = 30.0) -> tuple[Floats, int] | None:
    """A sound in mono, ``(n,) float32`` in [-1, 1], and its rate in Hz; only its first ``seconds``; None without one.

    Raises :class:`~jointset.errors.DataError` like :func:`image`.
    """
    value = rows.table.column(column)[row].as_py()
    rate = 16_000
    if isinstance(value, dict) and "array" in value:
        value, rate = value["array"], int(value["sampling_rate"])
    value = _file_of(value)
    if value is None:
        return None
    if isinstance(value, (list, np.ndarray)):
        samples: NDArray[Any] = np.nan_to_num(np.asarray(value, np.float32))[: int(seconds * rate)]
        return samples, rate
    try:
        import soundfile
    except ImportError:
        raise MissingExtra("soundfile", "audio", "playing sounds") from None
    try:
        with soundfile.SoundFile(io.BytesIO(content(rows, value))) as file:
            rate = int(file.samplerate)
            found = file.read(int(seconds * rate), dtype="float32", always_2d=True)
    except UNREADABLE as error:
        raise DataError(
            f"dataset {rows.name}, {column}: not a sound that can be played ({_why(error)})"
        ) from None
    return np.asarray(found.mean(axis=1)), rate


def content(rows: Rows, value: bytes | str) -> bytes:
    """The bytes of a file that a cell holds or names; only files inside the dataset's folder are read."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or rows.root is None:
        raise DataError(f"dataset {rows.name}: a {type(value).__name__} names no file")
    root = rows.root.resolve()
    path = (root / value).resolve()
    if not path.is_relative_to(root):
        raise DataError(
            f"dataset {rows.name}: {value!r} lies outside of the dataset's folder and is not shown"
        )
    if not path.is_file():
        raise DataError(f"dataset {rows.name}: {value!r} is not there")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(
            f"dataset {rows.name}: {value!r} is larger than {MOST_BYTES >> 20} MiB and is not shown"
        )
    return path.read_bytes()


def _why(error: BaseException) -> str:
    return (
        str(error).splitlines()[0][:120]
        if str(error) and not isinstance(error, OSError)
        else type(error).__name__
    )


def _file_of(value: Any) -> Any:
    return (value.get("bytes") or value.get("path")) if isinstance(value, dict) else value


def _shape(field: pa.Field) -> list[int] | None:
    text = (field.metadata or {}).get(b"jointset.shape")
    return [int(s) for s in text.decode().strip("()[] ").replace(" ", "").split(",") if s] if text else None


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_shown(v) for v in value[:12]) + (" …" if len(value) > 12 else "")
    return str(value)[:2000]


@lru_cache(maxsize=4096)
def _usual(rows: Rows, column: str) -> tuple[str, Any]:
    """What is usual in a column: median and spread of numbers, shares of values; from evenly spaced rows."""
    values = rows.table.column(column)
    kind, step = values.type, max(1, len(values) // SAMPLE)
    sampled = [values[i].as_py() for i in range(0, len(values), step)]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        known = np.array([v for v in sampled if v is not None], np.float64)
        known = known[np.isfinite(known)]
        if len(known) < 20:
            return "", None
        middle = float(np.median(known))
        spread = 1.4826 * float(np.median(np.abs(known - middle))) or float(known.std())
        return ("number", (middle, spread)) if spread > 0 else ("", None)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        counts = Counter(sampled)
        if len(counts) > max(50, len(sampled) // 20):
            return "", None
        return "value", {value: count / len(sampled) for value, count in counts.items()}
    return "", None


def _unusual(value: Any, usual: tuple[str, Any]) -> str:
    kind, what = usual
    if kind == "number" and value is not None:
        away = (float(value) - what[0]) / what[1]
        return (
            f"{abs(away):.1f} spreads {'above' if away > 0 else 'below'} the middle"
            if abs(away) > FAR
            else ""
        )
    if kind == "value" and what.get(value, 0.0) < RARE:
        return f"in {100 * what.get(value, 0.0):.2g} % of the rows"
    return ""
