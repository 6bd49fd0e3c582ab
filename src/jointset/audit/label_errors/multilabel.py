"""Label errors of multilabel tasks: every class is a binary variable of the joint label model."""

from __future__ import annotations

import numpy as np

from jointset.audit.base import TaskArrays, TaskAudit, choose, flaggable, interval
from jointset.audit.nodes import Node, NodeFit


def nodes(task: TaskArrays) -> list[Node]:
    """One binary variable per class."""
    return [
        Node(f"{task.name}[{k}]", np.stack([1 - p, p], axis=1), task.labels[:, k].astype(np.int64))
        for k, p in enumerate(np.asarray(task.probs).T)
    ]


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the entries by P(given) over the whole table and flag as many as the expected precision allows."""
    given = task.labels
    positive = np.empty(given.shape)
    for k, fit in enumerate(fits):
        positive[:, k] = fit.posterior[:, 1]
    known = given >= 0
    suggested = (positive > 0.5).astype(np.int8)
    p_error = np.where(known, np.where(given == 1, 1 - positive, positive), np.nan)
    quality = 1 - p_error
    told = np.array([f.model.informative for f in fits], bool)
    candidates = flaggable(p_error, known & (suggested != given), precision) & told
    flagged, promised = choose(p_error, quality, candidates.ravel(), precision)
    noise = np.stack([f.model.transition for f in fits]) if fits else np.empty((0, 2, 2))
    blind = [str(k) for k in np.flatnonzero(~told)]
    notes = (f"predictions say nothing about classes {', '.join(blind)}",) if blind else ()
    rate = float(p_error[known].mean()) if known.any() else float("nan")
    return TaskAudit(
        task.name,
        task.kind,
        given,
        flagged,
        quality,
        suggested,
        np.maximum(positive, 1 - positive),
        p_error,
        positive,
        noise,
        rate,
        promised,
        notes,
        interval(rate, np.array([rate]), int(known.sum())),
        precision,
    )
