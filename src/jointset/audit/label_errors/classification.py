"""Label errors of binary and multiclass tasks, from a fitted noise posterior."""

from __future__ import annotations

import numpy as np

from jointset.audit.base import TaskArrays, TaskAudit, choose
from jointset.audit.nodes import Node, NodeFit
from jointset.records import Floats, Ints


def nodes(task: TaskArrays) -> list[Node]:
    """The task as one variable of the joint label model."""
    return [Node(task.name, task.probs, task.labels)]


def margin_quality(posterior: Floats, given: Ints) -> Floats:
    """``(1 + P(given) - max P(other)) / 2`` in [0, 1]; with two classes just P(given); NaN without a label.

    >>> margin_quality(np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]]), np.array([1, -1])).round(2)
    array([0.25,  nan])
    """
    quality = np.full(len(given), np.nan)
    rows = np.flatnonzero(given >= 0)
    own = posterior[rows, given[rows]]
    other = posterior[rows]
    other[np.arange(len(rows)), given[rows]] = -1
    quality[rows] = np.clip((1 + own - other.max(axis=1)) / 2, 0, 1)
    return quality


def assess(task: TaskArrays, fits: list[NodeFit], precision: float) -> TaskAudit:
    """Rank the given labels by posterior margin and flag as many as the expected precision allows."""
    posterior, given = fits[0].posterior, task.labels
    known = given >= 0
    suggested = posterior.argmax(axis=1)
    p_error = np.full(len(given), np.nan)
    p_error[known] = 1 - posterior[known, given[known]]
    quality = margin_quality(posterior, given)
    flagged, promised = choose(p_error, quality, known & (suggested != given), precision)
    rate = float(p_error[known].mean()) if known.any() else float("nan")
    return TaskAudit(
        task.name,
        task.kind,
        given,
        flagged,
        quality,
        suggested,
        posterior.max(axis=1, initial=0.0),
        p_error,
        posterior,
        fits[0].model.transition,
        rate,
        promised,
        notes(fits[0], known.sum()),
    )


def notes(fit: NodeFit, labelled: int) -> tuple[str, ...]:
    """Why a task could not be judged, if so."""
    if not labelled:
        return ("no label was given",)
    if not fit.model.informative:
        return ("predictions say no more about the labels than the class shares; nothing can be flagged",)
    noise = fit.model.transition
    lost = np.flatnonzero(np.diag(noise) < noise.max(axis=1))
    if len(lost):
        codes = ", ".join(map(str, lost))
        return (f"most labels of class {codes} look wrong; which class is which cannot be told: check some",)
    return ()
