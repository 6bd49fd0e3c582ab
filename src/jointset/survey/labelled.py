"""Checks that read labels, and predictions where there are some: shift, long tails, shortcuts, contradicting copies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.crossfit import cross_fitted
from jointset.audit.findings import Checked, Findings
from jointset.audit.leakage import (
    Shortcuts,
    find_conflicts,
    find_shortcuts,
    simple_images,
    simple_sounds,
    simple_texts,
)
from jointset.audit.long_tail import long_tail
from jointset.audit.outliers import find_outliers, find_uncertain
from jointset.audit.shift import covariate_shift, label_shift, shift_matrix
from jointset.prepare import Work
from jointset.records import TEST, TRAIN, Bools, Ints, Predictions, Task, is_labelled
from jointset.survey.alone import InputChecks, comparable
from jointset.survey.inputs import PoolInputs
from jointset.survey.sections import Section
from jointset.survey.sides import Divisions, once, shift_of_shares

SIMPLE: dict[str, Any] = {"text": simple_texts, "image": simple_images, "audio": simple_sounds}
ARTEFACT = 0.95  # area from which simple features of media say too much
MOST_CLASSES = 200  # beyond, a linear model of the labels is too slow to be cheap
MOST_LABELS = 30  # labels of a multilabel task that are looked at one by one


@dataclass(frozen=True)
class LabelsNow:
    """Labels as they stand in a round, and the predictions of the joint model where there are some."""

    labels: Mapping[str, NDArray[Any]]
    predictions: Predictions | None = None


def check_labels(work: Work, inputs: PoolInputs, alone: InputChecks, now: LabelsNow) -> list[Section]:
    """All checks that read labels, in the order in which they are told."""
    simple = {m: SIMPLE[m](p.data) for m, p in inputs.by_modality.items() if m in SIMPLE}
    sections = _shift_of_inputs(work, inputs, alone)
    near, usable = alone.duplicates.near, comparable(work)
    divisions = Divisions.of(work, near)
    for task in work.tasks:
        codes = as_classes(task, now.labels[task.name])
        probs = _probs(work, inputs, alone, task, codes, now)
        sections += _conflicts(work, alone, task, now, probs)
        sections += _shortcuts(work, inputs, alone, task, now, simple)
        sections += _shift_of_labels(work, alone, task, codes, probs)
        sections += shift_of_shares(work, near, divisions, usable, task, now.labels[task.name])
        sections += _tails(work, task, now, probs)
    if now.predictions is not None:
        sections += _at_a_loss(work, alone, now.predictions)
    return sections


def as_classes(task: Task, labels: NDArray[Any]) -> Ints | None:
    """Class codes ``(N,)``, -1 = missing: those of the task, above the median or not for numbers, None for label
    sets."""
    if task.kind == "multilabel":
        return None
    if task.kind == "regression":
        known = ~np.isnan(labels)
        middle = np.median(labels[known]) if known.any() else 0.0
        return np.where(known, labels > middle, -1).astype(np.int64)
    return labels.astype(np.int64)


def _probs(
    work: Work, inputs: PoolInputs, alone: InputChecks, task: Task, codes: Ints | None, now: LabelsNow
) -> Any:
    """Out-of-sample class probabilities ``(N, K)``: the joint model's, or those of a linear model of the embedding."""
    if codes is None or len(task.classes) > MOST_CLASSES:
        return None
    if now.predictions is not None and task.kind != "regression":
        return now.predictions.outputs[task.name]
    seen = np.where(work.pool.split == TEST, -1, codes)
    k = max(len(task.classes), 2)
    if (np.bincount(seen[seen >= 0], minlength=k) > 0).sum() < 2:
        return None
    return cross_fitted(inputs.embedding, seen, k, groups=alone.duplicates.near, seed=work.config.seed)


def _conflicts(work: Work, alone: InputChecks, task: Task, now: LabelsNow, probs: Any) -> list[Section]:
    everything = np.arange(len(work.pool))
    if task.kind in ("binary", "multiclass"):
        found: Checked = find_conflicts(
            alone.duplicates.near,
            np.where(work.pool.split == TEST, -1, now.labels[task.name]),
            probs=probs,
            source=work.pool.dataset_names,
            names=list(task.classes),
        )
        return [Section("conflicts", found, everything, task=task.name)]
    return []


def _shortcuts(
    work: Work,
    inputs: PoolInputs,
    alone: InputChecks,
    task: Task,
    now: LabelsNow,
    simple: Mapping[str, Mapping[str, Any]],
) -> list[Section]:
    out = []
    for dataset in work.pool.datasets:
        if dataset.name not in work.config.tasks[task.name].labels:
            continue
        mine = work.pool.dataset_names == dataset.name
        for modality, part in inputs.by_modality.items():
            if modality not in dataset.inputs:
                continue
            keep = mine[part.rows]
            rows = part.rows[keep]
            if modality == "tabular":
                features = {
                    n: c[keep] for n, c in part.data.items() if n.split("[")[0] in dataset.inputs[modality]
                }
            else:
                features = {n: np.asarray(c)[keep] for n, c in simple[modality].items()}
            options: dict[str, Any] = {"together": True, "level": ARTEFACT} if modality != "tabular" else {}
            same = alone.duplicates.near[rows]
            found = [
                find_shortcuts(features, y, groups=same, task=name, seed=work.config.seed, **options)
                for name, y in _columns_of(task, now.labels[task.name][rows])
            ]
            out.append(Section("shortcuts", _together(found, modality), rows, dataset.name, task.name))
    return out


