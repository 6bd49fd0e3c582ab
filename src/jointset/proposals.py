"""What a round proposes: the repairs within reach, precision and budget that would change something."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset import repair
from jointset.data import Overlay
from jointset.prepare import Work
from jointset.records import Edits, Issues, Task

RELABELLED = 2


def proposed(work: Work, issues: Issues, overlay: Overlay, settled: Edits, round: int) -> Edits:
    """The round's proposals: edits within reach, precision and budget that would change something."""
    improve = work.config.improve
    edits = repair.run(
        in_reach(work, issues),
        fixes=list(improve.fixes),
        precision=improve.precision,
        round=round,
        budget=budget_left(work, settled),
    )
    return news(work, edits, overlay)


def in_reach(work: Work, issues: Issues) -> Issues:
    """The issues a repair may act on: training rows that are not trusted, in datasets that label the task."""
    position = work.pool.positions(issues.dataset, issues.row)
    reach = work.editable()[position]
    if not work.config.improve.across:
        for task in work.tasks:
            rows = np.flatnonzero(issues.task == task.name)
            reach[rows] &= work.labels_task(task.name)[position[rows]]
    return issues.take(reach)


def news(work: Work, edits: Edits, overlay: Overlay) -> Edits:
    """Leave out edits that would change nothing: the label stands as proposed, or was repaired more strongly."""
    keep = np.ones(len(edits), bool)
    position = work.pool.positions(edits.dataset, edits.row)
    for task in work.tasks:
        rows = np.flatnonzero(edits.task == task.name)
        where: Any = position[rows]
        if task.kind == "multilabel":
            where = (where, np.array([task.classes.index(c) for c in edits.position[rows]], np.int64))
        label, weight, source = (
            a[task.name][where] for a in (overlay.labels, overlay.weights, overlay.source)
        )
        action = edits.action[rows]
        changed = np.isin(action, ["relabel", "fill"]) & _differs(task, label, edits.new[rows])
        changed |= (action == "drop") & (weight > 0) & (source < RELABELLED)
        changed |= (
            (action == "weight")
            & (np.abs(weight - edits.weight[rows]) > 0.1)
            & (source < RELABELLED)
            & (weight > 0)
        )
        keep[rows] = changed
    return edits.take(keep)


def _differs(task: Task, labels: Any, new: Any) -> Any:
    """Where the labels are not what ``new`` names; numbers are equal when five digits are."""
    if task.kind == "regression":
        target = np.array([float(v) if v else np.nan for v in new])
        return ~np.isclose(labels, target, rtol=1e-5, equal_nan=True)
    names = ("0", "1") if task.kind == "multilabel" else task.classes
    return np.array([*names, ""], object)[labels] != new


def budget_left(work: Work, accepted: Edits) -> int | None:
    """How many more labels may change."""
    most = work.config.improve.max_changes
    if most is None:
        return None
    if isinstance(most, float) and most <= 1:
        labelled = sum(
            int((y == y).sum()) if y.dtype.kind == "f" else int((y >= 0).sum()) for y in work.given.values()
        )
        most = int(most * labelled)
    return max(int(most) - int((accepted.action != "weight").sum()), 0)
