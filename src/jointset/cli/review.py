"""``jointset review``."""

from __future__ import annotations

from pathlib import Path

import typer

from jointset.review import serve
from jointset.rundir import RunDirectory


def review(
    path: Path, *, host: str, port: int, reviewer: str, password: str, names: tuple[str, ...], checks: float
) -> None:
    """Serve the review page until Ctrl-C."""
    directory = RunDirectory(path)
    if not (directory.data / "rows" / "rows.json").is_file():
        from jointset.project import Run

        run = Run(path)  # a mistaken path is told before anything else
        typer.echo("laying out the rows of the run, once …", err=True)
        run.lay_out()

    def tell(address: str) -> None:
        typer.echo(
            f"review: {address}\nThe link works once. Ctrl-C ends the page; every decision is in the ledger already."
        )

    serve(
        directory,
        host=host,
        port=port,
        reviewer=reviewer,
        password=password,
        names=names,
        checks=checks,
        tell=tell,
        note=lambda text: typer.echo(text, err=True),
    )
