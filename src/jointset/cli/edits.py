"""``jointset status``, ``diff`` and ``undo``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from jointset.cli.run import render
from jointset.console.weights import weights_lines
from jointset.errors import UserError
from jointset.ledger import Ledger
from jointset.project import Run
from jointset.rundir import read_json


def status(path: Path, *, as_json: bool) -> None:
    """Say where a run stands."""
    run = Run(path)
    if (run.path / "summary.json").is_file():
        _out(run.summary, as_json, render)
        return
    facts: dict[str, Any] = {"finished": False, "rounds": []}
    if run.directory.ledger.is_file():
        with Ledger(run.directory.ledger) as ledger:
            facts |= {"rounds": list(ledger.rounds()), "edits": ledger.counts()}
    if run.directory.weights.is_file():
        facts["weights"] = read_json(run.directory.weights)
    elif search := run.directory.config().training.search:
        trials = len(list((run.path / "search").glob("trial-*.json")))
        facts["search"] = {"trials": trials, "budget": search.budget}
    _out(facts, as_json, _unfinished)


def _unfinished(facts: dict[str, Any]) -> str:
    lines = weights_lines(facts["weights"]) if "weights" in facts else []
    if "search" in facts:
        lines.append("search of weights: {trials} of at most {budget} trials done".format(**facts["search"]))
    return "\n".join(
        [*lines, f"not finished, {len(facts['rounds'])} rounds done; repeat jointset run to go on"]
    )


def diff(
    path: Path, task: str | None, dataset: str | None, action: str | None,
    from_round: int, to_round: int | None, limit: int, *, as_json: bool,
) -> None:  # fmt: skip
    """Show changed labels."""
    edits = Run(path).diff(
        task=task, dataset=dataset, action=action, from_round=from_round, to_round=to_round
    )
    frame = edits.to_pandas()
    if as_json:
        sys.stdout.write(frame.to_json(orient="records") + "\n")
        return
    row: Any
    for row in frame.head(limit).itertuples():
        place = f"{row.dataset} {row.row} {row.task}{f'[{row.position}]' if row.position else ''}"
        change = (
            f"weight {row.weight:.2f}"
            if row.action == "weight"
            else f"{row.old or 'missing'} → {row.new or 'missing'}"
        )
        typer.echo(f"{place}: {row.action} {change}, confidence {row.confidence:.2f}, round {row.round}")
    if len(frame) > limit:
        typer.echo(f"… {len(frame) - limit:,} more; --limit shows them, --json gives all")
    if frame.empty:
        typer.echo("no label differs")


def undo(path: Path, selector: dict[str, Any], *, everything: bool, note: str, as_json: bool) -> None:
    """Append compensating entries."""
    if not everything and all(v is None for v in selector.values()):
        raise UserError(
            "undo: say which edits (--task, --dataset, --action, --round, --row, --min-confidence …), or --all"
        )
    run = Run(path)
    count = run.undo(**selector, everything=everything, note=note)
    _out(
        {"undone": count},
        as_json,
        lambda f: f"{f['undone']:,} edits undone; export shows the labels as they are now",
    )


def _out(value: dict[str, Any], as_json: bool, text: Any) -> None:
    typer.echo(json.dumps(value, indent=2) if as_json else text(value))
