"""Writes an export folder: a file per dataset, a narrow file per task, and the card; whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jointset.errors import DataError
from jointset.export import croissant
from jointset.export.card import Entry, card, features
from jointset.export.columns import KEEP, ROW, has_task
from jointset.export.folder import manifest, replacing, safe_names
from jointset.export.formats import WRITERS
from jointset.records import Task

if TYPE_CHECKING:
    import pyarrow as pa


def write(
    folder: str | Path,
    tables: Mapping[str, pa.Table],
    tasks: Sequence[Task],
    format: str = "parquet",
    *,
    inputs: Mapping[str, Sequence[str]] | None = None,
    media: Mapping[str, Mapping[str, str]] | None = None,
    derived: Mapping[str, pa.Table] | None = None,
    name: str | None = None,
) -> Path:
    """Write the export tables (of :func:`jointset.export.columns.columns`) and return the folder.

    ``NAME`` per dataset holds every column; ``tasks/T`` holds the kept, labelled rows of a task from all
    datasets (dataset, jointset_row, label, weight, source, and the input columns where ``inputs`` names the
    same ones for each of its datasets); ``README.md`` is the card, through which
    ``datasets.load_dataset(folder, NAME)`` and ``load_dataset(folder, "task-T")`` read them. ``arrow`` writes
    what ``datasets.load_from_disk`` reads; ``csv`` holds lists as JSON and bytes as base64. ``media`` maps, by dataset,
    columns to ``image`` or ``audio``: their bytes are declared as such in Parquet's card. ``derived`` are rows that
    were added, by dataset, written to ``derived/NAME`` (``load_dataset(folder, "derived-NAME")``).

    The folder is built beside its place and renamed, so it is never seen half-written. An earlier export
    there is replaced; RunError when the folder holds anything else.
    """
    if format not in WRITERS:
        raise DataError(
            f"no export format is called {format!r}; known: {', '.join(WRITERS)}, of pictures fiftyone, "
            "of the model onnx, huggingface"
        )
    folder = Path(folder)
    with replacing(folder) as partial:
        entries = _write_files(partial, tables, tasks, format, inputs or {}, media or {}, derived or {})
        text = card(name or folder.name, entries, tables, tasks)
        (partial / "README.md").write_text(text, encoding="utf-8")
        if format == "parquet":
            croissant.write(partial, name or folder.name, entries, tasks)
        manifest(partial, format)
    return folder


def narrow(
    tables: Mapping[str, pa.Table], task: Task, inputs: Mapping[str, Sequence[str]]
) -> pa.Table | None:
    """The kept, labelled rows of a task over all datasets that know it; None when there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    having = {d: t for d, t in tables.items() if has_task(t, task.name)}
    shared = {tuple(inputs.get(d, ())) for d in having}
    carried = list(shared.pop()) if len(shared) == 1 else []
    own = ("dataset", ROW, "label", "weight", "source")
    carried = [] if set(carried) & set(own) else carried
    parts = []
    for dataset, table in having.items():
        rows = table.filter(pc.and_(pc.is_valid(table.column(task.name)), table.column(KEEP)))
        if rows.num_rows:
            kept = (ROW, *(task.name + part for part in ("", "__weight", "__source")), *carried)
            arrays = [pa.array([dataset] * rows.num_rows, pa.string()), *(rows.column(c) for c in kept)]
            parts.append(pa.table(arrays, names=[*own, *carried]))
    if not parts:
        return None
    try:
        return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # inputs of the same name and another type
        return pa.concat_tables([p.select(own) for p in parts]).combine_chunks()


def _write_files(
    folder: Path,
    tables: Mapping[str, pa.Table],
    tasks: Sequence[Task],
    format: str,
    inputs: Mapping[str, Sequence[str]],
    media: Mapping[str, Mapping[str, str]],
    derived: Mapping[str, pa.Table],
) -> list[Entry]:
    writer = WRITERS[format]
    named = [*tables, *(f"task-{t.name}" for t in tasks), *(f"derived-{d}" for d in derived)]
    safe = safe_names(["tasks", "derived", *named])[2:]
    entries = []
    for dataset, table in tables.items():
        config = safe[list(tables).index(dataset)]
        path = writer(table, folder, config)
        own = media.get(dataset, {})
        found = features(table.schema, {}, own) if own and format == "parquet" else ()
        entries.append(Entry(config, path, f"dataset {dataset}", table.num_rows, found, own))
    for i, task in enumerate(tasks):
        table = narrow(tables, task, inputs)
        if table is None:
            continue
        config = safe[len(tables) + i]
        path = writer(table, folder, f"tasks/{config.removeprefix('task-')}")
        own = {c: m for d in tables for c, m in media.get(d, {}).items() if c in table.column_names}
        found = features(table.schema, {"label": task.classes}, own) if format == "parquet" else ()
        entries.append(Entry(config, path, f"task {task.name}", table.num_rows, found, own))
    for config, (dataset, table) in zip(safe[len(tables) + len(tasks) :], derived.items(), strict=True):
        path = writer(table, folder, f"derived/{config.removeprefix('derived-')}")
        own = media.get(dataset, {})
        found = features(table.schema, {}, own) if format == "parquet" else ()
        entries.append(Entry(config, path, f"derived rows of {dataset}", table.num_rows, found, own))
    return entries
