"""Further rows of rare classes, made out of the rows of one training: tables by SMOTE, also images by a decoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.augment.smote import further_rows
from jointset.errors import DataError
from jointset.models.encoders.base import Arrays
from jointset.models.inputs import Inputs
from jointset.records import Ints
from jointset.training.decoded import decoded_rows
from jointset.training.problem import Problem
from jointset.training.settings import TrainSettings

MOST = 10000  # new rows of a task


def oversampled(problem: Problem, train: Ints, settings: TrainSettings, seed: int) -> tuple[Problem, Ints]:
    """The problem with new rows behind all others, and the rows to train on with them.

    They come from ``train`` alone, so that no fold sees another's rows. A new row has the label of the task it was made
    for and no other: it lies between rows that need not agree in the rest. A class weighs what it weighed before,
    shared by its old and new rows, so that probabilities stay probabilities; a task that is to heed rare classes more
    has losses and sampling for that.
    """
    asked = problem.augmentation.policy.smote if problem.augmentation else {}
    for name, (method, neighbours) in asked.items():
        task = next(t for t in problem.tasks if t.name == name)
        where = f"augment.tasks.{name}.smote"
        if task.kind not in ("binary", "multiclass"):
            raise DataError(f"{where}: {task.kind} has no rare classes to make rows of; take it out")
        modality = _modality(problem, where, method)
        own = train[(problem.labels[name][train] >= 0) & (problem.weights[name][train] > 0)]
        own = own[problem.inputs.row[modality][own] >= 0]
        facts: dict[str, Any] = {
            "neighbours": neighbours,
            "seed": seed,
            "where": where,
            "classes": task.classes,
        }
        labels = np.asarray(problem.labels[name][own])
        if method == "decoded":
            made, named = decoded_rows(problem, own, labels, modality, settings, facts)
        else:
            arrays = problem.inputs.arrays["tabular"]
            at = problem.inputs.row["tabular"][own]
            numbers, categories = (
                np.asarray(arrays["numbers"][at], float),
                np.asarray(arrays["categories"][at]),
            )
            d = numbers.shape[1] // 2
            values, codes, named = further_rows(numbers[:, :d], categories, labels, method=method, **facts)
            whole = np.concatenate([values, np.zeros_like(values)], 1)
            made = {"numbers": whole.astype(np.float32), "categories": codes}
        if len(named):
            chosen = np.random.default_rng([seed, 10]).permutation(len(named))[:MOST]
            made = {k: v[chosen] for k, v in made.items()}
            problem, new = _with_rows(problem, modality, made, name, named[chosen], own)
            train = np.concatenate([train, new])
    return problem, train


def _modality(problem: Problem, where: str, method: str) -> str:
    able = ("tabular", "image") if method == "decoded" else ("tabular",)
    if len(problem.inputs.encoders) == 1 and next(iter(problem.inputs.encoders)) in able:
        return next(iter(problem.inputs.encoders))
    if "tabular" in problem.inputs.encoders and method != "decoded":
        return "tabular"
    has = ", ".join(problem.inputs.encoders)
    raise DataError(
        f"{where}: {method} makes rows of {' or '.join(able)} inputs alone, and these have {has}; take it out"
    )


def _with_rows(
    problem: Problem, modality: str, made: Arrays, task: str, named: Ints, own: Ints
) -> tuple[Problem, Ints]:
    """The problem with rows of one modality that have the label of one task."""
    n, total = len(named), len(problem.dataset_of)
    arrays = problem.inputs.arrays[modality]
    if "readable" in arrays:
        made = {**made, "readable": np.ones(n, bool)}
    joined = problem.inputs.encoders[modality].concat([arrays, made])
    start = len(next(iter(arrays.values())))
    row: Mapping[str, Ints] = {
        m: np.concatenate([r, start + np.arange(n) if m == modality else np.full(n, -1)])
        for m, r in problem.inputs.row.items()
    }
    inputs = Inputs(
        problem.inputs.encoders, problem.inputs.states, {**problem.inputs.arrays, modality: joined}, row
    )
    labels, weights = {}, {}
    for t in problem.tasks:
        y, w = t.missing(n), np.zeros((n, *problem.weights[t.name].shape[1:]), np.float32)
        before = problem.weights[t.name]
        if t.name == task:
            old, new = (np.bincount(c, minlength=len(t.classes)) for c in (problem.labels[task][own], named))
            part = (old / np.maximum(old + new, 1)).astype(np.float32)
            y, w = named.astype(y.dtype), part[named]
            before = before.copy()
            before[own] *= part[problem.labels[task][own]]
        labels[t.name] = np.concatenate([problem.labels[t.name], y])
        weights[t.name] = np.concatenate([before, w])
    source = np.resize(own, n)  # no row's own: they lie between two, both of which are trained on
    changed = dataclasses.replace(
        problem,
        inputs=inputs,
        labels=labels,
        weights=weights,
        dataset_of=np.concatenate([problem.dataset_of, problem.dataset_of[source]]),
        source=np.concatenate([problem.source, source]),
    )
    return changed, total + np.arange(n)
