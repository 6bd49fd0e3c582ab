"""Derived rows as data: the recipes of accepted edits, made into rows the way training makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.augment import Recipe
from jointset.data import Overlay
from jointset.data.media.sounds import wav
from jointset.data.overlay import AUGMENTED
from jointset.export.columns import TaskColumns, columns
from jointset.models.encoders.ngrams import take_prepared
from jointset.models.inputs import Inputs
from jointset.operations import modality_of
from jointset.prepare import Work, own_label_columns
from jointset.records import Edits, Ints, Task
from jointset.rundir import RunDirectory
from jointset.training.added import carried_labels, prepared_row, raw_row
from jointset.workbench import prepared

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE_ROW, RECIPE = "jointset_source_row", "jointset_recipe"


def derived_tables(run: RunDirectory, work: Work, overlay: Overlay) -> dict[str, pa.Table]:
    """Dataset → its derived rows in the columns of an export, for the datasets that have some.

    A row has the columns of its source with the inputs changed, the labels it carries with the source ``augmented``,
    an id of its own, and beside them ``jointset_source_row`` and ``jointset_recipe``. Changed images are structs of
    bytes and path, as PNG at the model's size; changed sounds likewise, as WAV at its rate. Where a spectrum was
    changed, which is no sound any more, the input is null.
    """
    if not len(overlay.added):
        return {}
    inputs = prepared(run, work)
    found = {}
    for dataset in work.pool.datasets:
        own = overlay.added.take(overlay.added.dataset == dataset.name)
        if len(own):
            found[dataset.name] = _table(work, overlay, inputs, own)
    return found


def _table(work: Work, overlay: Overlay, inputs: Inputs, added: Edits) -> pa.Table:
    """The derived rows of one dataset."""
    import pyarrow as pa

    name = str(added.dataset[0])
    dataset = next(d for d in work.pool.datasets if d.name == name)
    position = work.pool.positions(added.dataset, added.row)
    recipes = [Recipe.read(name, r, t) for r, t in zip(added.row, added.new, strict=True)]
    table = dataset.table.drop_columns(own_label_columns(work.config, name, dataset.table.column_names))
    table = table.take(pa.array(position - work.pool.rows_of(name).start))
    for modality, names in dataset.inputs.items():
        done = [
            _cells(work, inputs, modality, names, int(p), r) for p, r in zip(position, recipes, strict=True)
        ]
        for column in names:
            new = {i: cells[column] for i, cells in enumerate(done) if column in cells}
            if new:
                place = table.column_names.index(column)
                table = table.set_column(place, column, _replaced(table.column(column), new, modality))
    tasks = [_labels(task, overlay, position, recipes, added) for task in work.tasks]
    ids = np.array(
        [f"{r}:{p.replace(' ', '-')}" for r, p in zip(added.row, added.position, strict=True)], object
    )
    out = columns(table, tasks, rows=ids, keep=np.ones(len(ids), bool))
    out = out.append_column(SOURCE_ROW, pa.array(added.row.tolist(), pa.string()))
    return out.append_column(RECIPE, pa.array(added.new.tolist(), pa.string()))


def _cells(
    work: Work, inputs: Inputs, modality: str, names: Sequence[str], position: int, recipe: Recipe
) -> dict[str, Any]:
    """Column → new value, for the columns of one modality that one derived row has changed."""
    own = [o for o in recipe.operations if modality_of(o) == modality]
    if not own or inputs.row[modality][position] < 0:
        return {}
    raw = raw_row(inputs, modality, work.pool, position, recipe, work.config.augment.guard)
    if raw is not None:
        value = raw.column(0)[0].as_py()
        if modality == "audio" and value is not None:
            value = wav(np.asarray(value["array"], np.float32), int(value["sampling_rate"]))
        return {**dict.fromkeys(names), names[0]: value}
    encoder, state = inputs.encoders[modality], inputs.states[modality]
    after = encoder.restored(
        prepared_row(inputs, modality, work.pool, position, recipe, work.config.augment.fill), state
    )
    if after is None:
        return dict.fromkeys(names)
    if modality != "tabular":
        return {names[0]: after[modality][0]}
    place = np.array([inputs.row[modality][position]])
    before = encoder.restored(take_prepared(inputs.arrays[modality], place), state) or {}
    return {c: v[0] for c, v in after.items() if c in names and v[0] != before[c][0]}


def _replaced(column: pa.ChunkedArray, new: Mapping[int, Any], modality: str) -> pa.Array:
    """The column with new values at some places: bytes of a file for images and sounds, else of the column's type."""
    import pyarrow as pa

    values = column.to_pylist()
    if modality in ("image", "audio"):
        files = [_file(v) for v in values]
        for i, value in new.items():
            files[i] = None if value is None else {"bytes": value, "path": None}
        return pa.array(files, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    whole = pa.types.is_integer(column.type)
    for i, value in new.items():
        values[i] = round(value) if whole and value is not None else value
    return pa.array(values, column.type)


def _file(value: Any) -> dict[str, Any] | None:
    """A picture or sound of the source as bytes and path; samples and pixels that are no file are left out."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    return {"bytes": None, "path": value} if isinstance(value, str) else None


def _labels(
    task: Task, overlay: Overlay, position: Ints, recipes: Sequence[Recipe], added: Edits
) -> TaskColumns:
    """The labels that derived rows carry: none given, all ``augmented``."""
    final, carried = carried_labels(task, overlay.labels[task.name][position], recipes)
    final[~carried] = np.nan if task.kind == "regression" else -1
    known = ~np.isnan(final) if task.kind == "regression" else final >= 0
    weight = overlay.weights[task.name][position]
    factor = added.weight if weight.ndim == 1 else added.weight[:, None]
    unknown = np.full(final.shape, np.nan, np.float32)
    return TaskColumns(
        task=task,
        final=final,
        given=task.missing(len(final)),
        source=np.where(known, AUGMENTED, 0),
        quality=unknown,
        suggested=task.missing(len(final)),
        confidence=unknown,
        weight=np.where(known, weight * factor, 0.0),
    )
