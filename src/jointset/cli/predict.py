"""``jointset evaluate`` and ``predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import typer

from jointset.console.words import counted
from jointset.data.dataset import folder_of
from jointset.data.sources import read as read_source
from jointset.errors import DataError, UserError
from jointset.project import Run

WRITERS = (".parquet", ".csv", ".jsonl")


def predict(path: Path, file: Path, out: Path, dataset: str | None, *, ignore_labels: bool) -> None:
    """Predict a file; with joint inference, the labels in it are read for the other tasks."""
    import pyarrow as pa

    if out.suffix not in WRITERS:
        raise UserError(f"--out {out}: predictions are written as one of {', '.join(WRITERS)}")
    run = Run(path)
    table = read_source(file, name=file.name)
    known = {} if ignore_labels else run.model.known(table, dataset=dataset)
    predictions = run.model.predict_table(table, dataset=dataset, root=folder_of(file), known=known)
    keep = [c for c in table.column_names if c not in predictions.column_names]
    both = pa.table(
        {**{c: table.column(c) for c in keep}, **{c: predictions.column(c) for c in predictions.column_names}}
    )
    _write(both, out)
    read = f", labels of {', '.join(known)} read" if known else ""
    typer.echo(f"{both.num_rows:,} rows predicted for {counted(len(run.model.tasks), 'task')}{read}: {out}")


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

    def found(*, read: bool) -> dict[str, Any]:
        return _held_out(run, read=read) if file is None else _on_file(run, file, dataset, read=read)

    scores = found(read=False)
    if run.model.joint:
        for task, values in found(read=True).items():
            scores[task]["knowing_others"] = values["metrics"]
    if as_json:
        typer.echo(json.dumps(scores, indent=2))
        return
    for task, values in scores.items():
        shown = _shown(values["metrics"])
        low, high = values["interval"]
        between = "" if low is None else f" ({values['metric']} within [{low:.3f}, {high:.3f}])"
        typer.echo(f"{task} on {values['rows']:,} rows: {shown}{between}")
        if "knowing_others" in values:
            typer.echo(f"{task}, the row's other labels known: {_shown(values['knowing_others'])}")


def _shown(metrics: dict[str, float | None]) -> str:
    return ", ".join(f"{k} {v:.4f}" for k, v in metrics.items() if v is not None)


def _held_out(run: Run, *, read: bool) -> dict[str, Any]:
    from jointset.records import HOLDOUT, TEST

    work, truth = run.work, run.held_out_labels()
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
        known = {t.name: work.given[t.name][rows] for t in work.tasks} if read else None
        table = data.table.take(local)
        outputs, decisions = run.model.judged(table, dataset=data.name, root=data.root, known=known)
        for task in work.tasks:
            parts[task.name].append(outputs[task.name])
            decided[task.name].append(decisions[task.name])
            labels[task.name].append(truth.labels[task.name][rows])
    for task in work.tasks:
        y, p, named = (np.concatenate(found[task.name]) for found in (labels, parts, decided))
        scores[task.name] = _scores(task, y, p, named, work.config.seed)
    return scores


def _on_file(run: Run, file: Path, dataset: str | None, *, read: bool) -> dict[str, Any]:
    from jointset.prepare import encode_labels

    config, table = run.directory.config(), read_source(file, name=file.name)
    names = [dataset] if dataset else list(config.datasets)
    known = run.model.known(table, dataset=dataset) if read else None
    outputs, decisions = run.model.judged(table, dataset=dataset, root=folder_of(file), known=known)
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
