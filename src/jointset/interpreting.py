"""What the rows of which dataset do to which task, and which layers the tasks share, in the model of a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.interpret import alignment, influence, task_features
from jointset.interpret.gradients import labelled_rows
from jointset.models.grouped import TaskGroup
from jointset.models.joint import JointModel
from jointset.records import HOLDOUT, SPLITS, TEST, TRAIN, Ints
from jointset.rundir import write_json
from jointset.stages import load_model
from jointset.training.loop import fit
from jointset.training.problem import Problem
from jointset.workbench import Bench, threads

ROWS = 500  # of each task and dataset, on either side …
ALL = 6000  # … or their share of these, 50 at least: the work grows with the square of the tasks
COMPARED = 12  # tasks whose layers are compared, pair by pair


def write_interpretation(bench: Bench, problem: Problem) -> None:
    """``interpretation.json``, from the weights in the model folder and from one epoch of a training; not where
    ``relatedness`` is off."""
    file = bench.run.model / "model.safetensors"
    if file.is_file() and bench.work.config.relatedness.mode != "off":
        bench.emit({"event": "stage", "stage": "interpretation", "name": "after an epoch"})
        model, _ = load_model(problem, file, bench.work.config.seed)
        with threads(bench):
            write_json(bench.run.interpretation, interpretation(bench, problem, model))


def interpretation(bench: Bench, problem: Problem, model: JointModel) -> dict[str, Any]:
    """As JSON values: ``influence``, a record for each dataset, task and target task, and ``layers``.

    A record's ``share`` is the mean influence of a training label on the target's held-out loss over the strongest on
    it, from −1 to 1; ``hurt`` is the share of labels that raise the loss. It is that of a model after one epoch: at the
    end of a training all gradients together are nothing, and what is left of held-out ones is that the model is too
    sure. ``layers`` holds debiased CKA between the tasks' features in ``model``, by layer. Both read samples.
    """
    pool, rng = bench.work.pool, np.random.default_rng(bench.work.config.seed)
    usable = problem.usable()
    side = HOLDOUT if (usable & (pool.split == HOLDOUT)).any() else TEST
    train = _sample(problem, np.flatnonzero(usable & (pool.split == TRAIN)), pool.dataset_of, rng)
    held = _sample(problem, np.flatnonzero(usable & (pool.split == side)), pool.dataset_of, rng)
    return {
        "influence": [
            record for group in _groups(problem) for record in _influence(bench, problem, group, train, held)
        ],
        "rows": {"training": len(train), "held_out": len(held), "side": SPLITS[side]},
        "layers": _layers(problem, model, held),
    }


def _groups(problem: Problem) -> list[TaskGroup]:
    named = [t.name for t in problem.tasks]
    return list(problem.plan.groups) or [TaskGroup(tuple(named))]


def _influence(
    bench: Bench, problem: Problem, group: TaskGroup, train: Ints, held: Ints
) -> list[dict[str, Any]]:
    """On the tasks that one model serves."""
    own, pool = problem.of_group(group), bench.work.pool
    rows = own.trained_on(pool.split == TRAIN)
    model = fit(
        own, rows, rows[:0], bench.settings.of(group.trained), seed=bench.work.config.seed, epochs=1
    ).model
    found = influence([model], own, train, held)
    table = [
        e
        for e in found.table(pool.dataset_of, [d.name for d in pool.datasets])
        if e["total"] and e["target"] in group.serves
    ]
    strongest = {
        t: max(abs(e["mean"]) for e in table if e["target"] == t) for t in {e["target"] for e in table}
    }
    return [
        {
            **{k: e[k] for k in ("dataset", "task", "target", "rows")},
            "share": round(e["mean"] / strongest[e["target"]], 4),
            "hurt": round(e["hurt"], 4),
        }
        for e in table
    ]


def _layers(problem: Problem, model: JointModel, rows: Ints) -> dict[str, Any] | None:
    """How alike the tasks' features are, layer by layer; None for one task, or too few rows."""
    tasks = [t.name for t in model.tasks][:COMPARED]
    if len(tasks) < 2 or len(rows) < 8:
        return None
    features = task_features(model, problem.inputs, rows)
    kept = {n: {t: by[t] for t in tasks} for n, by in features.items() if all(t in by for t in tasks)}
    if not kept:
        return None
    found = alignment(kept)
    return {
        "names": list(found.layers),
        "tasks": list(found.tasks),
        "mean": [None if np.isnan(v) else round(float(v), 4) for v in found.shared()],
        "alignment": [[[round(float(v), 4) for v in row] for row in matrix] for matrix in found.value],
    }


def _sample(problem: Problem, rows: Ints, dataset_of: Ints, rng: np.random.Generator) -> Ints:
    """At most ``ROWS`` labelled rows of every task in every dataset, ascending."""
    labelled = [labelled_rows(problem, task.name, rows) for task in problem.tasks]
    cells = [own[dataset_of[own] == d] for own in labelled for d in np.unique(dataset_of[own])]
    most = min(ROWS, max(ALL // max(len(cells), 1), 50))
    chosen: set[int] = set()
    for there in cells:
        known = [r for r in there.tolist() if r in chosen]
        left = np.setdiff1d(there, known)
        chosen.update(rng.permutation(left)[: max(most - len(known), 0)].tolist())
    return np.array(sorted(chosen), np.int64)
