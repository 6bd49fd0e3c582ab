"""One dataset in, a study out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jointset import config
from jointset.data import Pool, build_pool, load_dataset
from jointset.data.dataset import Dataset, folder_of
from jointset.data.sites.heterogeneity import facts, heterogeneity
from jointset.errors import DataError
from jointset.records import Ints
from jointset.rundir import write_json, write_text
from jointset.study.assign import assign, label_codes, numeric_columns
from jointset.study.columns import unread
from jointset.study.measure import FEWEST, MANY_SITES, distances, expected
from jointset.study.plan import NEEDS_LABEL, Plan, check_columns
from jointset.study.write import configuration, inputs_of_sites, with_noise, write_sites
from jointset.survey.inputs import PoolInputs, read_inputs

SAMPLE = 20  # images and sounds, of which one at least must be readable


@dataclass(frozen=True)
class Study:
    """What was written: the folder, the configuration's path, and the statistics as ``statistics.json`` holds them."""

    folder: Path
    config: Path
    statistics: Mapping[str, Any]


def make_study(
    name: str,
    table: pa.Table,
    out: Path,
    *,
    plan: Plan,
    inputs: Mapping[str, Sequence[str]],
    tasks: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, str | None] | None = None,
    format: str = "parquet",
    source: Path | None = None,
    notes: Sequence[str] = (),
) -> Study:
    """Part a table into sites and write them with a configuration and statistics.

    Parameters
    ----------
    name : of the dataset and of the study.
    table : all rows.
    out : folder to write; it must not hold a study already.
    plan : the way of parting.
    inputs : modality → columns.
    tasks : task → ``kind`` and ``column``.
    roles : columns of ``id`` and ``split``, where there are any.
    format : parquet, csv, jsonl.
    source : the file that the table is from; relative paths of images and sounds start beside it.
    notes : what was found before, to stand in the statistics.

    Raises ``DataError``, ``ArrayError`` and ``ConfigError``; nothing is written before all is checked.
    """
    target = out / "jointset.yaml"
    if target.exists():
        raise DataError(f"{target} exists already; name another folder with --out, or remove it")
    columns = {t: str(s["column"]) for t, s in tasks.items()}
    _check(plan, table, name, inputs, columns)
    wanted = {"id": None, "split": None, **(roles or {})}
    coded = _coded(plan, table, name, columns, {t: str(s["kind"]) for t, s in tasks.items()})
    main = next((t for t in coded if columns[t] == plan.label), next(iter(coded), None))
    with tempfile.TemporaryDirectory(prefix="jointset-partition-") as cache:
        dataset = load_dataset(
            name, table, inputs=inputs, id=wanted["id"], group=plan.group, split=wanted["split"],
            cache=Path(cache), label_columns=list(columns.values()), root=folder_of(source),
        )  # fmt: skip
        pool = build_pool(
            [dataset], strata=None, split_settings={name: (wanted["split"], 0.0, 0.0)}, seed=plan.seed
        )
        read = read_inputs(pool, seed=plan.seed)
        _readable(read, dataset)
        site, names = assign(plan, pool, coded[main][0] if main else None, read)
        told = _statistics(plan, pool, site, names, coded[main] if main else None, read.embedding)
        changed = dataset.table
        if plan.method == "noise":
            changed = with_noise(dataset, site, len(names), float(plan.strength or 0), plan.seed)
        kept = {"id": wanted["id"], "group": plan.group, "split": wanted["split"]}
        used = [
            *(c for cs in dataset.inputs.values() for c in cs),
            *columns.values(),
            *map(str, kept.values()),
        ]
        by_site, absent = inputs_of_sites(dataset, site, names)
        paths, changes = write_sites(changed, dataset, site, names, out, format, used)
    labelled = {t: _labelled(table.column(c), site, names) for t, c in columns.items()}
    full = {t: {**s, "classes": _classes(s, coded.get(t))} for t, s in tasks.items()}
    text = configuration(name, paths, by_site, full, labelled, kept, plan.seed)
    write_text(target, text)
    config.load(target)
    told |= {
        "task": main,
        "notes": [*notes, *dataset.notes, *absent, *_small(told["sites"]), *changes],
        "files": paths,
    }
    write_json(out / "statistics.json", told)
    return Study(out, target, told)


