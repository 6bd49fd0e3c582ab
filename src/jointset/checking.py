"""What is there before anything is trained: what can be read, what is doubtful, what a run will cost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from jointset.config import Config
from jointset.console.words import counted
from jointset.prepare import Work, prepare, regime
from jointset.records import HOLDOUT, TEST, TRAIN, Task, is_labelled

FEW_HELD_OUT = 100
FEW = 20  # rows of a class
STEPS = 20
TODO = {  # part of a note of the preparation → what to do about it
    "declared sentinel": "nothing, if that is as many as you expect",
    "without an entry in map": "give them an entry in map, if they are classes",
    "is no input": "take it out of inputs, or mend the file",
    "never applies": "take it out of classes, or look at separator: it cannot be learnt",
    "always applies": "take it out of classes, or look at separator: it cannot be learnt",
    "look better than": "add leaks to improve.fixes, or take split.column out and let the split be drawn",
    "could be held out": "name a split column, or a finer group: without a holdout nothing is judged",
}


@dataclass(frozen=True, eq=False)
class Check:
    """Everything was read and nothing is kept: the grid of labels, what is doubtful, what a run will cost.

    ``facts`` are the same as JSON values; as text it is what ``jointset check`` prints.
    """

    text: str
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def check(config: Config, *, sources: Mapping[str, Any] | None = None, estimate: bool = True) -> Check:
    """Read and check everything; nothing is kept.

    ``sources`` are datasets given as objects; ``estimate`` trains a few steps to tell what a run will cost. Raises
    UserError for what would stop a run.
    """
    from jointset.workbench import check_methods

    with tempfile.TemporaryDirectory(prefix="jointset-check-") as folder:
        work = prepare(config, Path(folder), sources)
        check_methods(work)
        facts: dict[str, Any] = {"regime": regime(config), "grid": grid(work), "findings": findings(work)}
        if estimate:
            facts |= cost(work, Path(folder))
        return Check(render(config, work, facts), facts)


def grid(work: Work) -> dict[str, dict[str, int]]:
    """Labels by dataset and task."""
    return {
        d.name: {
            t.name: int(is_labelled(work.given[t.name][work.pool.rows_of(d.name)]).sum())
            for t in work.tasks
            if d.name in work.config.tasks[t.name].labels
        }
        for d in work.pool.datasets
    }


def findings(work: Work) -> list[dict[str, str]]:
    """What is fine (✔), doubtful (⚠) or wrong (✘) before training, and what to do about it."""
    found = [_doubt(note, next((t for part, t in TODO.items() if part in note), "")) for note in work.notes]
    for task in work.tasks:
        labels = work.given[task.name]
        known = is_labelled(labels)
        held = int((known & (work.pool.split == HOLDOUT)).sum())
        if held < FEW_HELD_OUT:
            found.append(
                _doubt(
                    f"{task.name}: {held} held-out labels, the gate will be blind to small changes",
                    "raise split.holdout, or label more rows",
                )
            )
        if task.kind in ("binary", "multiclass"):
            counts = np.bincount(labels[known], minlength=len(task.classes))
            rare = [c for c, n in zip(task.classes, counts, strict=True) if n < FEW]
            if rare:
                shown = ", ".join(rare[:5]) + (" …" if len(rare) > 5 else "")
                found.append(
                    _doubt(
                        f"{task.name}: fewer than {FEW} rows of {len(rare)} of {len(task.classes)} classes ({shown})",
                        "join them to others with map, or expect nothing of their scores",
                    )
                )
    copies = len(work.pool) - len(np.unique(work.pool.component))
    if copies:
        found.append(
            _doubt(
                f"{copies:,} rows share a group or their content with another; they stay on one side of every split",
                "nothing need be done; jointset audit lists the copies, duplicates among improve.fixes drops them",
            )
        )
    found.append({"mark": "✔", "text": "every file, column and label can be read", "todo": ""})
    return found


def _doubt(text: str, todo: str) -> dict[str, str]:
    return {"mark": "⚠", "text": text, "todo": todo}


def cost(work: Work, folder: Path) -> dict[str, Any]:
    """The model's parts, and seconds for the whole run, from a few steps of training on this machine."""
    from jointset import apart
    from jointset.data import apply
    from jointset.models.describe import summary
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.training.loop import time_steps
    from jointset.workbench import set_up, threads

    started = time.monotonic()
    bench = set_up(RunDirectory(folder), work, lambda event: None)
    prepared = time.monotonic() - started
    overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
    problem = bench.problem(overlay)
    train = np.flatnonzero(problem.usable() & (work.pool.split == TRAIN))
    model = summary(problem.build(work.config.seed), work.config.model.sharing.method)
    with threads(bench):
        per_epoch = time_steps(problem, train, bench.settings, steps=STEPS)
    training, improve = work.config.training, work.config.improve
    share = (training.folds - 1) / training.folds
    trials = training.search.trainings if training.search else 0
    singly = apart.affordable(problem, work, work.config.relatedness.budget) if apart.asked(bench) else {}
    rounds = (
        sum(singly.values())
        + trials
        + work.config.augment.trainings
        + 1
        + improve.rounds * (training.folds * share + 1)
    )
    return {"model": model, "estimate_seconds": round(prepared + per_epoch * training.epochs * rounds, 1)}


