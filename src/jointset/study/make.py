"""One dataset in, a study out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jointset import config
from jointset.data import Pool, build_pool, load_dataset
from jointset.data.dataset import folder_of
from jointset.data.sites.heterogeneity import facts, heterogeneity
from jointset.errors import DataError
from jointset.records import Ints
from jointset.rundir import write_json, write_text
from jointset.study.assign import assign, label_codes, numeric_columns
from jointset.study.measure import MANY_SITES, distances, expected
from jointset.study.plan import NEEDS_LABEL, Plan, check_columns
from jointset.study.write import configuration, with_noise, write_sites
from jointset.survey.inputs import read_inputs


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

    Raises ``DataError``, ``ArrayError`` and ``ConfigError``; nothing is written before all is checked.
    """
    target = out / "jointset.yaml"
    if target.exists():
        raise DataError(f"{target} exists already; name another folder with --out, or remove it")
    columns = {t: str(s["column"]) for t, s in tasks.items()}
    _check(plan, table, name, inputs, columns)
    wanted = {"id": None, "split": None, **(roles or {})}
    coded = {
        t: label_codes(table.column(c), str(tasks[t]["kind"]), c)
        for t, c in columns.items()
        if tasks[t]["kind"] != "multilabel" or (c == plan.label and plan.method in NEEDS_LABEL)
    }
    main = next((t for t in coded if columns[t] == plan.label), next(iter(coded), None))
    with tempfile.TemporaryDirectory(prefix="jointset-partition-") as cache:
        dataset = load_dataset(
            name, table, inputs=inputs, id=wanted["id"], group=plan.group, split=wanted["split"],
            cache=Path(cache), label_columns=list(columns.values()), root=folder_of(source),
        )  # fmt: skip
        pool = build_pool([dataset], strata=None, split_settings={name: (None, 0.0, 0.0)}, seed=plan.seed)
        read = read_inputs(pool, seed=plan.seed)
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
        paths, notes = write_sites(changed, dataset, site, names, out, format, used)
    labelled = {t: _labelled(table.column(c), site, names) for t, c in columns.items()}
    full = {t: {**s, "classes": _classes(s, coded.get(t))} for t, s in tasks.items()}
    text = configuration(name, paths, dataset.inputs, full, labelled, kept, plan.seed)
    write_text(target, text)
    config.load(target)
    told |= {"task": main, "notes": [*dataset.notes, *notes], "files": paths}
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
