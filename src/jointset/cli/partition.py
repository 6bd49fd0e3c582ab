"""``jointset partition``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from jointset.cli.init import guess_columns, kind_of_labels
from jointset.cli.partition_inputs import guessed_inputs, named_inputs, notes_on
from jointset.data.names import numbered
from jointset.data.sources import read
from jointset.data.splits import SPLIT_NAMES
from jointset.errors import DataError, UserError, nearest
from jointset.study import Plan, make_study
from jointset.study.plan import check_columns

KINDS = ("binary", "multiclass", "multilabel", "regression")
FORMATS = ("parquet", "csv", "jsonl")
SHOWN = 40


def partition(
    file: Path,
    out: Path | None,
    *,
    method: Mapping[str, Any],
    sites: int,
    labels: list[str],
    inputs: list[str],
    group: str | None,
    together: bool,
    least: int,
    id: str | None,
    split: str | None,
    format: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Part a file into sites, write the study and print how its sites differ."""
    way, value = _one_method(method)
    name = file.name.split(".")[0] or "data"
    table = read(file, name=file.name)
    named, table = named_inputs(inputs, table, file.name)
    guess = guess_columns(table)
    roles = {"id": id or guess["id"], "split": split or _split(guess["split"], table)}
    tasks = _tasks(table, labels, guess, file.name)
    plan = Plan(
        way,
        sites=sites,
        strength=float(value) if way not in ("by", "iid", "clusters") else None,
        label=next(iter(tasks.values()))["column"] if tasks else None,
        by=value if way == "by" else None,
        columns=tuple(c.strip() for c in str(value).split(",")) if way == "clusters" and value != "*" else (),
        least=least,
        group=group,
        together=together,
        seed=seed,
    )
    used = {plan.by, group, *roles.values(), *(t["column"] for t in tasks.values())}
    check_columns(table, file.name, [("site", plan.by), ("group", group), ("id", id), ("split", split)])
    if named:
        notes = notes_on(named, table, plan.by, tasks)
    else:
        named, notes = guessed_inputs(guess, table, used, plan.by, tasks, file.name)
    study = make_study(
        "".join(c if c.isalnum() or c in "._-" else "_" for c in name),
        table,
        out or Path(f"{name}-sites"),
        plan=plan,
        inputs=named,
        tasks=tasks,
        roles=roles,
        format=_format(format, file),
        source=file,
        notes=notes,
    )
    told = dict(study.statistics)
    if as_json:
        typer.echo(json.dumps({**told, "config": str(study.config)}, indent=2, ensure_ascii=False))
    else:
        typer.echo(render(told))
        typer.echo(f"\n{study.config} reads them all; next: jointset check {study.config}")


def _one_method(method: Mapping[str, Any]) -> tuple[str, Any]:
    chosen = {k: v for k, v in method.items() if v is not None and v is not False}
    if len(chosen) != 1:
        names = ", ".join(f"--{m}" for m in method)
        found = ", ".join(f"--{m}" for m in chosen) or "none"
        raise UserError(f"partition needs one way of parting out of {names}; found {found}")
    return next(iter(chosen.items()))


def _tasks(table: Any, labels: list[str], guess: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """Task → kind and column, of ``COLUMN`` or ``COLUMN:KIND``, or of the columns that look like labels."""
    tasks: dict[str, dict[str, Any]] = {}
    for entry in dict.fromkeys(labels):
        column, _, kind = entry.rpartition(":") if entry.rpartition(":")[2] in KINDS else (entry, "", "")
        if column not in table.column_names:
            raise DataError(
                f"{file}: no label column {column!r}{nearest(column, table.column_names)}; "
                f"columns: {', '.join(map(repr, table.column_names[:20]))}"
            )
        values = table.column(column).drop_null()
        tasks[_task_name(column, table, tasks)] = {
            "kind": kind or kind_of_labels(values.type, len(values.unique()), len(values)),
            "column": column,
        }
    if not labels:
        for column, kind in guess["labels"].items():
            tasks[_task_name(column, table, tasks)] = {"kind": kind, "column": column}
    if not tasks:
        raise UserError(f"{file}: no column looks like a label; name one with --label COLUMN")
    return tasks


def _split(column: str | None, table: Any) -> str | None:
    """The column that looks like a split by its name, where its values are those of one."""
    if column is None:
        return None
    values = table.column(column).drop_null().unique().to_pylist()
    return column if all(str(v).strip().lower() in SPLIT_NAMES for v in values) else None


def _task_name(column: str, table: Any, tasks: Mapping[str, Any]) -> str:
    """A name of its own, which is that of no other column: an export gives the task a column of that name."""
    plain = "_".join(p for p in "".join(c if c.isalnum() else "_" for c in column).split("_") if p) or "label"
    return numbered(plain, [*tasks, *(c for c in table.column_names if c != column)])


def _format(format: str | None, file: Path) -> str:
    if format is None:
        return "csv" if any(s.lower() in (".csv", ".tsv", ".tab") for s in file.suffixes) else "parquet"
    if format not in FORMATS:
        raise UserError(f"--format {format}{nearest(format, FORMATS)}; one of {', '.join(FORMATS)}")
    return format


def render(told: Mapping[str, Any]) -> str:
    """The statistics as a table: a line per site, then the whole."""
    asked = ", ".join(
        f"{k} {v}" for k, v in told.items() if k in ("by", "alpha", "sigma", "each", "label", "seed")
    )
    lines = [f"{told['rows']:,} rows on {len(told['sites'])} sites: {told['method']} ({asked})", ""]
    first = next(iter(told["sites"].values()))
    heads = {"rows": "rows", "total_variation": "TV", "jensen_shannon": "JS", "hellinger": "Hellinger",
             "effective_classes": "classes", "a_distance": "A-dist", "smd": "max |SMD|"}  # fmt: skip
    shown = {k: h for k, h in heads.items() if k in first}
    width = max(10, *(len(n) for n in told["sites"]))
    lines.append(f"{'site':<{width}} " + " ".join(f"{h:>9}" for h in shown.values()))
    for name, entry in list(told["sites"].items())[:SHOWN]:
        lines.append(f"{name:<{width}} " + " ".join(f"{_cell(k, entry[k]):>9}" for k in shown))
    if len(told["sites"]) > SHOWN:
        lines.append(f"… and {len(told['sites']) - SHOWN:,} more in statistics.json")
    lines += ["", f"Gini of the sizes: {told['gini']:.3f}"]
    if "labels" in told:
        skew = told["labels"]
        lines.append(
            f"labels of {told['task']}: Cramér's V {skew['cramers_v']:.3f}, χ² {skew['chi2']:.1f} with {skew['dof']} "
            f"degrees of freedom, p {_p(skew['p_value'])}"
        )
    for what, values in told.get("expected", {}).items():
        lines.append(f"{what}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()))
    if told.get("copies_apart"):
        lines.append(
            f"⚠ {told['copies_apart']:,} rows stand apart from a copy or their group; --together keeps them on one site"
        )
    return "\n".join([*lines, *(f"⚠ {n}" for n in told["notes"])])


def _p(value: float) -> str:
    return f"= {value:.2g}" if value > 0 else "< 1e-300"


def _cell(key: str, value: Any) -> str:
    if key == "smd":
        columns = {c: abs(v) for c, v in value.items()}
        return f"{max(columns.values()):.2f}" if columns else "–"
    if value is None:
        return "–"
    return f"{value:,}" if key == "rows" else f"{value:.3f}"
