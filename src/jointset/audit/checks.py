"""Checks of the arrays that users hand over, each refused with one clear line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.base import LabelKind, TaskArrays
from jointset.audit.chunks import row_sum, slices, spooled
from jointset.errors import ArrayError
from jointset.records import Floats

KINDS = ("binary", "multiclass", "ordinal", "multilabel", "regression")
SUM_TOLERANCE = 0.02  # rows stored as float16 were seen to miss one by 0.012
EDGE = 1e-3  # rounding outside of [0, 1]


def resolve_kind(labels: NDArray[Any], probs: NDArray[Any], kind: str | None, name: str) -> LabelKind:
    """Tell what kind of task the arrays belong to, refusing to guess between a score and a probability.

    Two-dimensional labels are multilabel; one-dimensional labels with K >= 2 columns are classes; a single
    column of predictions is regression only if some label is not a whole number, and an error otherwise.

    >>> resolve_kind(np.array([0.5, 2.25]), np.array([0.4, 2.0]), None, "price")
    'regression'
    """
    if kind is not None:
        if kind not in KINDS:
            raise ArrayError(f"kind of {name} must be one of {', '.join(KINDS)}, not {kind!r}")
        return kind  # type: ignore[return-value]
    if labels.ndim == 2:
        return "multilabel"
    if probs.ndim == 2 and probs.shape[1] >= 2:
        return "binary" if probs.shape[1] == 2 else "multiclass"
    if labels.dtype.kind == "f":
        finite = labels[np.isfinite(labels)]
        if len(finite) and bool((finite != np.round(finite)).any()):
            return "regression"
    raise ArrayError(
        f"{name}: one column of predictions with whole-number labels may be regression or a binary score; "
        "say kind='regression' or kind='binary', or give one column per class"
    )


def check_arrays(
    labels: ArrayLike,
    probs: ArrayLike | Callable[[], Iterable[ArrayLike]],
    kind: str | None = None,
    name: str = "labels",
    views: Sequence[ArrayLike] = (),
    margin: ArrayLike | None = None,
) -> TaskArrays:
    """Check one task's arrays and bring them to the form of ``records``; raises ``ArrayError``.

    Predictions are neither copied nor read at once: they may be a memory map, or a function that returns an iterator of
    chunks ``(m, K)``, which are spooled to a temporary file.

    >>> check_arrays([0, 1, -1], [[.9, .1], [.2, .8], [.5, .5]]).kind
    'binary'
    """
    given = np.asarray(_array(labels, name))
    pred = spooled(probs(), name) if callable(probs) else _array(probs, name)
    if given.dtype.kind not in "iufb" or pred.dtype.kind not in "iufb":
        raise ArrayError(
            f"{name}: labels and predictions must be numbers, found {given.dtype} and {pred.dtype}"
        )
    if given.ndim not in (1, 2) or pred.ndim not in (1, 2):
        raise ArrayError(
            f"{name}: expected labels (n,) or (n, K) and predictions (n, K), found "
            f"{given.shape} and {pred.shape}"
        )
    if len(given) != len(pred):
        raise ArrayError(
            f"{name}: {len(given)} labels but {len(pred)} rows of predictions; rows must be aligned"
        )
    found = resolve_kind(given, pred, kind, name)
    if found == "regression":
        _finite(pred, name)
        return _plain(_regression(given, pred.astype(np.float64), name), views, margin)
    if pred.dtype.kind != "f":
        pred = pred.astype(np.float64)
    if found == "multilabel":
        return _plain(_multilabel(given, pred, name), views, margin)
    task = _classes(given, pred, found, name)
    further = tuple(_view(view, task, i) for i, view in enumerate(views))
    return TaskArrays(name, found, task.labels, task.probs, further, _margin(margin, task))


def _array(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asanyarray(values)
    except ValueError as error:
        raise ArrayError(f"{name}: expected an array, found rows of different lengths") from error


def _margin(margin: ArrayLike | None, task: TaskArrays) -> Floats | None:
    if margin is None:
        return None
    array = np.asarray(_array(margin, f"{task.name}, margins"))
    if array.dtype.kind not in "iuf" or array.shape != (len(task),):
        raise ArrayError(
            f"{task.name}: margins must be numbers ({len(task)},), one a row, found {array.dtype} {array.shape}"
        )
    return array.astype(np.float64)


def _view(view: ArrayLike, task: TaskArrays, number: int) -> NDArray[Any]:
    name = f"{task.name}, view {number + 1}"
    array = _array(view, name)
    if array.dtype.kind != "f" or array.shape != task.probs.shape:
        raise ArrayError(
            f"{name}: a view must be floats {task.probs.shape} like the predictions, found {array.dtype} {array.shape}"
        )
    _distributions(array, name)
    return array


def _plain(task: TaskArrays, views: Sequence[ArrayLike], margin: ArrayLike | None) -> TaskArrays:
    if len(views) or margin is not None:
        raise ArrayError(
            f"{task.name}: views and margins are heeded for tasks with classes, not for {task.kind}"
        )
    return task


def _finite(pred: NDArray[Any], name: str) -> None:
    for rows in slices(len(pred), pred[:1].size):
        good = np.isfinite(pred[rows].reshape(rows.stop - rows.start, -1)).all(axis=1)
        if not good.all():
            raise ArrayError(
                f"{name}: predictions contain NaN or infinity, first in row {rows.start + int(np.argmin(good))}; "
                "predict every row"
            )


def _unit(pred: NDArray[Any], name: str) -> None:
    for rows in slices(len(pred), pred[:1].size):
        part = pred[rows]
        if not (part.min() >= -EDGE and part.max() <= 1 + EDGE):
            _finite(pred, name)
            raise ArrayError(
                f"{name}: probabilities must lie in [0, 1], found {part.min():.4g} to {part.max():.4g}"
            )


def _distributions(pred: NDArray[Any], name: str) -> None:
    _unit(pred, name)
    for rows in slices(len(pred), pred.shape[1]):
        sums = row_sum(np.asarray(pred[rows], np.float32))[:, 0]
        off = np.abs(sums - 1) > SUM_TOLERANCE
        if off.any():
            row = int(np.argmax(off))
            raise ArrayError(
                f"{name}: probabilities must sum to one in every row; row {rows.start + row} sums to "
                f"{sums[row]:.4g} (are these logits? apply a softmax first)"
            )


def _codes(given: NDArray[Any], name: str) -> NDArray[np.int64]:
    if given.dtype.kind == "f":
        whole = np.where(np.isnan(given), -1.0, given).astype(np.float64)
        if not (np.abs(whole) < 2.0**53).all() or bool((whole != np.round(whole)).any()):
            raise ArrayError(
                f"{name}: class labels must be whole numbers (-1 or NaN = missing); "
                "for numeric targets say kind='regression'"
            )
        given = whole
    return given.astype(np.int64)


def _range(codes: NDArray[np.int64], k: int, name: str) -> None:
    if codes.size and (codes.max() >= k or codes.min() < -1):
        bad = int(codes.max()) if codes.max() >= k else int(codes.min())
        raise ArrayError(
            f"{name}: label {bad} is out of range for {k} classes (0 to {k - 1}, -1 or NaN = missing)"
        )


def _classes(given: NDArray[Any], pred: NDArray[Any], kind: LabelKind, name: str) -> TaskArrays:
    if given.ndim != 1:
        raise ArrayError(
            f"{name}: {kind} labels must be (n,), found {given.shape}; for 0/1 columns say kind='multilabel'"
        )
    if kind == "binary" and (pred.ndim == 1 or pred.shape[1] == 1):
        positive = pred.reshape(-1)
        pred = np.stack([1 - positive, positive], axis=1)
    if pred.ndim != 2 or pred.shape[1] < 2:
        raise ArrayError(f"{name}: {kind} predictions must be (n, K) with K >= 2, found {pred.shape}")
    if kind == "binary" and pred.shape[1] != 2:
        raise ArrayError(f"{name}: a binary task has 2 columns of probabilities, found {pred.shape[1]}")
    _distributions(pred, name)
    codes = _codes(given, name)
    _range(codes, pred.shape[1], name)
    return TaskArrays(name, kind, codes, pred)


def _multilabel(given: NDArray[Any], pred: NDArray[Any], name: str) -> TaskArrays:
    if given.ndim != 2 or pred.shape != given.shape or not given.shape[1]:
        raise ArrayError(
            f"{name}: multilabel labels and probabilities must both be (n, K), found {given.shape} "
            f"and {pred.shape}"
        )
    _unit(pred, name)
    codes = _codes(given, name)
    _range(codes, 2, name)
    return TaskArrays(name, "multilabel", codes.astype(np.int8), pred)


def _regression(given: NDArray[Any], pred: NDArray[Any], name: str) -> TaskArrays:
    if given.ndim != 1 or (pred.ndim == 2 and pred.shape[1] not in (1, 2)):
        raise ArrayError(
            f"{name}: regression needs labels (n,) and predictions (n,), (n, 1), or (n, 2) of mean and standard "
            f"error, found {given.shape} and {pred.shape}"
        )
    values = given.astype(np.float64)
    if np.isinf(values).any():
        raise ArrayError(
            f"{name}: labels contain infinity in row {int(np.argmax(np.isinf(values)))}; NaN = missing"
        )
    if pred.ndim == 1 or pred.shape[1] == 1:
        return TaskArrays(name, "regression", values, pred.reshape(-1))
    if len(pred) and pred[:, 1].min() <= 0:
        row = int(np.argmin(pred[:, 1]))
        raise ArrayError(
            f"{name}: standard errors, the second column of predictions, must be positive; row {row} has "
            f"{pred[row, 1]:.4g} (leave the column out if they are not known)"
        )
    std = np.array(pred[:, 1], np.float64)
    return TaskArrays(name, "regression", values, np.array(pred[:, 0]), std=std)
