"""Cross-fitted predictions: every row is predicted by a joint model that never saw it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jointset.errors import DataError
from jointset.records import Bools, Floats, Ints, Predictions
from jointset.training.checkpoint import save_arrays
from jointset.training.evaluate import predict
from jointset.training.loop import Report, fit
from jointset.training.problem import Problem
from jointset.training.settings import TrainSettings


def cross_fit(
    problem: Problem,
    eligible: Bools,
    fold: Ints,
    settings: TrainSettings,
    *,
    valid: Ints,
    seed: int,
    inform: bool = False,
    cache: Path | None = None,
    report: Report | None = None,
) -> Predictions:
    """One joint model per fold, trained on the other folds, predicts the fold for all tasks at once.

    Parameters
    ----------
    eligible : (N,) rows that may be trained on (the training split). The others are predicted by the mean over all
        models, none of which saw them.
    fold : (N,) fold of every row; a group, or copies of one input, share a fold.
    valid : rows that every fold's training is stopped on; none of them is eligible.
    inform : with joint inference, whether a task's prediction heeds the row's given labels of the other tasks, never
        its own.
    cache : folder for the finished folds, so that an interrupted call that is repeated skips them.
    """
    n, folds = len(fold), int(fold[eligible].max()) + 1
    usable = eligible & problem.usable()
    if len(np.unique(fold[usable])) < 2:
        raise DataError(
            "all labelled training rows belong together (same group or inputs), so none can be predicted by a model "
            "that never saw it; check the group column, or add data"
        )
    outputs = {t.name: np.zeros((n, t.n_outputs), np.float32) for t in problem.tasks}
    embedding = np.zeros((n, problem.plan.width), np.float32)
    margins: dict[str, list[Floats]] = {}
    for k in range(folds):
        part = _one_fold(problem, eligible, fold, k, settings, valid, seed, inform, cache, report)
        own, outside = np.flatnonzero(eligible & (fold == k)), np.flatnonzero(~eligible)
        for task in problem.tasks:
            outputs[task.name][own] = part[f"own.{task.name}"]
            outputs[task.name][outside] += part[f"outside.{task.name}"] / folds
        embedding[own] = part["own"]
        embedding[outside] = part["outside"]
        for key, margin in part.items():
            if key.startswith("margin."):
                margins.setdefault(key.removeprefix("margin."), []).append(margin)
    return Predictions(outputs, embedding, {k: _mean(v) for k, v in margins.items()}, fold)


def _one_fold(
    problem: Problem, eligible: Bools, fold: Ints, k: int,
    settings: TrainSettings, valid: Ints, seed: int, inform: bool, cache: Path | None, report: Report | None,
) -> dict[str, Floats]:  # fmt: skip
    path = cache / f"fold-{k}.npz" if cache else None
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    train = problem.trained_on(eligible & (fold != k))
    result = fit(
        problem,
        train,
        valid,
        settings,
        seed=seed + 1 + k,
        track_margin=True,
        checkpoint=cache / f"fold-{k}.safetensors" if cache else None,
        report=(lambda event: report({**event, "fold": k})) if report else None,
    )
    part: dict[str, Floats] = {
        f"margin.{name}": margin.astype(np.float32) for name, margin in result.margin.items()
    }
    known = problem.readable() if inform else None
    for side, rows in (("own", eligible & (fold == k)), ("outside", ~eligible)):
        values, part[side] = predict(result.model, problem.inputs, np.flatnonzero(rows), known=known)
        part |= {f"{side}.{name}": array for name, array in values.items()}
    if path is not None:
        save_arrays(path, part)
    return part


def _mean(parts: list[Floats]) -> Floats:
    stacked = np.stack(parts)
    count = (~np.isnan(stacked)).sum(0)
    return np.where(count > 0, np.nansum(stacked, 0) / np.maximum(count, 1), np.nan)
