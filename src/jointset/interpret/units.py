"""The parts of a row that can be taken away: words, columns of a table, regions of an image."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jointset.data.media.images import decoded, pixel_array
from jointset.records import Bools

WORD = re.compile(r"[\w']+|[^\w\s]", re.UNICODE)
GRID = 4  # regions along a side of an image
MOST = 512  # words of a text that are looked at one by one


@dataclass(frozen=True)
class Unit:
    """One part of a row: ``kind`` is word, column or region; ``name`` what a reader sees; ``column`` where it stands;
    ``span`` its characters, or its place in the grid."""

    kind: str
    name: str
    column: str
    span: tuple[int, int] = (0, 0)


def units_of(row: pa.Table, inputs: dict[str, list[str]]) -> list[Unit]:
    """The parts of one row, a table of length 1; ``inputs`` are modality → columns. Missing values have none.

    >>> row = pa.table({"body": ["a good book"], "age": [3]})
    >>> [u.name for u in units_of(row, {"text": ["body"], "tabular": ["age"]})]
    ['a', 'good', 'book', 'age']
    """
    found: list[Unit] = []
    for modality in ("text", "tabular", "image"):
        for column in inputs.get(modality, ()):
            value = row.column(column)[0]
            if not value.is_valid:
                continue
            if modality == "text":
                words = WORD.finditer(str(value.as_py()))
                found += [Unit("word", m[0], column, m.span()) for m in words][:MOST]
            elif modality == "tabular":
                found.append(Unit("column", column, column))
            else:
                grid = [(i, j) for i in range(GRID) for j in range(GRID)]
                found += [Unit("region", f"row {i + 1}, column {j + 1}", column, (i, j)) for i, j in grid]
    return found


def hidden(row: pa.Table, units: Sequence[Unit], masks: Bools, root: str | None = None) -> pa.Table:
    """One row for each mask ``(m, units)``, with the units that are True taken away.

    A word is cut out, a column is missing, a region of an image has the image's mean colour.

    >>> row = pa.table({"body": ["a good book"]})
    >>> hidden(row, units_of(row, {"text": ["body"]}), np.eye(3, dtype=bool))["body"].to_pylist()
    [' good book', 'a  book', 'a good ']
    """
    table = pa.concat_tables([row] * len(masks)).combine_chunks() if len(masks) else row.slice(0, 0)
    for column in dict.fromkeys(u.column for u in units):
        here = [i for i, u in enumerate(units) if u.column == column]
        place, field = table.column_names.index(column), row.schema.field(column)
        own, parts = [units[i] for i in here], masks[:, here]
        if own[0].kind == "word":
            text = str(row.column(column)[0].as_py())
            values: Any = pa.array([_without(text, own, m) for m in parts], pa.large_string())
            field = field.with_type(pa.large_string())
        elif own[0].kind == "column":
            value = row.column(column)[0].as_py()
            values = pa.array([None if m[0] else value for m in parts], field.type)
        else:
            field, values = _images(row, column, own, parts, root)
        table = table.set_column(place, field, values)
    return table


def _without(text: str, units: Sequence[Unit], gone: Bools) -> str:
    kept, end = [], 0
    for unit, is_gone in zip(units, gone, strict=True):
        if is_gone:
            kept.append(text[end : unit.span[0]])
            end = unit.span[1]
    return "".join([*kept, text[end:]])


def _images(
    row: pa.Table, column: str, units: Sequence[Unit], masks: Bools, root: str | None
) -> tuple[Any, Any]:
    field, values = row.schema.field(column), row.column(column)
    flat = pixel_array(values, field)
    if flat is None:
        picture = next(iter(decoded(values, field, root)))
        mode = "L" if picture.mode in ("L", "1", "I;16") else "RGB"
        pixels = np.atleast_3d(np.asarray(picture.convert(mode), np.uint8))
    else:
        pixels = flat[0][0]
    made = [_greyed(pixels, [u.span for u, m in zip(units, mask, strict=True) if m]) for mask in masks]
    if flat is not None:
        return field, pa.array([m.ravel().tolist() for m in made], field.type)
    from PIL import Image

    files = []
    for image in made:
        buffer = io.BytesIO()
        Image.fromarray(image.squeeze()).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return pa.field(column, pa.binary()), pa.array(files, pa.binary())


def _greyed(pixels: Any, places: Sequence[tuple[int, int]]) -> Any:
    """The image with cells of the grid set to the mean colour."""
    out, mean = pixels.copy(), pixels.reshape(-1, pixels.shape[2]).mean(0).round().astype(np.uint8)
    down, right = (np.linspace(0, side, GRID + 1).round().astype(int) for side in pixels.shape[:2])
    for i, j in places:
        out[down[i] : down[i + 1], right[j] : right[j + 1]] = mean
    return out
