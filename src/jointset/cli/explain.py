"""``jointset explain``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from jointset.project import Run


def explain(
    path: Path,
    dataset: str,
    row: str,
    task: str | None,
    label: str | None,
    method: str,
    rows: int,
    *,
    as_json: bool,
) -> None:
    """Print why the joint model predicts what it predicts for one row."""
    found = Run(path).explain(row, dataset=dataset, task=task, label=label, method=method, rows=rows)
    typer.echo(json.dumps(found.facts(), indent=2, ensure_ascii=False) if as_json else str(found))
