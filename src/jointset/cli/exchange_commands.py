"""The commands by which decisions and data go in and out of a run for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from jointset.cli.options import Json, RunPath


def export(
    path: RunPath,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; RUN/export, or RUN/FORMAT, by default.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="Datasets: parquet (with croissant.json), csv, jsonl, arrow or fiftyone. "
            "Open edits for people: edits-csv, edits-jsonl, label-studio or argilla. The model: onnx or huggingface."
        ),
    ] = "parquet",
    task: Annotated[
        str | None, typer.Option(help="Open edits of it; of the model, the task to write.")
    ] = None,
    dataset: Annotated[Optional[str], typer.Option(help="Open edits in this dataset.")] = None,  # noqa: UP045
    action: Annotated[Optional[str], typer.Option(help="relabel, fill, drop or weight.")] = None,  # noqa: UP045
    min_confidence: Annotated[Optional[float], typer.Option(help="Edits at least this sure.")] = None,  # noqa: UP045
    max_confidence: Annotated[Optional[float], typer.Option(help="Edits at most this sure.")] = None,  # noqa: UP045
) -> None:
    """Write the repaired datasets, the open edits for people to decide elsewhere, or the model for other programs."""
    from jointset.cli.exchange import export as command

    filters = {
        "task": task,
        "dataset": dataset,
        "action": action,
        "low": min_confidence,
        "high": max_confidence,
    }
    command(path, out, format, filters)


def import_decisions(
    path: RunPath,
    file: Annotated[
        Path,
        typer.Argument(
            help="Filled edits.csv or edits.jsonl, Label Studio's JSON export, or Argilla's records."
        ),
    ],
    reviewer: Annotated[
        str, typer.Option(help="Name for decisions that carry none; by default the user's.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Read people's decisions from a file into the ledger: all of them or none. Exit code 1: others came first."""
    from jointset.cli.exchange import read_in as command

    command(path, file, reviewer, as_json=as_json)
