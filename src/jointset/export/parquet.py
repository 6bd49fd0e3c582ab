"""Writes an export folder: a file per dataset, a narrow file per task, and the card; whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jointset.errors import DataError, RunError
from jointset.export.card import Entry, card, features
from jointset.export.columns import KEEP, ROW, has_task
from jointset.export.formats import WRITERS
from jointset.records import Task

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "jointset_export.json"


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
        raise DataError(f"no export format is called {format!r}; known: {', '.join(WRITERS)}")
    folder = Path(folder)
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        partial.chmod(0o755)  # mkdtemp's folders are closed to other users
        entries = _write_files(partial, tables, tasks, format, inputs or {}, media or {}, derived or {})
        text = card(name or folder.name, entries, tables, tasks)
        (partial / "README.md").write_text(text, encoding="utf-8")
        files = sorted(p.relative_to(partial).as_posix() for p in partial.rglob("*") if p.is_file())
        manifest = json.dumps({"format": format, "files": [*files, MANIFEST]}, indent=1, ensure_ascii=False)
        (partial / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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
    safe = _safe_names(["tasks", "derived", *named])[2:]
    entries = []
    for dataset, table in tables.items():
        config = safe[list(tables).index(dataset)]
        path = writer(table, folder, config)
        own = media.get(dataset, {})
        found = features(table.schema, {}, own) if own and format == "parquet" else ()
        entries.append(Entry(config, path, f"dataset {dataset}", table.num_rows, found))
    for i, task in enumerate(tasks):
        table = narrow(tables, task, inputs)
        if table is None:
            continue
        config = safe[len(tables) + i]
        path = writer(table, folder, f"tasks/{config.removeprefix('task-')}")
        own = {c: m for d in tables for c, m in media.get(d, {}).items() if c in table.column_names}
        found = features(table.schema, {"label": task.classes}, own) if format == "parquet" else ()
        entries.append(Entry(config, path, f"task {task.name}", table.num_rows, found))
    for config, (dataset, table) in zip(safe[len(tables) + len(tasks) :], derived.items(), strict=True):
        path = writer(table, folder, f"derived/{config.removeprefix('derived-')}")
        found = features(table.schema, {}, media.get(dataset, {})) if format == "parquet" else ()
        entries.append(Entry(config, path, f"derived rows of {dataset}", table.num_rows, found))
    return entries


def _safe_names(names: Iterable[str]) -> list[str]:
    """File names: no characters that file systems or patterns read, and no two alike but for case."""
    found: list[str] = []
    for name in names:
        stem = re.sub(r"[^\w.-]", "_", name)
        candidate, i = stem, 2
        while candidate.casefold() in {f.casefold() for f in found}:
            candidate, i = f"{stem}-{i}", i + 1
        found.append(candidate)
    return found


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise RunError(f"{folder}: already there and not an export of jointset; name another folder")
    known = set(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    if found - known:
        raise RunError(
            f"{folder}: holds {min(found - known)}, which jointset did not write; name another folder"
        )


def _move(partial: Path, folder: Path) -> None:
    """Rename into place; an earlier export steps aside first, and comes back if the rename fails."""
    if not folder.exists():
        partial.rename(folder)
        return
    aside = partial.with_name(partial.name + ".old")
    folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
