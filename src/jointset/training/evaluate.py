"""Predictions of a trained model, and the held-out score that early stopping watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints, Task
from jointset.tasks import KINDS

BATCH = 1024
WRONG = np.linspace(0.0, 0.5, 11)
NOTHING = 1e-6  # the constant's loss where all labels are the same; of tags it is not quite 0


def predict(
    model: JointModel,
    inputs: Inputs,
    rows: Ints,
    *,
    decide: bool = False,
    known: Mapping[str, NDArray[Any]] | None = None,
) -> tuple[dict[str, Floats], Floats]:
    """Outputs by task, ``(len(rows), K) float32``, and embeddings, ``(len(rows), width) float32``.

    ``decide`` asks for what predictions are read off instead of P(given | x); see :class:`TaskKind`.
    ``known`` are labels ``(N, …)`` that the row carries, for a model with joint inference: each task's output heeds
    those of the others.
    """
    outputs = {t.name: np.empty((len(rows), t.n_outputs), np.float32) for t in model.tasks}
    embedding = np.empty((len(rows), model.width), np.float32)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            index = rows[start : start + BATCH]
            logits, hidden = model(inputs.batch(index), len(index))
            logits = model.informed(logits, {n: torch.from_numpy(y[index]) for n, y in (known or {}).items()})
            for task, head in model.headed():
                kind = KINDS[task.kind]
                values = (kind.decisions if decide else kind.outputs)(task, logits[task.name], head.seen)
                outputs[task.name][start : start + len(index)] = values.numpy()
            embedding[start : start + len(index)] = hidden.numpy()
    model.train(was_training)
    return outputs, embedding


def skill(tasks: Sequence[Task], labels: Mapping[str, NDArray[Any]], outputs: Mapping[str, Floats]) -> float:
    """Mean over tasks of 1 − loss / loss of the best constant: 0 = knows nothing, 1 = perfect.

    The loss is the log-loss, or the squared error of a regression. Dividing by the constant's loss puts all tasks on
    one scale, so that none dominates the mean. Tasks without two different labels are left out; NaN if none is left.

    Held-out labels may be wrong, and then the log-loss punishes a model for being sure of what is right. So exclusive
    classes are scored with the share ε of wrong labels that fits best: the log-loss of (1 − ε) p + ε q, where q are
    the class shares, minimised over ε in [0, ½].
    """
    scores = list(skills(tasks, labels, outputs).values())
    return float(np.mean(scores)) if scores else float("nan")


def skills(
    tasks: Sequence[Task], labels: Mapping[str, NDArray[Any]], outputs: Mapping[str, Floats]
) -> dict[str, float]:
    """The :func:`skill` of every task that has two different labels."""
    found = {}
    for task in tasks:
        losses, counts, constant = row_losses(task, labels[task.name], outputs[task.name])
        if told_apart(task, constant):
            found[task.name] = 1.0 - float(losses.sum(0).min()) / counts.sum() / constant
    return found


def told_apart(task: Task, constant: float) -> bool:
    """Whether the constant's loss is that of two different labels; numbers are counted in the task's own scale.

    >>> metres = Task("t", "regression", scale=(0.0, 1e-7))
    >>> told_apart(metres, 1e-14), told_apart(metres, 1e-29), told_apart(Task("t", "binary"), 1e-7)
    (True, False, False)
    """
    unit = task.scale[1] if task.kind == "regression" else 1.0
    return constant > NOTHING * unit**2


def resampled(task: Task, labels: NDArray[Any], outputs: Floats, weights: Floats) -> Floats:
    """The task's skill ``(b,)`` where each of n rows counts as often as ``weights`` (b, n) says.

    The constant's loss stays that of all rows, so that differences between models are on one scale. NaN without a row.
    """
    losses, counts, constant = row_losses(task, labels, outputs)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - (weights @ losses).min(1) / (weights @ counts) / constant)


def row_losses(task: Task, y: NDArray[Any], p: Floats) -> tuple[Floats, Floats, float]:
    """What each row adds to the loss, ``(n, E)`` for E candidates of ε, and over how many labels, ``(n,)``.

    Last comes the constant's loss, which is 0 where there is nothing to tell apart.
    """
    known = ~np.isnan(y) if task.kind == "regression" else y >= 0
    if not known.any():
        return np.zeros((len(y), 1)), np.zeros(len(y)), 0.0
    if task.kind == "multilabel":
        return _of_tags(y, p, known)
    losses = np.zeros((len(y), 1 if task.kind == "regression" else len(WRONG)))
    if task.kind == "regression":
        losses[known, 0] = (y[known] - p[known, 0]) ** 2
        return losses, known.astype(float), float(np.var(y[known]))
    share = np.bincount(y[known], minlength=p.shape[1]) / known.sum()
    own, prior = p[known, y[known]].astype(np.float64), share[y[known]]
    mixed = own[:, None] + WRONG * (prior - own)[:, None]  # (n, ε)
    losses[known] = -np.log(np.clip(mixed, 1e-7, 1.0))
    constant = -float((share[share > 0] * np.log(share[share > 0])).sum())
    return losses, known.astype(float), constant


def _of_tags(y: NDArray[Any], p: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats, float]:
    counts = known.sum(1)
    share = np.clip((y == 1).sum(0) / np.maximum(known.sum(0), 1), 1e-7, 1 - 1e-7)
    sides = ((y == 1, p), (y == 1, np.broadcast_to(share, p.shape)))
    own, constant = (
        -np.where(known, np.log(np.clip(np.where(on, q, 1 - q), 1e-7, 1.0)), 0.0).sum(1) for on, q in sides
    )
    return own[:, None], counts.astype(float), float(constant.sum() / counts.sum())