def _balance(task: Task) -> str:
    """The loss and the sampling of a task, where they are not the default."""
    loss = ", ".join(f"{v}" if k == "name" else f"{k} {v:g}" for k, v in task.loss.items() if v is not None)
    drawn = task.sampling.get("mode")
    return (f"; loss {loss}" if loss else "") + (
        f"; {drawn}-sampled, power {task.sampling['power']:g}" if drawn else ""
    )


def _told(finding: dict[str, str]) -> list[str]:
    return [f"{finding['mark']} {finding['text']}", *([f"  → {finding['todo']}"] if finding["todo"] else [])]


def render(config: Config, work: Work, facts: Mapping[str, Any]) -> str:
    """The check as text."""
    names = [t.name for t in work.tasks]
    width = max(12, *(len(d) for d in facts["grid"]))
    lines = [
        f"regime: {facts['regime']}",
        "",
        f"{'labels':<{width}} {'rows':>9} " + " ".join(f"{n:>12}" for n in names),
    ]
    for dataset, counts in facts["grid"].items():
        rows = len(work.pool.dataset_of[work.pool.rows_of(dataset)])
        lines.append(
            f"{dataset:<{width}} {rows:>9,} "
            + " ".join(f"{counts[n]:>12,}" if n in counts else f"{'·':>12}" for n in names)
        )
    split = work.pool.split
    lines += [
        "",
        f"splits: {(split == TRAIN).sum():,} train, {(split == HOLDOUT).sum():,} holdout, "
        f"{(split == TEST).sum():,} test",
        "",
    ]
    for task in work.tasks:
        classes = (
            f", {len(task.classes)} classes: {', '.join(task.classes[:8])}{' …' if len(task.classes) > 8 else ''}"
            if task.classes
            else ""
        )
        lines.append(f"  {task.name}: {task.kind}{classes}; judged by {task.metric}{_balance(task)}")
    if "model" in facts:
        from jointset.models.describe import render as described

        lines += ["", described(facts["model"], names)]
    lines += ["", *(line for f in facts["findings"] for line in _told(f))]
    if "estimate_seconds" in facts:
        seconds = facts["estimate_seconds"]
        shown = f"{seconds / 60:.0f} min" if seconds > 120 else f"{seconds:.0f} s"
        search = config.training.search
        trials = f"{search.trainings} trials of weights and " if search else ""
        lines.append(
            f"✔ a run of {trials}{counted(config.improve.rounds, 'round')} takes at most about {shown} "
            "on this machine, and mostly a third of that, as training stops early"
        )
    return "\n".join(lines)
