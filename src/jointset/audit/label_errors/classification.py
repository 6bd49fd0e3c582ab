"""Label errors of binary and multiclass tasks, from a fitted noise posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.audit.base import Posterior, Scores, TaskArrays, TaskAudit, finished
from jointset.audit.chunks import over_slices, row_max, row_sum
from jointset.audit.nodes import Node, NodeFit, remarks
from jointset.records import Floats, Ints

KEEP = 1 << 25  # cells of a posterior that are kept; a larger one is computed again where it is asked for


def nodes(task: TaskArrays) -> list[Node]:
    """The task as one variable of the joint label model."""
    return [Node(task.name, task.probs, task.labels, task.views)]


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the given labels by P(given | x, given) and flag as many as the expected precision allows."""
    (fit,), given = fits, task.labels
    n, k = task.probs.shape
    known = given >= 0
    kept = np.empty((n, k), np.float32) if n * k <= KEEP else None
    scores = Scores.empty(n)
    errors: list[Floats] = []

    def work(rows: slice) -> None:
        _, posterior, members = fit.score(rows)
        errors.append(members)
        if kept is not None:
            kept[rows] = posterior
        fill(scores, rows, posterior, given[rows])

    over_slices(n, k, work)
    rates = np.sum(errors, axis=0) / max(int(known.sum()), 1) if errors else np.zeros(1)
    posterior: Any = kept if kept is not None else Posterior((n, k), lambda rows: fit.score(rows)[1])
    return finished(
        task,
        scores,
        known & (scores.suggested != given),
        precision,
        posterior,
        fit.model.transition,
        rates,
        remarks(fit, int(known.sum())),
    )


def fill(scores: Scores, rows: slice, posterior: Floats, given: Ints) -> None:
    """Write what a posterior ``(m, K)`` says about the labels of ``rows``; it is overwritten."""
    known = np.flatnonzero(given >= 0)
    scores.suggested[rows] = posterior.argmax(axis=1)
    scores.confidence[rows] = row_max(posterior)[:, 0]
    own = posterior[known, given[known]]
    posterior[known, given[known]] = 0
    quality, p_error = np.full(len(given), np.nan), np.full(len(given), np.nan)
    quality[known] = np.minimum(own, 1)
    p_error[known] = np.minimum(row_sum(posterior)[known, 0], 1)  # keeps its digits where 1 - own would round
    scores.quality[rows], scores.p_error[rows] = quality, p_error