def _together(found: list[Shortcuts], modality: str) -> Checked:
    """The shortcuts of every label of a task as one ending."""
    judged = [f for f in found if f.outcome != "not applicable"]
    if not judged:
        return found[0] if found else Checked("not applicable", "there are no labels", Findings.empty(), {})
    guilty = [f for f in judged if f.outcome == "found"]
    worst = max(
        guilty or judged,
        key=lambda f: max([*f.area.values(), f.together if f.together == f.together else 0.0]),
    )
    findings = Findings.concat([f.findings for f in judged])
    told = f"{worst.reason} ({modality})"
    if len(judged) > 1 and guilty:
        told = f"of {len(judged)} labels, {len(guilty)} are given away; {worst.facts['task']}: {told}"
    return Checked(worst.outcome, told, findings, worst.facts)


def _columns_of(task: Task, labels: NDArray[Any]) -> list[tuple[str, Ints]]:
    """Names and class codes of what is predicted; label by label for label sets, the commonest thirty."""
    codes = as_classes(task, labels)
    if codes is not None:
        return [(task.name, codes)]
    common = np.argsort(-(labels == 1).sum(axis=0), kind="stable")[:MOST_LABELS]
    return [(f"{task.name}: {task.classes[k]}", labels[:, k].astype(np.int64)) for k in common]


def _shift_of_inputs(work: Work, inputs: PoolInputs, alone: InputChecks) -> list[Section]:
    """Training rows against held-out rows, dataset by dataset."""
    out = []
    for dataset in work.pool.datasets:
        rows = np.arange(len(work.pool))[work.pool.rows_of(dataset.name)]
        held = work.pool.split[rows] != TRAIN
        a, b = (once(rows[side], alone.duplicates.near) for side in (~held, held))
        found = covariate_shift(
            inputs.embedding[a],
            inputs.embedding[b],
            groups=alone.duplicates.near[np.concatenate([a, b])],
            subject="train × held out",
            seed=work.config.seed,
        )
        if held.any():
            out.append(Section("shift of inputs", found, rows, dataset.name))
    return out


def _shift_of_labels(
    work: Work, alone: InputChecks, task: Task, codes: Ints | None, probs: Any
) -> list[Section]:
    """The matrix over the datasets that share inputs, and the shares of classes where a dataset has no labels."""
    usable = comparable(work)
    if len(usable) < 2:
        return []
    everything, out = np.arange(len(work.pool)), []
    seen = None if codes is None else np.where(work.pool.split == TEST, -1, codes)
    if alone.pairs is not None:
        matrix = shift_matrix(
            alone.pairs.points, alone.pairs.names, labels=seen, together=alone.duplicates.near,
            rows=alone.pairs.rows, seed=work.config.seed, inputs=alone.pairs.inputs,
            terms=alone.pairs.terms,
        )  # fmt: skip
        out.append(Section("shift between datasets", matrix, everything, task=task.name))
    if probs is None or seen is None or task.kind == "regression":
        return out
    known = seen >= 0
    for dataset in usable:
        mine = work.pool.dataset_names == dataset.name
        if (known & mine).any() or not (known & ~mine).any():
            continue
        found = label_shift(
            seen[known],
            probs[known],
            probs[mine],
            names=list(task.classes),
            subject=f"labelled × {dataset.name}",
        )
        out.append(Section("shares of classes", found, everything[mine], dataset.name, task.name))
    return out


def _tails(work: Work, task: Task, now: LabelsNow, probs: Any) -> list[Section]:
    """Class by class over the whole pool, then for every dataset that has the task when there are several."""
    if task.kind == "regression":
        return []
    labels, held = now.labels[task.name], work.pool.split != TRAIN
    predicted = None
    if now.predictions is not None:
        output = now.predictions.outputs[task.name]
        predicted = output.argmax(axis=1) if labels.ndim == 1 else (output >= 0.5).astype(np.int8)
    elif probs is not None and labels.ndim == 1:
        predicted = probs.argmax(axis=1)
    everything = np.arange(len(work.pool))
    parts: list[tuple[str, Bools]] = [("", np.ones(len(work.pool), bool))]
    names = work.config.tasks[task.name].labels
    if len(names) > 1:
        parts += [(n, work.pool.dataset_names == n) for n in names]
    out = []
    for dataset, rows in parts:
        known = rows & is_labelled(labels)
        found = long_tail(
            labels[known],
            len(task.classes),
            names=task.classes,
            held_out=held[known],
            predicted=None if predicted is None else predicted[known],
            subject=task.name,
        )
        out.append(Section("long tail", found, everything[known], dataset, task.name))
    return out


def _at_a_loss(work: Work, alone: InputChecks, predictions: Predictions) -> list[Section]:
    """Outliers in the joint model's embedding, fold by fold, and rows that it says nothing about."""
    out = []
    for fold in np.unique(predictions.fold[predictions.fold >= 0]):
        rows = np.flatnonzero(predictions.fold == fold)
        points = np.asarray(predictions.embedding[rows], np.float32)
        found = find_outliers(points, groups=alone.duplicates.near[rows], seed=work.config.seed)
        found = dataclasses.replace(found, reason=f"fold {fold + 1}: {found.reason}")
        out.append(Section("outliers of the joint model", found, rows))
    everything = np.arange(len(work.pool))
    for task in work.tasks:
        if task.kind in ("binary", "multiclass"):
            rows = everything[work.labels_task(task.name)]
            uncertain = find_uncertain(predictions.outputs[task.name][rows], task=task.name)
            out.append(Section("uncertainty", uncertain, rows, task=task.name))
    return out
