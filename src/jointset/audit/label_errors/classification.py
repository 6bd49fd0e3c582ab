"""Label errors of binary and multiclass tasks, from a fitted noise posterior."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.audit.base import Posterior, Scores, TaskArrays, TaskAudit, finished
from jointset.audit.chunks import over_slices
from jointset.audit.nodes import Node, NodeFit
from jointset.records import Floats, Ints

KEEP = 1 << 25  # cells of a posterior that are kept; a larger one is computed again where it is asked for


def nodes(task: TaskArrays) -> list[Node]:
    """The task as one variable of the joint label model."""
    return [Node(task.name, task.probs, task.labels, task.views)]


def margin_quality(posterior: Floats, given: Ints) -> Floats:
    """``(1 + P(given) - max P(other)) / 2`` in [0, 1]; with two classes just P(given); NaN without a label.

    >>> margin_quality(np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]]), np.array([1, -1])).round(2)
    array([0.25,  nan])
    """
    quality = np.full(len(given), np.nan)
    rows = np.flatnonzero(given >= 0)
    here = np.arange(len(rows))
    others = posterior[rows]
    own = others[here, given[rows]].copy()
    others[here, given[rows]] = -1
    others[here, others.argmax(axis=1)] = 0
    others[here, given[rows]] = own
    # 1 - max P(other) as the sum of all the rest, which keeps its digits where it is small
    quality[rows] = np.clip((own + others.sum(axis=1)) / 2, 0, 1)
    return quality


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the given labels by posterior margin and flag as many as the expected precision allows."""
    (fit,), given = fits, task.labels
    n, k = task.probs.shape
    known = given >= 0
    kept = np.empty((n, k), np.float32) if n * k <= KEEP else None
    scores = Scores.empty(n)
    errors: list[Floats] = []

    def work(rows: slice) -> None:
        _, posterior, members = fit.score(rows)
        errors.append(members)
        fill(scores, rows, posterior, given[rows])
        if kept is not None:
            kept[rows] = posterior

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
        notes(fit, int(known.sum())),
    )


def fill(scores: Scores, rows: slice, posterior: Floats, given: Ints) -> None:
    """Write what a posterior ``(m, K)`` says about the labels of ``rows``."""
    known = np.flatnonzero(given >= 0)
    scores.suggested[rows] = posterior.argmax(axis=1)
    scores.confidence[rows] = posterior.max(axis=1, initial=0.0)
    scores.quality[rows] = margin_quality(posterior, given)
    rest = posterior[known]
    rest[np.arange(len(known)), given[known]] = 0
    p_error = np.full(len(given), np.nan)
    p_error[known] = np.minimum(rest.sum(axis=1), 1)
    scores.p_error[rows] = p_error


def notes(fit: NodeFit, labelled: int) -> tuple[str, ...]:
    """Why a task could not be judged, if so."""
    if not labelled:
        return ("no label was given",)
    if not fit.model.informative:
        return ("predictions say no more about the labels than the class shares; nothing can be flagged",)
    noise = fit.model.transition
    if not isinstance(noise, np.ndarray):
        return ()
    lost = np.flatnonzero(np.diag(noise) < noise.max(axis=1))
    if len(lost):
        codes = ", ".join(map(str, lost))
        return (f"most labels of class {codes} look wrong; which class is which cannot be told: check some",)
    return ()
