"""A file per site, and a configuration that reads them all."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jointset.config.commented import one_line
from jointset.data.checks import all_missing, is_path
from jointset.data.dataset import Dataset
from jointset.data.media.images import decoded, pixel_array
from jointset.data.sites.noise import levels, noisy, noisy_pixels
from jointset.data.sources import read
from jointset.errors import DataError
from jointset.export.formats import WRITERS
from jointset.records import Floats, Ints
from jointset.survey.inputs import columns_of

ROW = "source_row"
SHOWN = 5


def with_noise(dataset: Dataset, site: Ints, sites: int, sigma: float, seed: int) -> pa.Table:
    """The table with Gaussian noise in its numbers and images, from none at the first site to ``sigma`` at the last.

    ``sigma`` is in standard deviations of a column of numbers, and a share of white in images. Raises ``DataError``
    where there is neither.
    """
    level, rng, table = levels(sites, sigma), np.random.default_rng(seed), dataset.table
    changed = 0
    for name in dataset.inputs.get("tabular", ()):
        column = table.column(name)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = columns_of(pa.table({name: column}))[name]
            new = pa.array(noisy(values, site, level, rng), pa.float64(), from_pandas=True)
            table = table.set_column(table.column_names.index(name), name, new)
            changed += 1
    for name in dataset.inputs.get("image", ()):
        table = _noisy_images(table, name, dataset, level[site], rng)
        changed += 1
    if not changed:
        raise DataError(
            f"dataset {dataset.name}: noise needs numbers or images among the inputs, found "
            f"{', '.join(f'{m}: {list(c)}' for m, c in dataset.inputs.items())}"
        )
    return table


def _noisy_images(
    table: pa.Table, name: str, dataset: Dataset, level: Floats, rng: np.random.Generator
) -> pa.Table:
    place = table.column_names.index(name)
    field = table.schema.field(place)
    flat = pixel_array(table.column(name), field)
    if flat is not None:
        pixels, given = flat
        rows: list[Any] = [
            noisy_pixels(p, s, rng).ravel().tolist() if g else None
            for p, g, s in zip(pixels, given, level, strict=True)
        ]
        return table.set_column(place, field, pa.array(rows, field.type))
    from PIL import Image

    root = str(dataset.root) if dataset.root else None
    files: list[bytes | None] = []
    for picture, s in zip(decoded(table.column(name), field, root), level, strict=True):
        if picture is None:
            files.append(None)
            continue
        plain = picture.convert("L" if picture.mode in ("L", "1") else "RGB")
        buffer = io.BytesIO()
        Image.fromarray(noisy_pixels(np.asarray(plain), float(s), rng)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return table.set_column(place, name, pa.array(files, pa.binary()))


def write_sites(
    table: pa.Table,
    dataset: Dataset,
    site: Ints,
    names: Sequence[str],
    folder: Path,
    format: str,
    used: Sequence[str],
) -> tuple[dict[str, str], list[str]]:
    """Write every site's rows to ``folder/sites``; returns the path within the folder by site, and notes.

    A CSV or JSONL file whose columns in use, ``used``, would be read back with other types than the source's does not
    fit the other sites: Parquet is written instead."""
    table = _with_full_paths(table, dataset)
    if ROW not in table.column_names:
        table = table.append_column(ROW, pa.array(np.arange(table.num_rows)))
    parts = {name: table.filter(pa.array(site == j)) for j, name in enumerate(names)}
    notes = []
    if format != "parquet":
        lost = _lost_types(parts, folder, set(used), format)
        if lost is None:
            return {n: f"sites/{n}.{format}" for n in parts}, []
        for name in parts:
            (folder / "sites" / f"{name}.{format}").unlink(missing_ok=True)
        notes = [
            f"{lost} would be read back from {format.upper()} with another type; Parquet is written instead"
        ]
        format = "parquet"
    return {n: f"sites/{WRITERS[format](t, folder / 'sites', n)}" for n, t in parts.items()}, notes


def _lost_types(parts: Mapping[str, pa.Table], folder: Path, used: set[str], format: str) -> str | None:
    """Write the files and read them back; the first column whose type changed, with its site."""
    for name, part in parts.items():
        WRITERS[format](part, folder / "sites", name)
        again = read(folder / "sites" / f"{name}.{format}", name=name).schema
        for before in part.schema:
            if before.name not in used:
                continue
            if before.name not in again.names or _family(before) != _family(again.field(before.name)):
                return f"column {before.name!r} of {name}"
    return None


def _family(field: pa.Field) -> str:
    """What a column is to a reader; the shape of images goes with it."""
    kind = field.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list of {_family(kind.value_field)}"
    shape = (field.metadata or {}).get(b"jointset.shape")
    return f"{kind} {shape!r}"


def inputs_of_sites(
    dataset: Dataset, site: Ints, names: Sequence[str]
) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Site → modality → columns that have a value there, and notes on those that have none.

    Raises ``DataError`` where a site has no input at all."""
    found: dict[str, dict[str, list[str]]] = {n: {} for n in names}
    notes = []
    parts = [np.flatnonzero(site == j) for j in range(len(names))]
    for modality, columns in dataset.inputs.items():
        for column in columns:
            values = dataset.table.column(column)
            empty = [
                n for n, rows in zip(names, parts, strict=True) if all_missing(values.take(pa.array(rows)))
            ]
            for n in set(names) - set(empty):
                found[n].setdefault(modality, []).append(column)
            if empty:
                shown = ", ".join(empty[:SHOWN]) + (" …" if len(empty) > SHOWN else "")
                notes.append(f"{column!r} is empty at {len(empty):,} sites and no input there ({shown})")
    bare = [n for n in names if not found[n]]
    if bare:
        raise DataError(
            f"site {bare[0]!r} has no value in any input column; name more inputs, or fill the columns"
        )
    return found, notes