def _classes(settings: Mapping[str, Any], coded: tuple[Ints, list[str]] | None) -> list[str] | None:
    """All classes by name, as a site may lack some."""
    return coded[1] if coded and settings["kind"] in ("binary", "multiclass") else None


def _check(
    plan: Plan, table: pa.Table, name: str, inputs: Mapping[str, Sequence[str]], labels: Mapping[str, str]
) -> None:
    asked: list[tuple[str, str | None]] = [("site", plan.by), ("label", plan.label), ("group", plan.group)]
    asked += [("label", c) for c in labels.values()] + [("clustered", c) for c in plan.columns]
    check_columns(table, name, asked)
    if not labels:
        raise DataError(f"{name}: no label column is known; name one with --label")
    for modality, columns in inputs.items():
        if plan.by in columns:
            raise DataError(
                f"{name}: column {plan.by!r} is the site and a {modality} input; take it out of one"
            )


def _coded(
    plan: Plan, table: pa.Table, name: str, columns: Mapping[str, str], kinds: Mapping[str, str]
) -> dict[str, tuple[Ints, list[str]]]:
    """Task → codes and classes, of tags only where they decide the sites; each with something to tell apart."""
    found = {
        t: label_codes(table.column(c), kinds[t], c)
        for t, c in columns.items()
        if kinds[t] != "multilabel" or (c == plan.label and plan.method in NEEDS_LABEL)
    }
    for t, (codes, classes) in found.items():
        _several(codes, classes, kinds[t], columns[t], name)
    return found


def _several(codes: Ints, classes: list[str], kind: str, column: str, name: str) -> None:
    """Raise where a task has nothing to tell apart."""
    if not (codes >= 0).any():
        raise DataError(f"{name}: label column {column!r} is empty in every row; name another")
    if kind in ("binary", "multiclass") and len(classes) < 2:
        raise DataError(
            f"{name}: label column {column!r} has one class, {classes[0]!r}; a task needs two at least"
        )


def _readable(inputs: PoolInputs, dataset: Dataset) -> None:
    """Raise where none of the first images or sounds can be read."""
    for modality, found in inputs.by_modality.items():
        if modality not in ("image", "audio"):
            continue
        sample = [v for v, given in zip(islice(found.data, SAMPLE), found.given, strict=False) if given]
        if sample and all(v is None for v in sample):
            column = dataset.inputs[modality][0]
            why = unread(column, dataset.table.column(column)) or "check the files"
            raise DataError(f"{dataset.name}: no {modality} of column {column!r} can be read: {why}")


def _small(sites: Mapping[str, Any]) -> list[str]:
    """A note on sites that are too small to say much of."""
    few = sorted((s["rows"], n) for n, s in sites.items() if s["rows"] < FEWEST)
    if not few:
        return []
    rows, smallest = few[0]
    return [
        f"{len(few):,} of {len(sites):,} sites have fewer than {FEWEST} rows (least: {smallest}, {rows:,}); "
        "what is said of them is mostly chance"
    ]


def _labelled(column: pa.ChunkedArray, site: Ints, names: list[str]) -> list[str]:
    """The sites that have a label."""
    known = np.asarray(column.is_valid())
    counts = np.bincount(site[known], minlength=len(names))
    return [n for n, c in zip(names, counts, strict=True) if c]


def _statistics(
    plan: Plan, pool: Pool, site: Ints, names: list[str], label: tuple[Ints, list[str]] | None, embedding: Any
) -> dict[str, Any]:
    numbers = numeric_columns(pool)
    matrix = np.stack(list(numbers.values()), 1) if numbers else None
    codes, classes = label if label else (None, [])
    found = heterogeneity(site, codes, matrix)
    told: dict[str, Any] = {
        "method": plan.method,
        **plan.options(),
        **facts(found, names, classes, list(numbers)),
    }
    if len(names) <= MANY_SITES:
        for name, value in distances(site, names, embedding, pool.component, plan.seed).items():
            told["sites"][name]["a_distance"] = value
    law = expected(plan, found)
    if law:
        told["expected"] = law
    apart = int((site != site[_first(pool.component)]).sum())
    if apart:
        told["copies_apart"] = apart
    return told


def _first(component: Ints) -> Ints:
    """The first row of every row's component."""
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return np.asarray(first[inverse])
