"""``jointset export`` and ``import``: what leaves a run for other programs, and the decisions that come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from jointset.console.words import counted
from jointset.errors import UserError
from jointset.export.edits import WRITERS as EDITS
from jointset.export.formats import WRITERS as DATASETS
from jointset.project import MODEL_FORMATS, Run

SHOWN = 5
PICTURES = "fiftyone"


def export(path: Path, out: Path | None, format: str, filters: dict[str, Any]) -> None:
    """Write the datasets, or the edits that are still open, as ``format`` says."""
    run = Run(path)
    given = {name: value for name, value in filters.items() if value is not None}
    if format in EDITS:
        folder = out or run.path / format
        count = run.export_edits(folder, format=format, **given)
        typer.echo(f"{count:,} open edits: {folder}\nwhen they are decided: jointset import {path} FILE")
        return
    if format in MODEL_FORMATS or (format == "parquet" and set(given) == {"task"}):
        task = given.pop("task", None)
        _only_for_edits(given, format)
        folder = out or run.path / f"export-{task or 'onnx'}"
        typer.echo(f"model: {run.export(folder, format=format, task=task)}")
        return
    _only_for_edits(given, format)
    if format not in (*DATASETS, PICTURES):
        raise UserError(_unknown(format))
    folder = run.export(out or run.path / (PICTURES if format == PICTURES else "export"), format=format)
    typer.echo(f"{counted(len(run.datasets), 'dataset')}, {counted(len(run.work.tasks), 'task')}: {folder}")


def read_in(path: Path, file: Path, reviewer: str, *, as_json: bool) -> None:
    """Write the decisions of a file into the ledger; exit code 1 when others came first somewhere."""
    taken = Run(path).import_decisions(file, reviewer=reviewer)
    refused = taken.recorded.refused
    if as_json:
        facts = {"written": taken.written, "already": taken.already, "open": taken.skipped}
        typer.echo(json.dumps({**facts, "refused": list(refused)}, indent=2, ensure_ascii=False))
    else:
        typer.echo(
            f"{taken.written:,} decisions written, {taken.already:,} stood already, {taken.skipped:,} left open"
        )
        for other in refused[:SHOWN]:
            place = f"{other['dataset']} {other['row']} {other['task']}"
            typer.echo(
                f"not written: {place}: {other['reviewer']} has decided it since ({other['verb']} {other['value']})"
            )
        if len(refused) > SHOWN:
            typer.echo(f"… {len(refused) - SHOWN:,} more; --json gives all")
        if refused:
            typer.echo("look at these again: export the open edits anew, or use jointset review")
    if refused:
        raise typer.Exit(1)


def _unknown(format: str) -> str:
    from jointset.errors import nearest

    known = [*DATASETS, PICTURES, *EDITS, *MODEL_FORMATS]
    return f"export --format {format!r}: unknown{nearest(format, known)}; known: {', '.join(known)}"


def _only_for_edits(given: dict[str, Any], format: str) -> None:
    if given:
        raise UserError(
            f"export --{next(iter(given))}: chooses among open edits, which are written with --format "
            f"{', '.join(EDITS)}; {format} holds no single edits"
        )
