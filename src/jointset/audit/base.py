"""What the audit takes in and gives back: checks of the arrays, and the frozen result of one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints, Kind

KINDS = ("binary", "multiclass", "multilabel", "regression")
SUM_TOLERANCE = 0.02  # rows stored as float16 were seen to miss one by 0.012


@dataclass(frozen=True)
class TaskArrays:
    """One task's checked arrays: labels with -1 (NaN for regression) where missing, float64 predictions.

    ``std`` ``(n,)`` is the standard error of a numeric task's predictions, where it was given.
    """

    name: str
    kind: Kind
    labels: NDArray[Any]
    probs: Floats
    std: Floats | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TaskAudit:
    """The findings on one task; arrays are ``(n,)``, or ``(n, K)`` entry by entry for multilabel.

    ``is_error`` marks the given labels found wrong; ``quality`` is in [0, 1], 0 = surely bad, NaN where no
    label was given; ``suggested`` is the most probable label (for a missing label: the proposal to fill it
    in) and ``confidence`` the calibrated P(suggested is the true label); ``p_error`` is P(the given label is
    wrong), NaN where none was given. ``posterior`` is P(true | x, given, other tasks' labels), ``(n, K)``
    (multilabel: of the positive class, entry by entry; regression: empty). ``noise_matrix[t, j]`` is P(given
    j | true t), ``(K, K)`` (multilabel ``(K, 2, 2)``; regression empty), and ``noise_rate`` the expected
    share of wrong given labels. ``promised_precision`` is the mean of ``p_error`` over the flagged set (NaN
    when nothing is flagged). ``interval`` ``(n, 2)`` (regression only, else None) holds the true label with
    the probability asked for as precision, by x and the other tasks' labels; NaN where it cannot be told.
    """

    name: str
    kind: Kind
    given: NDArray[Any]
    is_error: Bools
    quality: Floats
    suggested: NDArray[Any]
    confidence: Floats
    p_error: Floats
    posterior: Floats
    noise_matrix: Floats
    noise_rate: float
    promised_precision: float
    notes: tuple[str, ...] = ()
    interval: Floats | None = None

    def __len__(self) -> int:
        return len(self.given)

    def ranked(self, n: int | None = None) -> Ints:
        """Indices of the labels that were given, worst first; for multilabel, flat indices of the entries."""
        quality = self.quality.ravel()
        order = np.argsort(quality, kind="stable")
        return order[: int(np.isfinite(quality).sum())][:n]


class TaskAudits(Mapping[str, TaskAudit]):
    """Results by task name, read-only; the answer of ``find_label_errors`` to mappings."""

    def __init__(self, tasks: Mapping[str, TaskAudit]) -> None:
        self._tasks = dict(tasks)

    def __getitem__(self, name: str) -> TaskAudit:
        return self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        flagged = ", ".join(f"{k}: {int(v.is_error.sum())} flagged" for k, v in self._tasks.items())
        return f"{type(self).__name__}({flagged})"


def resolve_kind(labels: NDArray[Any], probs: NDArray[Any], kind: str | None, name: str) -> Kind:
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
    labels: ArrayLike, probs: ArrayLike, kind: str | None = None, name: str = "labels"
) -> TaskArrays:
    """Check one task's arrays and bring them to the form of ``records``; raises ``ArrayError``.

    >>> check_arrays([0, 1, -1], [[.9, .1], [.2, .8], [.5, .5]]).kind
    'binary'
    """
    given, pred = np.asarray(labels), np.asarray(probs)
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
    pred = pred.astype(np.float64)
    if not np.isfinite(pred).all():
        row = int(np.argmin(np.isfinite(pred.reshape(len(pred), -1)).all(axis=1)))
        raise ArrayError(
            f"{name}: predictions contain NaN or infinity, first in row {row}; predict every row"
        )
    if found == "regression":
        return _regression(given, pred, name)
    if found == "multilabel":
        return _multilabel(given, pred, name)
    return _classes(given, pred, found, name)


def _codes(given: NDArray[Any], name: str) -> NDArray[np.int64]:
    if given.dtype.kind == "f":
        whole = np.where(np.isnan(given), -1.0, given)
        if not np.isfinite(whole).all() or bool((whole != np.round(whole)).any()):
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


def _classes(given: NDArray[Any], pred: Floats, kind: Kind, name: str) -> TaskArrays:
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
    _unit(pred, name)
    sums = pred.sum(axis=1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        row = int(np.argmax(off))
        raise ArrayError(
            f"{name}: probabilities must sum to one in every row; row {row} sums to {sums[row]:.4g} "
            "(are these logits? apply a softmax first)"
        )
    codes = _codes(given, name)
    _range(codes, pred.shape[1], name)
    return TaskArrays(name, kind, codes, pred / sums[:, None] if len(pred) else pred)


def _unit(pred: Floats, name: str) -> None:
    if pred.size and (pred.min() < -1e-3 or pred.max() > 1 + 1e-3):
        raise ArrayError(
            f"{name}: probabilities must lie in [0, 1], found {pred.min():.4g} to {pred.max():.4g}"
        )
    np.clip(pred, 0, 1, out=pred)


def _multilabel(given: NDArray[Any], pred: Floats, name: str) -> TaskArrays:
    if given.ndim != 2 or pred.shape != given.shape:
        raise ArrayError(
            f"{name}: multilabel labels and probabilities must both be (n, K), found {given.shape} "
            f"and {pred.shape}"
        )
    _unit(pred, name)
    codes = _codes(given, name)
    _range(codes, 2, name)
    return TaskArrays(name, "multilabel", codes.astype(np.int8), pred)


def _regression(given: NDArray[Any], pred: Floats, name: str) -> TaskArrays:
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
    return TaskArrays(name, "regression", values, pred[:, 0].copy(), pred[:, 1].copy())


def check_precision(precision: float) -> float:
    """Return ``precision`` if it can be promised: above 0 and at most 1."""
    if not 0 < precision <= 1:
        raise ArrayError(f"precision must be above 0 and at most 1, found {precision}")
    return float(precision)


def choose(p_error: Floats, quality: Floats, candidates: Bools, precision: float) -> tuple[Bools, float]:
    """Flag the largest set, worst quality first, whose mean ``p_error`` reaches ``precision``.

    Returns the mask and the precision it promises (NaN for an empty set).

    >>> choose(np.array([1.0, 0.9, 0.8, 0.1]), np.array([0.0, 0.1, 0.2, 0.9]), np.ones(4, bool), 0.9)
    (array([ True,  True,  True, False]), 0.9)
    """
    flagged = np.zeros(p_error.shape, bool)
    index = np.flatnonzero(candidates)
    order = index[np.argsort(quality.ravel()[index], kind="stable")]
    if not len(order):
        return flagged, float("nan")
    mean = np.cumsum(p_error.ravel()[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(mean >= precision - 1e-12)
    if not len(enough):
        return flagged, float("nan")
    flagged.ravel()[order[: enough[-1] + 1]] = True
    return flagged, float(mean[enough[-1]])
