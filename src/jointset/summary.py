"""What a finished run leaves: ``summary.json`` and the model folder."""

from __future__ import annotations

import dataclasses
import resource
import shutil
import sys
from typing import Any

import numpy as np

from jointset import apart
from jointset.config import TaskSettings
from jointset.ledger import Ledger
from jointset.metrics import evaluate
from jointset.records import HOLDOUT, TEST, Task, Verdict
from jointset.rounds import Outcome
from jointset.rundir import environment, read_json, write_json, write_text
from jointset.stages import compare, held_out_rows
from jointset.training.checkpoint import load, save_arrays

FORMAT = 1


def finish(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Write the model, then ``summary.json``, whose presence says that the run is finished; weights of rounds go."""
    bench = outcome.bench
    write_model(outcome)
    write_held_out(outcome)
    run = bench.run
    before = run.summary()["seconds"] if (run.path / "summary.json").is_file() else 0.0
    summary = summarise(outcome, before + seconds)
    write_json(bench.run.path / "summary.json", summary)
    shutil.rmtree(bench.run.path / "checkpoints", ignore_errors=True)
    return summary


def summarise(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """The summary: per task the held-out metric before and after, edits by place, rounds, cost."""
    work, run = outcome.bench.work, outcome.bench.run
    tested = bool((work.pool.split == TEST).any())
    with Ledger(run.ledger) as ledger:
        counts = ledger.counts()
        facts = ledger.facts(outcome.rounds) if outcome.rounds else {}
    singly = _singly(outcome, TEST if tested else HOLDOUT)
    noise = {n: np.array(t) for n, t in facts.get("noise_matrix", {}).items()}
    split = TEST if tested else HOLDOUT
    verdict = compare(work, outcome.first, outcome.last, noise, outcome.truth, split=split)
    searched = {"weights": read_json(run.weights)} if run.weights.is_file() else {}
    return {
        "name": work.config.name,
        "tasks": _tasks(outcome, verdict, "test" if tested else "holdout", facts, singly),
        **searched,
        **({"augmentation": read_json(run.augmentation)} if run.augmentation.is_file() else {}),
        **_steps(outcome),
        "edits": counts,
        "rounds": outcome.rounds,
        "heeded": outcome.heeded,
        "stopped": outcome.reason,
        "seconds": round(seconds, 2),
        "peak_memory_bytes": peak_memory(),
        "seed": work.config.seed,
        "version": environment()["packages"].get("jointset", ""),
    }


def _steps(outcome: Outcome) -> dict[str, Any]:
    """How the steps of the last training were weighed, and which tasks were left out of some."""
    file = outcome.last.path
    kept = load(file)[1].get("steps") if file.is_file() else None
    return {"steps": kept} if kept else {}


def _singly(outcome: Outcome, split: int) -> dict[str, dict[str, Any]]:
    """By task, joint training before any repair against the task alone, on rows that chose nothing where there are."""
    bench, kept = outcome.bench, apart.kept_outputs(outcome.bench)
    if kept is None:
        return {}
    joint, alone = kept
    margin = bench.work.config.relatedness.margin
    verdicts = apart.compared(bench.work, joint, alone, split=split, margin=margin, truth=outcome.truth)
    own = {g.serves[0] for g in bench.groups if g.trained == g.serves and len(g.serves) == 1}
    return {v.task: {**apart.record(v), "own_model": v.task in own} for v in verdicts}


def _tasks(
    outcome: Outcome,
    verdict: Verdict,
    judged_on: str,
    facts: dict[str, Any],
    singly: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    work = outcome.bench.work
    rows = held_out_rows(work)
    side = work.pool.split[rows] == (TEST if judged_on == "test" else HOLDOUT)
    tasks = {}
    for task, judged in zip(work.tasks, verdict.tasks, strict=True):
        y, last = outcome.truth.labels[task.name][rows][side], outcome.last
        scores = evaluate(task, y, last.held_out[task.name][side], last.decided[task.name][side])
        tasks[task.name] = {
            "metric": judged.metric,
            "on": judged_on,
            "rows": judged.n,
            "before": _number(judged.before),
            "after": _number(judged.after),
            "interval": [_number(judged.low), _number(judged.high)],
            "verdict": judged.outcome,
            "reviewed": dict(outcome.truth.counts[task.name]),
            "noise_rate": _number(facts.get("noise_rate", {}).get(task.name, float("nan"))),
            "metrics_after": {k: _number(v) for k, v in scores.items()},
            **({"single": singly[task.name]} if task.name in singly else {}),
        }
    return tasks


def write_held_out(outcome: Outcome) -> None:
    """``held_out.npz``: what the models before and after say of the held-out rows, for the report and later looks."""
    bench = outcome.bench
    arrays: dict[str, Any] = {"rows": held_out_rows(bench.work)}
    for i, task in enumerate(bench.work.tasks):
        for side, trained in (("before", outcome.first), ("after", outcome.last)):
            arrays[f"{side}.{i}"] = trained.held_out[task.name]
            arrays[f"{side}_decided.{i}"] = trained.decided[task.name]
    save_arrays(bench.run.held_out, arrays)


def write_model(outcome: Outcome) -> None:
    """``model/{model.safetensors,config.json,README.md}``."""
    bench, run = outcome.bench, outcome.bench.run
    run.model.mkdir(parents=True, exist_ok=True)
    if outcome.last.path.is_file():
        shutil.copyfile(outcome.last.path, run.model / "model.safetensors.tmp")
        (run.model / "model.safetensors.tmp").replace(run.model / "model.safetensors")
    config = bench.work.config
    write_json(
        run.model / "config.json",
        {
            "format": FORMAT,
            "tasks": [dataclasses.asdict(t) for t in bench.work.tasks],
            "encoders": {
                m: {
                    "name": e.name,
                    "options": getattr(config.model, m).options(),
                    "state": bench.inputs.states[m],
                }
                for m, e in bench.inputs.encoders.items()
            },
            "plan": dataclasses.asdict(bench.problem(outcome.overlay).plan),
            "labels": {n: _label_columns(t) for n, t in config.tasks.items()},
            "inputs": {d.name: {m: list(c) for m, c in d.inputs.items()} for d in bench.work.pool.datasets},
            "trained_on": config.name,
        },
    )
    write_text(run.model / "README.md", _model_card(bench.work.tasks, config.name))


def _label_columns(task: TaskSettings) -> dict[str, dict[str, Any]]:
    """Where the datasets have the task's labels, and how they are read; joint inference reads those of new rows."""
    return {
        dataset: {
            "columns": [columns] if isinstance(columns, str) else list(columns),
            "map": task.map.get(dataset),
            "missing": task.missing,
            "separator": task.separator,
        }
        for dataset, columns in task.labels.items()
    }


def _model_card(tasks: tuple[Task, ...], name: str) -> str:
    lines = "\n".join(
        f"- `{t.name}`: {t.kind}{', classes ' + ', '.join(t.classes[:20]) if t.classes else ''}"
        for t in tasks
    )
    return (
        f"# Joint model of the run {name}\n\nOne multi-task model for\n\n{lines}\n\n"
        "Weights are in `model.safetensors`, everything else in `config.json`; neither holds code.\n\n"
        f"```\njointset predict runs/{name} FILE --out predictions.parquet\n```\n"
    )


def peak_memory() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