def _with_full_paths(table: pa.Table, dataset: Dataset) -> pa.Table:
    """Paths of images and sounds from the root of the file system, as the sites stand in another folder."""
    for modality in ("image", "audio"):
        for name in dataset.inputs.get(modality, ()):
            column = table.column(name)
            if is_path(column.type) and dataset.root is not None:
                full = [None if p is None else str(dataset.root / p) for p in column.to_pylist()]
                table = table.set_column(table.column_names.index(name), name, pa.array(full, pa.string()))
    return table


def configuration(
    name: str,
    paths: Mapping[str, str],
    inputs: Mapping[str, Mapping[str, Sequence[str]]],
    tasks: Mapping[str, Mapping[str, Any]],
    labelled: Mapping[str, Sequence[str]],
    roles: Mapping[str, str | None],
    seed: int,
) -> str:
    """The study's ``jointset.yaml``: one task, or several, in many datasets.

    ``inputs`` are site → modality → columns; ``tasks`` task → kind, column and classes; ``labelled`` task → sites that
    have a label; ``roles`` the columns of id, group and split, None where there is none."""
    datasets = {}
    for site, path in paths.items():
        datasets[site] = {
            "path": path,
            "inputs": {m: c[0] if len(c) == 1 else list(c) for m, c in inputs[site].items()},
            **{r: c for r, c in roles.items() if c and r != "split"},
        }
        datasets[site]["split"] = roles.get("split") or {"holdout": 0.15, "test": 0.15}
    lines = [
        "# Written by jointset partition; statistics.json says how the sites differ.",
        f"name: {one_line(name)}",
        "datasets:",
    ]
    lines += [f"  {one_line(n)}: {one_line(d)}" for n, d in datasets.items()]
    lines.append("tasks:")
    for task, settings in tasks.items():
        where = dict.fromkeys(labelled[task], settings["column"])
        lines += [f"  {one_line(task)}:", f"    kind: {settings['kind']}"]
        if settings.get("classes"):
            lines.append(f"    classes: {one_line(settings['classes'])}")
        lines.append(f"    labels: {one_line(where)}")
    lines += ["improve: {rounds: 2, precision: 0.9}", f"seed: {seed}", ""]
    return "\n".join(lines)
