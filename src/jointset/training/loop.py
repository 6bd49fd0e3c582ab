"""The training loop: one joint model over all datasets and tasks, or one for each group of tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jointset.models.grouped import TaskGroup, join
from jointset.records import Ints
from jointset.training import checkpoint as checkpoints
from jointset.training.affinity import joined
from jointset.training.evaluate import predict, skill
from jointset.training.oversampled import oversampled
from jointset.training.problem import Problem
from jointset.training.settings import TrainSettings
from jointset.training.steps import added
from jointset.training.trainer import Fit, Trainer

Report = Callable[[dict[str, Any]], bool | None]  # a true answer ends the training


def fit(
    problem: Problem,
    train: Ints,
    valid: Ints,
    settings: TrainSettings,
    *,
    seed: int,
    epochs: int | None = None,
    track_margin: bool = False,
    checkpoint: Path | None = None,
    report: Report | None = None,
    start: Mapping[str, Tensor] | None = None,
    watch: bool = False,
) -> Fit:
    """Train on the rows ``train``; stop early on ``valid``, after exactly ``epochs``, or when ``report`` says so.

    With ``epochs`` the schedule of the learning rate stays that of ``settings.epochs``, so that a fold's model is
    what the full model was at that epoch. With ``checkpoint``, an interrupted call that is repeated goes on from the
    file and ends in the same weights; a file of another version of the library is written anew. ``start`` are weights
    to begin with, instead of random ones. Groups of tasks are trained one after the other, each stopped by its own
    tasks. ``watch`` takes how the tasks' gradients agree, and changes no weight.
    """
    if problem.plan.groups:
        return _fit_groups(
            problem, train, valid, settings, seed=seed, epochs=epochs, track_margin=track_margin,
            checkpoint=checkpoint, report=report, start=start, watch=watch,
        )  # fmt: skip
    problem, train = oversampled(problem, train, settings, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        run = Trainer(problem, train, valid, settings, seed, track_margin, watch)
        if start is not None:
            run.model.load_state_dict(start)
            run.average.restart()
        if checkpoint is not None and checkpoints.usable(checkpoint):
            run.restore(checkpoint)
        last = epochs or settings.epochs
        saved = time.monotonic()
        while run.epoch < last and not (epochs is None and run.stopping.over):
            started = time.monotonic()
            loss, _ = run.one_epoch()
            run.judge(keep_best=epochs is None)
            if report and report(
                {
                    "epoch": run.epoch,
                    "of": last,
                    "loss": loss,
                    "skill": run.stopping.scores[-1],
                    "skills": run.skills,
                    "best": run.stopping.scores[run.stopping.best_epoch - 1],
                    "seconds": time.monotonic() - started,
                }
            ):
                break
            if checkpoint is not None and time.monotonic() - saved >= settings.checkpoint_seconds:
                run.save(checkpoint)
                saved = time.monotonic()
        return run.result()


def _fit_groups(
    problem: Problem,
    train: Ints,
    valid: Ints,
    settings: TrainSettings,
    *,
    checkpoint: Path | None,
    report: Report | None,
    start: Mapping[str, Tensor] | None,
    **same: Any,
) -> Fit:
    """A model for each group of the plan, as one; ``epochs`` and ``curve`` are those of the first."""
    fits: list[Fit] = []
    for i, group in enumerate(problem.plan.groups):
        own = problem.of_group(group)
        usable = own.trained_on(np.ones(problem.rows, bool))
        prefix = f"members.{i}."
        fits.append(
            fit(
                own,
                np.intersect1d(train, usable),
                np.intersect1d(valid, usable),
                settings.of(group.trained),
                checkpoint=checkpoint.with_suffix(f".{i}{checkpoint.suffix}") if checkpoint else None,
                report=_of_group(report, group),
                start=start and {k.removeprefix(prefix): v for k, v in start.items() if k.startswith(prefix)},
                **same,
            )
        )
    model = problem.build(same["seed"])
    model.load_state_dict(join([f.model for f in fits]))
    model.eval()
    score = float("nan")
    if len(valid):
        labels = {t.name: problem.labels[t.name][valid] for t in problem.tasks}
        score = skill(problem.tasks, labels, predict(model, problem.inputs, valid)[0])
    margin = {
        t: f.margin[t]
        for g, f in zip(problem.plan.groups, fits, strict=True)
        for t in g.serves
        if t in f.margin
    }
    passes = np.sum([f.effective_epochs for f in fits], axis=0)
    running = joined([t.name for t in problem.tasks], [f.running for f in fits])
    steps = added([f.steps for f in fits])
    return Fit(model, fits[0].epochs, score, passes, margin, fits[0].curve, running, steps)


def _of_group(report: Report | None, group: TaskGroup) -> Report | None:
    """The same, told whose epochs these are."""
    return None if report is None else lambda event: report({**event, "group": list(group.serves)})


def time_steps(problem: Problem, train: Ints, settings: TrainSettings, *, steps: int) -> float:
    """Seconds an epoch takes on this machine, from ``steps`` steps of a model that is thrown away."""
    if problem.plan.groups:
        every = [problem.of_group(g) for g in problem.plan.groups]
        parts = [(own, np.intersect1d(train, own.trained_on(np.ones(problem.rows, bool)))) for own in every]
        return sum(
            time_steps(own, rows, settings.of([t.name for t in own.tasks]), steps=steps)
            for own, rows in parts
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        run = Trainer(problem, train, train[:0], settings, 0, False)
        run.one_epoch(most=2)
        started = time.monotonic()
        done = run.one_epoch(most=steps)[1]
    return (time.monotonic() - started) / max(done, 1) * len(run.sampler)
