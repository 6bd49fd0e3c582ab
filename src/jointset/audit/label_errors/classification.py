"""Label errors of binary and multiclass tasks, from a fitted noise posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.audit.base import Posterior, Scores, TaskArrays, TaskAudit, finished, flaggable
from jointset.audit.chunks import over_slices, row_max, row_sum
from jointset.audit.margins import heed_margins
from jointset.audit.nodes import Node, NodeFit, remarks
from jointset.records import Floats, Ints

KEEP = 1 << 22  # cells of a posterior that are kept; a larger one is computed again where it is asked for
KEEP_HEARD = 1 << 28  # the same where margins change it


def nodes(task: TaskArrays) -> list[Node]:
    """The task as one variable of the joint label model."""
    return [Node(task.name, task.probs, task.labels, task.views)]


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the given labels by P(given | x, given) and flag as many as the expected precision allows."""
    (fit,), given = fits, task.labels
    n, k = task.probs.shape
    known = given >= 0
    room = KEEP if task.margin is None else KEEP_HEARD
    kept = np.empty((n, k), np.float32) if n * k <= room else None
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
    said = remarks(fit, int(known.sum()))
    if task.margin is not None and kept is not None:
        rates += _heard(scores, kept, given, heed_margins(scores.p_error, task.margin))
    elif task.margin is not None:
        said = (*said, f"margins were not heard: {n} × {k} probabilities are too many to keep ({KEEP_HEARD})")
    candidates = known & (scores.suggested != given)
    if fit.model.informative:
        candidates = flaggable(scores.p_error, candidates, precision)
    return finished(task, scores, candidates, precision, posterior, fit.model.transition, rates, said)


def _heard(scores: Scores, posterior: Floats, given: Ints, p_error: Floats) -> float:
    """Bring scores and posterior to a new P(error), the other classes in proportion; the change of the noise rate."""
    rows = np.flatnonzero(np.isfinite(p_error) & (p_error != scores.p_error))
    if not len(rows):
        return 0.0
    before, after = scores.p_error[rows], p_error[rows]
    posterior[rows] *= (after / np.maximum(before, 1e-12))[:, None].astype(np.float32)
    posterior[rows, given[rows]] = 1 - after
    known = int(np.isfinite(scores.p_error).sum())
    change = float((after - before).sum() / known)
    part = Scores.empty(len(rows))
    fill(part, slice(None), posterior[rows].copy(), given[rows])
    for mine, new in ((scores.quality, part.quality), (scores.confidence, part.confidence)):
        mine[rows] = new
    scores.suggested[rows], scores.p_error[rows] = part.suggested, part.p_error
    return change


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
