"""``jointset run``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from jointset import config as configs
from jointset.cli import memory
from jointset.console.augmentation import augmentation_lines
from jointset.console.progress import Progress
from jointset.console.weights import weights_lines
from jointset.console.words import counted
from jointset.project import execute


def run(config: Path, overrides: list[str], runs: Path, *, new_run: bool, as_json: bool) -> None:
    """Run a configuration and print the summary; exit code 1 when the gate refused something."""
    settings = configs.load(config, overrides)
    memory.keep_freed_memory()
    with Progress(settings) as progress:
        finished = execute(settings, runs, emit=progress, new_run=new_run)
    summary = finished.summary
    if as_json:
        json.dump(summary, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        typer.echo(render(summary))
        typer.echo(f"\nreport: {finished.path}/report.html")
        typer.echo(f"next: jointset diff {finished.path} · jointset export {finished.path}")
    if summary["edits"]["rejected"]:
        raise typer.Exit(1)


def render(summary: dict[str, Any]) -> str:
    """The summary as text."""
    lines = []
    for name, task in summary["tasks"].items():
        if task["verdict"] == "not judged":
            lines.append(f"{name}: {task['metric']} not judged ({task['rows']} {task['on']} rows)")
            continue
        low, high = task["interval"]
        lines.append(
            f"{name}: {task['metric']} on {task['rows']:,} {task['on']} rows "
            f"{task['before']:.3f} → {task['after']:.3f}, "
            f"change {task['after'] - task['before']:+.3f} [{low:+.3f}, {high:+.3f}]: {task['verdict']}"
        )
        if noisy := task.get("corrected_for_noise"):
            low, high = noisy["interval"]
            lines.append(
                f"  corrected for the holdout's label noise {noisy['before']:.3f} → {noisy['after']:.3f} "
                f"[{low:+.3f}, {high:+.3f}], which the verdict goes by"
            )
        if leaky := task.get("with_leaks"):
            lines.append(f"  {leaky['note']}; with them {leaky['before']:.3f} → {leaky['after']:.3f}")
        by = [
            actions for tasks in summary["edits"]["by"].values() for actions in tasks.get(name, {}).values()
        ]
        if task["verdict"] == "worse" and any(counts["accepted"] for counts in by):
            seen = "; these test rows have had a say then, so judge by others" if task["on"] == "test" else ""
            lines.append(f"  → jointset undo RUN --task {name} takes its edits back{seen}")
    if "weights" in summary:
        lines += weights_lines(summary["weights"])
    if "augmentation" in summary:
        lines += augmentation_lines(summary["augmentation"])
    edits = summary["edits"]
    lines.append(
        f"edits: {edits['proposed']:,} proposed, {edits['accepted']:,} accepted, {edits['rejected']:,} rejected, "
        f"{edits['undone']:,} undone"
    )
    lines.append(
        f"{counted(summary['rounds'], 'round')} in {summary['seconds']:.0f} s, "
        f"{summary['peak_memory_bytes'] / 1e9:.2f} GB; {summary['stopped']}"
    )
    return "\n".join(lines)
