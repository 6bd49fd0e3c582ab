"""``jointset check``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from jointset import checking
from jointset import config as configs
from jointset.cli import memory


def check(config: Path, overrides: list[str], *, estimate: bool, as_json: bool) -> None:
    """Read and check everything; nothing is kept."""
    memory.keep_freed_memory()
    found = checking.check(configs.load(config, overrides), estimate=estimate)
    if as_json:
        typer.echo(json.dumps(found.facts, indent=2))
        return
    named = "" if config == Path("jointset.yaml") else f" {config}"
    typer.echo(f"{found}\nnext: jointset run{named}")
