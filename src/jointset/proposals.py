"""What a round proposes: the repairs within reach, precision and budget that would change something."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

import numpy as np

from jointset import repair
from jointset.augment import Policy
from jointset.data import Overlay
from jointset.operations import modality_of
from jointset.prepare import Work
from jointset.records import Edits, Issues, Task

RELABELLED = 2
PRIOR = 20  # judgements that the promised precision is worth

Address = tuple[str, str, str, str]  # dataset, row, task, position


def proposed(
    work: Work,
    issues: Issues,
    overlay: Overlay,
    settled: Edits,
    round: int,
    *,
    decided: Set[Address] = frozenset(),
    observed: Mapping[tuple[str, str], tuple[float, float, float]] = MappingProxyType({}),
) -> Edits:
    """The round's proposals: edits within reach, precision and budget that would change something.

    Labels at the addresses ``decided`` are people's, and are left alone; ``observed`` is what people found of the edits
    so far, see :func:`heeding`.
    """
    improve = work.config.improve
    edits = repair.run(
        heeding(undecided(in_reach(work, issues), decided), observed),
        fixes=list(improve.fixes),
        precision=improve.precision,
        round=round,
        budget=budget_left(work, settled),
    )
    return news(work, edits, overlay)


def synthesised(work: Work, issues: Issues, overlay: Overlay, policy: Policy | None, round: int) -> Edits:
    """Derived rows for rare classes, by operations that keep the task's label; none without a checked policy."""
    if "add" not in work.config.improve.fixes or policy is None:
        return Edits.empty()
    tasks = list(work.by_name)
    able = {
        o: max(s.magnitude for s in [policy.of(t).get(o) for t in tasks] if s) for o in policy.operations()
    }
    able = {
        o: m for o, m in able.items() if modality_of(o) != "features" and not o.endswith(("mixup", "cutmix"))
    }
    ruled = {o for own in policy.rules.values() for o in own}  # their labels change along with them
    done = set(zip(overlay.added.dataset, overlay.added.row, strict=True))
    found = in_reach(work, issues)
    new = [k not in done for k in zip(found.dataset, found.row, strict=True)]
    return repair.synthesise(
        found.take(np.array(new, bool)),
        operations={o: m for o, m in able.items() if o not in ruled},
        kept={o: tuple(t for t in tasks if policy.keeps(t, o)) for o in able},
        modalities={d.name: frozenset(d.inputs) for d in work.pool.datasets},
        round=round,
        seed=work.config.seed,
    )


def in_reach(work: Work, issues: Issues) -> Issues:
    """The issues a repair may act on: training rows that are not trusted, in datasets that label the task."""
    position = work.pool.positions(issues.dataset, issues.row)
    reach = work.editable()[position]
    if not work.config.improve.across:
        for task in work.tasks:
            rows = np.flatnonzero(issues.task == task.name)
            reach[rows] &= work.labels_task(task.name)[position[rows]]
    return issues.take(reach)


def undecided(issues: Issues, decided: Set[Address]) -> Issues:
    """Without the issues about labels that people have decided, or about rows they excluded (task '')."""
    if not decided:
        return issues
    rows = zip(issues.dataset, issues.row, issues.task, issues.position, strict=True)
    free = [(d, r, t, p) not in decided and (d, r, "", "") not in decided for d, r, t, p in rows]
    return issues.take(np.array(free, bool))


def heeding(issues: Issues, observed: Mapping[tuple[str, str], tuple[float, float, float]]) -> Issues:
    """With the confidence of suggestions brought down, or up, to what people found.

    ``observed`` is (task, action) → (edits judged right, their summed confidence, how many were judged). The odds of a
    suggestion are scaled by those of the observed share over those of the promised one, both with ``PRIOR`` edits added
    that were as right as promised, so that a handful of judgements moves little.
    """
    confidence = issues.confidence.copy()
    for (task, action), (right, promised, judged) in observed.items():
        code = {"relabel": "label_error", "fill": "missing_label"}.get(action)
        if code is None or not judged:
            continue
        mean = promised / judged
        share = np.clip((right + PRIOR * mean) / (judged + PRIOR), 0.01, 0.99)
        factor = _odds(share) / _odds(np.clip(mean, 0.01, 0.99))
        rows = (issues.task == task) & (issues.code == code) & np.isfinite(confidence)
        odds = _odds(np.clip(confidence[rows], 1e-6, 1 - 1e-6)) * factor
        confidence[rows] = odds / (1 + odds)
    return issues.with_columns(confidence=confidence) if observed else issues


def _odds(p: Any) -> Any:
    return p / (1 - p)


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
    return max(int(most) - int((~np.isin(accepted.action, ["weight", "add"])).sum()), 0)
