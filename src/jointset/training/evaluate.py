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
    scores = []
    for task in tasks:
        y, p = labels[task.name], outputs[task.name]
        loss, constant = _losses(task, y, p)
        if constant > 0:
            scores.append(1.0 - loss / constant)
    return float(np.mean(scores)) if scores else float("nan")


def _losses(task: Task, y: NDArray[Any], p: Floats) -> tuple[float, float]:
    if task.kind == "regression":
        known = ~np.isnan(y)
        if not known.any():
            return 0.0, 0.0
        return float(np.mean((y[known] - p[known, 0]) ** 2)), float(np.var(y[known]))
    if task.kind == "multilabel":
        known = y >= 0
        q = np.clip(np.where(y == 1, p, 1 - p), 1e-7, 1.0)
        share = np.clip((y == 1).sum(0) / np.maximum(known.sum(0), 1), 1e-7, 1 - 1e-7)
        base = np.where(y == 1, share, 1 - share)
        return float(-np.log(q[known]).mean()) if known.any() else 0.0, float(
            -np.log(base[known]).mean()
        ) if known.any() else 0.0
    known = y >= 0
    if not known.any():
        return 0.0, 0.0
    share = np.bincount(y[known], minlength=p.shape[1]) / known.sum()
    constant = -float((share[share > 0] * np.log(share[share > 0])).sum())
    own, prior = p[known, y[known]].astype(np.float64), share[y[known]]
    mixed = own[:, None] + WRONG * (prior - own)[:, None]  # (n, ε)
    return float(-np.log(np.clip(mixed, 1e-7, 1.0)).mean(0).max()), constant
