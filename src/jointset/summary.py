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
from jointset.export.model_card import model_card
from jointset.gate import unseen
from jointset.interpreting import write_interpretation
from jointset.ledger import Ledger
from jointset.metrics import evaluate
from jointset.records import HOLDOUT, SPLITS, TEST, TaskVerdict, Verdict
from jointset.rounds import Outcome
from jointset.rundir import environment, read_json, write_json, write_text
from jointset.stages import compare, held_out_rows
from jointset.training.checkpoint import load, save_arrays

FORMAT = 1


def finish(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Write the model, then ``summary.json``, whose presence says that the run is finished; weights of rounds go."""
    bench = outcome.bench
    run = bench.run
    before = run.summary()["seconds"] if (run.path / "summary.json").is_file() else 0.0
    summary = summarise(outcome, before + seconds)
    write_model(outcome, summary)
    write_held_out(outcome)
    write_interpretation(bench, bench.problem(outcome.overlay))
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
    foreseen = _foreseen(outcome)
    noise = {n: np.array(t) for n, t in facts.get("noise_matrix", {}).items()}
    split = TEST if tested else HOLDOUT
    models = (outcome.bench, outcome.first, outcome.last, noise, outcome.truth)
    verdict = compare(*models, split=split)
    leaky = compare(*models, split=split, leaks=True) if outcome.bench.leaked else None
    searched = {"weights": read_json(run.weights)} if run.weights.is_file() else {}
    return {
        "name": work.config.name,
        "tasks": _tasks(outcome, verdict, leaky, facts, singly, foreseen),
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
    options: dict[str, Any] = {
        "split": split,
        "margin": margin,
        "truth": outcome.truth,
        "leaked": bench.leaked,
    }
    verdicts = apart.compared(bench.work, joint, alone, **options)
    own = {g.serves[0] for g in bench.groups if g.trained == g.serves and len(g.serves) == 1}
    return {v.task: {**apart.record(v), "own_model": v.task in own} for v in verdicts}


def _foreseen(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """By task what was foreseen and acted on: why it is trained apart, and of which tasks it is a copy."""
    file = outcome.bench.run.relatedness
    apart = read_json(file).get("set_apart", {}) if file.is_file() else {}
    found: dict[str, dict[str, Any]] = {n: {"set_apart": why} for n, why in apart.items()}
    for group in outcome.bench.copies:
        for name in group:
            found.setdefault(name, {})["copies"] = [other for other in group if other != name]
    return found


def _tasks(
    outcome: Outcome,
    verdict: Verdict,
    leaky: Verdict | None,
    facts: dict[str, Any],
    singly: dict[str, dict[str, Any]],
    foreseen: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    work = outcome.bench.work
    rows = held_out_rows(work)
    split = TEST if (work.pool.split == TEST).any() else HOLDOUT
    rows, place = rows[work.pool.split[rows] == split], np.flatnonzero(work.pool.split[rows] == split)
    known = {} if outcome.bench.leaked is None else outcome.bench.leaked.among(rows)
    tasks = {}
    for task, judged in zip(work.tasks, verdict.tasks, strict=True):
        y, last = outcome.truth.labels[task.name][rows], outcome.last
        fit, told = unseen(y, known)
        scores = evaluate(task, y[fit], *(a[task.name][place[fit]] for a in (last.held_out, last.decided)))
        tasks[task.name] = {
            "metric": judged.metric,
            "on": SPLITS[split],
            "rows": judged.n,
            "before": _number(judged.before),
            "after": _number(judged.after),
            "interval": [_number(judged.low), _number(judged.high)],
            **_corrected(judged),
            "verdict": judged.outcome,
            "reviewed": dict(outcome.truth.counts[task.name]),
            "noise_rate": _number(facts.get("noise_rate", {}).get(task.name, float("nan"))),
            "metrics_after": {k: _number(v) for k, v in scores.items()},
            **_with_leaks(leaky, task.name, told),
            **({"single": singly[task.name]} if task.name in singly else {}),
            **foreseen.get(task.name, {}),
        }
    return tasks


def _corrected(judged: TaskVerdict) -> dict[str, Any]:
    """What decided, where the comparison was corrected for the label noise of the held-out rows."""
    if not np.isfinite(judged.corrected_before):
        return {}
    values = {side: _number(getattr(judged, f"corrected_{side}")) for side in ("before", "after")}
    interval = [_number(judged.corrected_low), _number(judged.corrected_high)]
    return {"corrected_for_noise": {**values, "interval": interval}}


def _with_leaks(verdict: Verdict | None, task: str, note: str) -> dict[str, Any]:
    """The scores with the rows that the training rows know, where there are some: what would be told without a look."""
    if verdict is None or not note:
        return {}
    judged = next(t for t in verdict.tasks if t.task == task)
    scores = {"rows": judged.n, "before": _number(judged.before), "after": _number(judged.after)}
    return {"with_leaks": {"note": note, **scores}}


def write_held_out(outcome: Outcome) -> None:
    """``held_out.npz``: what the models before and after say of the held-out rows, for the report and later looks."""
    bench = outcome.bench
    arrays: dict[str, Any] = {"rows": held_out_rows(bench.work)}
    for i, task in enumerate(bench.work.tasks):
        for side, trained in (("before", outcome.first), ("after", outcome.last)):
            arrays[f"{side}.{i}"] = trained.held_out[task.name]
            arrays[f"{side}_decided.{i}"] = trained.decided[task.name]
    save_arrays(bench.run.held_out, arrays)


def write_model(outcome: Outcome, summary: dict[str, Any]) -> None:
    """``model/{model.safetensors,config.json,README.md}``."""
    bench, run = outcome.bench, outcome.bench.run
    run.model.mkdir(parents=True, exist_ok=True)
    if outcome.last.path.is_file():
        shutil.copyfile(outcome.last.path, run.model / "model.safetensors.tmp")
        (run.model / "model.safetensors.tmp").replace(run.model / "model.safetensors")
    config = bench.work.config
    inputs = {d.name: {m: list(c) for m, c in d.inputs.items()} for d in bench.work.pool.datasets}
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
            "inputs": inputs,
            "trained_on": config.name,
        },
    )
    card = model_card(
        config.name, bench.work.tasks, inputs=inputs, scores=summary["tasks"], edits=summary["edits"],
        seed=config.seed, version=summary["version"],
    )  # fmt: skip
    write_text(run.model / "README.md", card)


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


def peak_memory() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
