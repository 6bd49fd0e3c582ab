"""``jointset augment``, and what is said about an augmentation that a run found."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import typer

from jointset.cli import memory


def augment(config: Path, overrides: list[str], *, as_json: bool) -> None:
    """Measure, operation by operation and task by task, whether labels are kept; the run itself is not begun."""
    from jointset import config as configs
    from jointset.augment.preserve import render
    from jointset.augmenting import estimates, stated
    from jointset.console.progress import Progress
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.workbench import set_up, threads

    settings = configs.load(config, overrides)
    memory.keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="jointset-augment-") as folder, Progress(settings) as progress:
        work = prepare(settings, Path(folder))
        bench = set_up(RunDirectory(Path(folder)), work, progress)
        overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
        policy = stated(work)
        with threads(bench):
            table = estimates(bench, overlay, policy)
    if as_json:
        typer.echo(json.dumps([_plain(dataclasses.asdict(e)) for e in table], indent=2))
        return
    typer.echo(
        render(table) if table else "no operation of these modalities to look at; name some below augment"
    )


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and v != v else v for k, v in record.items()}
