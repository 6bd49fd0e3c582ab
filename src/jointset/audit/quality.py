"""Quality scores alone: one pass over the probabilities, nothing fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.checks import check_arrays
from jointset.audit.chunks import over_slices, row_max
from jointset.errors import ArrayError
from jointset.records import Floats


def label_quality(labels: ArrayLike, pred_probs: ArrayLike) -> Floats:
    """Quality of every given label in [0, 1], 0 = surely bad, from class probabilities alone, ``(n,)``.

    The margin of the given label, ``(1 + P(given) - max P(other)) / 2``, with each class's mean probability where it is
    given taken off first (Northcutt et al. 2021, section 3.2), so that a class that the model is shy of is not accused.
    It says which labels to look at first, not how many are wrong; ``find_label_errors`` does, at about four times the
    cost. ``labels`` ``(n,)`` codes with -1 or NaN where missing (NaN in the answer), ``pred_probs`` ``(n, K)``, also as
    a memory map. Raises ``ArrayError``.

    >>> label_quality([0, 1, 1, -1], [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]).round(2)
    array([0.61, 0.79, 0.44,  nan])
    """
    task = check_arrays(labels, pred_probs)
    if task.kind not in ("binary", "multiclass"):
        raise ArrayError(f"labels: quality scores alone are for tasks with classes, not for {task.kind}")
    given, probs, (n, k) = task.labels, task.probs, task.probs.shape
    known = given >= 0
    own = np.full(n, np.nan, np.float32)
    own[known] = probs[np.flatnonzero(known), given[known]]
    count = np.bincount(given[known], minlength=k)
    mean = np.bincount(given[known], own[known], minlength=k) / np.maximum(count, 1)
    mean = np.where(count > 0, mean, mean[count > 0].mean() if known.any() else 0.0).astype(np.float32)
    quality = np.full(n, np.nan)

    def work(rows: slice) -> None:
        here = np.flatnonzero(known[rows])
        shifted = np.asarray(probs[rows], np.float32) - mean
        labels_here = given[rows][here]
        mine = shifted[here, labels_here]
        shifted[here, labels_here] = -2.0
        part = np.full(len(shifted), np.nan)
        part[here] = np.clip((1 + (mine - row_max(shifted)[here, 0]) / 2) / 2, 0, 1)
        quality[rows] = part

    over_slices(n, k, work)
    return quality
