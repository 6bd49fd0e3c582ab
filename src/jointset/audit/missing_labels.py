"""Missing labels: which of the proposals of P(true | x, other tasks' labels) can be trusted."""

from __future__ import annotations

import numpy as np

from jointset.audit.base import TaskAudit
from jointset.errors import ArrayError
from jointset.records import Bools, Ints


def missing(task: TaskAudit) -> Bools:
    """Mask of the labels that are missing, ``(n,)``, or ``(n, K)`` for multilabel."""
    return np.isnan(task.given) if task.kind == "regression" else task.given < 0


def fillable(task: TaskAudit, precision: float = 0.9) -> Ints:
    """Indices of the largest set of missing labels whose mean confidence reaches ``precision``, surest first.

    Indices are rows, or flat indices of the entries for multilabel. A numeric label is no class that could be
    hit, so its confidence is the share of the labels' variance that the predictions explain. Raises
    ``ArrayError`` for a precision outside (0, 1].

    >>> import jointset.audit as audit
    >>> true = np.arange(300) % 2
    >>> probs = np.where(true[:, None] == np.arange(2), 0.95, 0.05)
    >>> given = np.where(np.arange(300) < 4, -1, true)
    >>> sorted(fillable(audit.find_label_errors(given, probs)).tolist())
    [0, 1, 2, 3]
    """
    if not 0 < precision <= 1:
        raise ArrayError(f"precision must be above 0 and at most 1, found {precision}")
    index = np.flatnonzero(missing(task))
    confidence = task.confidence.ravel()[index]
    order = np.argsort(-confidence, kind="stable")
    mean = np.cumsum(confidence[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(mean >= precision)
    return index[order[: enough[-1] + 1]] if len(enough) else index[:0]
