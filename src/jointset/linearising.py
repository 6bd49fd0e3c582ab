"""Linearised gains of a configuration's tasks: a short joint training, and gradients of the rows held out from it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from jointset.data import Overlay
from jointset.errors import ConfigError
from jointset.interpret.gradients import RowGradients, labelled_rows
from jointset.interpret.margins import row_margins
from jointset.interpret.projected import span
from jointset.models.grouped import TaskGroup
from jointset.models.joint import JointModel
from jointset.records import HOLDOUT, TRAIN, Ints, Task
from jointset.relatedness import LinearisedGain, Tangent, linearised_gain
from jointset.training.evaluate import predict, row_losses, told_apart
from jointset.training.loop import fit
from jointset.training.problem import Problem
from jointset.training.settings import TrainSettings
from jointset.workbench import Bench

SHARE = 1 / 6  # of the epochs: before rows are learnt by heart
SIZE = 512  # rows whose gradients are the directions of all
FEWEST = 10  # held-out labels of a task in each fold


def linearise(bench: Bench, overlay: Overlay, *, rows: int, seed: int) -> LinearisedGain:
    """The gains that training sets of tasks is estimated to bring, from at most ``rows`` held-out rows of a dataset.

    Raises ConfigError where no task has enough held-out labels, or no shared layer has gradients that factorise.
    """
    pool, rng = bench.work.pool, np.random.default_rng(seed)
    problem = bench.problem(overlay)
    held = np.flatnonzero(problem.usable() & (pool.split == HOLDOUT))
    drawn = [rng.permutation(held[pool.dataset_of[held] == d])[:rows] for d in range(len(pool.datasets))]
    train = problem.trained_on(pool.split == TRAIN)
    return linearised(
        problem, train, np.sort(np.concatenate(drawn)), bench.settings, groups=pool.component, seed=seed
    )


def linearised(
    problem: Problem,
    train: Ints,
    held: Ints,
    settings: TrainSettings,
    *,
    groups: Ints,
    seed: int,
    share: float = SHARE,
    size: int = SIZE,
) -> LinearisedGain:
    """Train all tasks jointly on ``train`` for a ``share`` of the epochs, and linearise at the rows ``held``.

    Rows of one of the ``groups`` ``(N,)`` are in one fold. Tasks with few held-out labels have no estimate.
    """
    began = time.perf_counter()
    own = problem.of_group(TaskGroup(tuple(t.name for t in problem.tasks)))
    epochs = max(1, round(share * settings.epochs))
    model = fit(own, train, train[:0], settings, seed=seed, epochs=epochs).model
    draws = np.random.default_rng([seed, 1]).integers(2, size=int(groups.max(initial=0)) + 1)
    read = {t.name: _read(model, own, t, held, draws[groups]) for t in own.tasks}
    known = {n: f for n, f in read.items() if f is not None}
    if not known:
        raise ConfigError(
            f"linearised gain: no task has {FEWEST} held-out labels in either half; hold out more rows, or leave it out"
        )
    small = span([g for g, _ in known.values()], size=size, seed=seed)
    if not small.basis.size:
        raise ConfigError(
            "linearised gain: the joint model has no shared linear layer and no bag of n-grams to read; "
            "choose another sharing or depth, or leave it out"
        )
    tangents = {n: replace(t, gradients=small(g)) for n, (g, t) in known.items()}
    found = linearised_gain(tangents, tasks=[t.name for t in own.tasks])
    return replace(found, seconds=time.perf_counter() - began)


def _read(
    model: JointModel, problem: Problem, task: Task, held: Ints, fold: Ints
) -> tuple[RowGradients, Tangent] | None:
    """Gradients of a task's rows among ``held``, and the rest of its tangent; None of few rows, or of one label."""
    rows = labelled_rows(problem, task.name, held)
    if np.bincount(fold[rows], minlength=2).min() < FEWEST:
        return None
    labels = problem.labels[task.name][rows]
    outputs, _ = predict(model, problem.inputs, rows)
    _, counts, constant = row_losses(task, labels, outputs[task.name])
    if not told_apart(task, constant):
        return None
    gradients, margins = row_margins(model, problem.inputs, rows, task.name, labels)
    mean, std = task.scale
    number = task.kind == "regression"
    return gradients, Tangent(
        np.zeros((len(rows), 0)),
        margins,
        fold[rows],
        (labels - mean) / std if number else None,
        constant / std**2 / 2 if number else constant * float(counts.mean()),
    )
