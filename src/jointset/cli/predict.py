"""``jointset evaluate``, ``predict`` and ``export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import typer

from jointset.data.dataset import folder_of
from jointset.data.sources import read
from jointset.errors import DataError, UserError
from jointset.project import Run

WRITERS = (".parquet", ".csv", ".jsonl")


def predict(path: Path, file: Path, out: Path, dataset: str | None) -> None:
    """Predict a file."""
    import pyarrow as pa

    if out.suffix not in WRITERS:
        raise UserError(f"--out {out}: predictions are written as one of {', '.join(WRITERS)}")
    run = Run(path)
    table = read(file, name=file.name)
    predictions = run.model.predict_table(table, dataset=dataset, root=folder_of(file))
    keep = [c for c in table.column_names if c not in predictions.column_names]
    both = pa.table(
        {**{c: table.column(c) for c in keep}, **{c: predictions.column(c) for c in predictions.column_names}}
    )
    _write(both, out)
    typer.echo(f"{both.num_rows:,} rows predicted for {len(run.model.tasks)} tasks: {out}")


def _write(table: Any, out: Path) -> None:
    import pyarrow.parquet as pq

    temporary = out.with_name(out.name + ".tmp")
    try:
        if out.suffix == ".parquet":
            pq.write_table(table, temporary, compression="zstd")
        elif out.suffix == ".csv":
            table.to_pandas().to_csv(temporary, index=False)
        else:
            table.to_pandas().to_json(temporary, orient="records", lines=True, force_ascii=False)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def evaluate(path: Path, file: Path | None, dataset: str | None, *, as_json: bool) -> None:
    """Score the model on a labelled file, or show the run's own held-out scores."""
    run = Run(path)
    scores = _held_out(run) if file is None else _on_file(run, file, dataset)
    if as_json:
        typer.echo(json.dumps(scores, indent=2))
        return
    for task, values in scores.items():
        shown = ", ".join(f"{k} {v:.4f}" for k, v in values["metrics"].items() if v is not None)
        low, high = values["interval"]
        between = "" if low is None else f" ({values['metric']} within [{low:.3f}, {high:.3f}])"
        typer.echo(f"{task} on {values['rows']:,} rows: {shown}{between}")


def _held_out(run: Run) -> dict[str, Any]:
    from jointset.records import HOLDOUT, TEST

    work = run.work
    split = TEST if (work.pool.split == TEST).any() else HOLDOUT
    scores: dict[str, Any] = {}
    parts: dict[str, list[Any]] = {t.name: [] for t in work.tasks}
    decided: dict[str, list[Any]] = {t.name: [] for t in work.tasks}
    labels: dict[str, list[Any]] = {t.name: [] for t in work.tasks}
    for data in work.pool.datasets:
        rows = np.arange(len(work.pool))[work.pool.rows_of(data.name)]
        rows = rows[work.pool.split[rows] == split]
        if not len(rows):
            continue
        local = rows - work.pool.rows_of(data.name).start
        outputs, decisions = run.model.judged(data.table.take(local), dataset=data.name, root=data.root)
        for task in work.tasks:
            parts[task.name].append(outputs[task.name])
            decided[task.name].append(decisions[task.name])
            labels[task.name].append(work.given[task.name][rows])
    for task in work.tasks:
        y, p, named = (np.concatenate(found[task.name]) for found in (labels, parts, decided))
        scores[task.name] = _scores(task, y, p, named, work.config.seed)
    return scores


def _on_file(run: Run, file: Path, dataset: str | None) -> dict[str, Any]:
    from jointset.prepare import encode_labels

    config, table = run.directory.config(), read(file, name=file.name)
    names = [dataset] if dataset else list(config.datasets)
    outputs, decisions = run.model.judged(table, dataset=dataset, root=folder_of(file))
    scores = {}
    for task in run.model.tasks:
        settings = config.tasks[task.name]
        source = next((n for n in names if n in settings.labels and _has(table, settings.labels[n])), None)
        if source is None:
            continue
        labels = encode_labels(task, settings, source, table)
        scores[task.name] = _scores(task, labels, outputs[task.name], decisions[task.name], config.seed)
    if not scores:
        wanted = sorted({str(c) for t in config.tasks.values() for c in t.labels.values()})
        raise DataError(
            f"{file}: no label column of the run's tasks is there; expected one of {', '.join(wanted)}"
        )
    return scores


def _has(table: Any, columns: str | list[str]) -> bool:
    return all(c in table.column_names for c in ([columns] if isinstance(columns, str) else columns))


def _scores(task: Any, labels: Any, outputs: Any, decisions: Any, seed: int) -> dict[str, Any]:
    from jointset.metrics import NAMED, interval
    from jointset.metrics import evaluate as metrics
    from jointset.records import is_labelled

    known = is_labelled(labels)
    judged = decisions if task.metric in NAMED else outputs
    low, high = (
        interval(task.metric, labels[known], judged[known], seed=seed) if known.any() else (float("nan"),) * 2
    )
    finite = {
        k: (float(v) if np.isfinite(v) else None)
        for k, v in metrics(task, labels, outputs, decisions).items()
    }
    return {
        "rows": int(known.sum()),
        "metric": task.metric,
        "interval": [float(low) if np.isfinite(low) else None, float(high) if np.isfinite(high) else None],
        "metrics": finite,
    }


def export(path: Path, out: Path | None, format: str) -> None:
    """Write the export folder."""
    run = Run(path)
    folder = run.export(out or run.path / "export", format=format)
    typer.echo(f"{len(run.datasets)} datasets, {len(run.work.tasks)} tasks: {folder}")
