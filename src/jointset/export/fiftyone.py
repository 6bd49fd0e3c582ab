"""A folder that FiftyOne reads: the pictures, and per sample the labels and what is known of them.

``fo.Dataset.from_dir(folder, fo.types.FiftyOneDataset)`` takes ``samples.json`` in the plain form (a list of
``Sample.to_dict``) when ``metadata.json`` names no version of a database.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointset.data.media.images import decoded
from jointset.errors import DataError, MissingExtra
from jointset.export.columns import KEEP, ROW, has_task
from jointset.export.folder import manifest, replacing, safe_names
from jointset.records import SPLITS, Ints, Task

if TYPE_CHECKING:
    import pyarrow as pa

DATA = "data"
PLAIN = (str, int, float, bool)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a dataset: a column of paths (from ``root``), encoded bytes or pixels, and the rows' splits."""

    column: pa.ChunkedArray
    field: pa.Field
    root: Path | None
    split: Ints


def write(
    folder: str | Path,
    tables: Mapping[str, pa.Table],
    tasks: Sequence[Task],
    pictures: Mapping[str, Pictures],
    *,
    inputs: Mapping[str, Sequence[str]],
    name: str,
) -> Path:
    """Write the rows that have a picture, of the datasets in ``pictures``, and return the folder.

    Files and encoded bytes are copied as they are, pixels become PNG. A sample carries ``dataset``, ``jointset_row``,
    its plain ``inputs``, the split as a tag (and "dropped"), and per task the fields of an export table: final, given
    and suggested label as Classification, Classifications or Regression; quality, source and weight as plain values.

    Raises DataError when no dataset has pictures.
    """
    folder = Path(folder)
    if not pictures:
        raise DataError(f"{folder}: no dataset of the run has pictures, and FiftyOne shows nothing else")
    with replacing(folder) as partial:
        (partial / DATA).mkdir()
        with (partial / "samples.json").open("w", encoding="utf-8") as file:
            file.write('{"samples": [')
            lead = "\n"
            for dataset, shown in pictures.items():
                for sample in _samples(dataset, tables[dataset], tasks, shown, inputs[dataset], partial):
                    file.write(lead + json.dumps(sample, ensure_ascii=False))
                    lead = ",\n"
            file.write("\n]}\n")
        facts = {
            "name": name,
            "media_type": "image",
            "classes": {t.name: list(t.classes) for t in tasks if t.classes},
            "info": {"made_by": "jointset"},
        }
        (partial / "metadata.json").write_text(
            json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
        manifest(partial, "fiftyone")
    return folder


def _samples(
    dataset: str, table: pa.Table, tasks: Sequence[Task], shown: Pictures, inputs: Sequence[str], folder: Path
) -> Iterator[dict[str, Any]]:
    known = [t for t in tasks if has_task(table, t.name)]
    kept = [c for c in inputs if c in table.column_names and c != shown.field.name]
    stem = safe_names([dataset])[0]
    files = _files(shown, folder, stem)
    for number, (row, path) in enumerate(zip(_rows(table), files, strict=True)):
        if path is None:
            continue
        tags = [SPLITS[int(shown.split[number])], *([] if row[KEEP] else ["dropped"])]
        sample: dict[str, Any] = {"filepath": path, "tags": tags, "metadata": None, "_media_type": "image"}
        sample |= {"dataset": dataset, ROW: row[ROW]}
        sample |= {c: row[c] for c in kept if isinstance(row[c], PLAIN) and row[c] == row[c]}
        for task in known:
            sample |= _labels(task, row)
        yield sample


def _labels(task: Task, row: Mapping[str, Any]) -> dict[str, Any]:
    t = task.name
    parts = {"": None, "__given": row[f"{t}__quality"], "__suggested": row[f"{t}__confidence"]}
    found = {t + part: _label(task, row[t + part], sure) for part, sure in parts.items()}
    return found | {f"{t}__{part}": row[f"{t}__{part}"] for part in ("quality", "source", "weight")}


def _label(task: Task, value: Any, confidence: float | None) -> dict[str, Any] | None:
    """A label as FiftyOne serialises it; the confidence is that the label is right."""
    if value is None:
        return None
    sure = {} if confidence is None else {"confidence": confidence}
    if task.kind == "regression":
        return {"_cls": "Regression", "value": value, **sure}
    if task.kind == "multilabel":
        each = [{"_cls": "Classification", "label": name} for name in value]
        return {"_cls": "Classifications", "classifications": each}
    return {"_cls": "Classification", "label": value, **sure}


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def _files(shown: Pictures, folder: Path, stem: str) -> Iterator[str | None]:
    """The path of every row's picture in the folder, None where there is none or it cannot be read."""
    for number, value in enumerate(shown.column):
        found = _content(value.as_py(), shown)
        if found is None:
            found = _pixels(value, shown)
        if found is None:
            yield None
            continue
        content, suffix = found
        path = f"{DATA}/{stem}-{number}.{suffix}"
        (folder / path).write_bytes(content)
        yield path


def _content(value: Any, shown: Pictures) -> tuple[bytes, str] | None:
    """The bytes of an image file that a cell holds or names inside the dataset's folder, and its suffix."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and shown.root is not None:
        root = shown.root.resolve()
        file = (root / value).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            return None
        value = file.read_bytes()
    if not isinstance(value, bytes):
        return None
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "image", "writing pictures") from None
    try:
        with Image.open(io.BytesIO(value)) as image:
            return value, str(image.format or "png").lower()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _pixels(value: pa.Scalar, shown: Pictures) -> tuple[bytes, str] | None:
    if isinstance(value.as_py(), (str, bytes, dict, type(None))):
        return None
    (image,) = decoded([value], shown.field, None)
    if image is None:
        return None
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue(), "png"
