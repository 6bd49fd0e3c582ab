"""What a survey found, label by label, in the form that repairs take."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.issues import label_names
from jointset.audit.leakage.conflicts import Conflicts
from jointset.audit.shift import covariate_shift, importance_weights
from jointset.prepare import Work
from jointset.records import HOLDOUT, TEST, Floats, Ints, Issues, Task, is_labelled
from jointset.repair.tail import tail_weights
from jointset.survey.run import Survey
from jointset.survey.sides import once

SLIGHT = 0.1  # a weight that is nearer to one than this is none


def repairable(work: Work, found: Survey, labels: Mapping[str, NDArray[Any]], fixes: Sequence[str]) -> Issues:
    """Issues on single labels of editable rows, for those of ``fixes`` that mend what a survey finds."""
    makers = dict.fromkeys(make for name, make in MAKERS.items() if name in fixes)
    return Issues.concat([make(work, found, labels) for make in makers])


def _leaks(work: Work, found: Survey, labels: Mapping[str, NDArray[Any]]) -> Issues:
    leaks = found.alone.leaks
    mine = leaks.findings.take(leaks.findings.code == "leak_source")
    rows = mine.row[work.editable()[mine.row]]
    score = mine.score[work.editable()[mine.row]]
    evidence = mine.evidence[work.editable()[mine.row]]
    return _on_labels(work, "leak_source", rows, labels, 1 - score, evidence.tolist())


def _spare_copies(work: Work, found: Survey, labels: Mapping[str, NDArray[Any]]) -> Issues:
    """All but the best of the editable copies, task by task."""
    group = found.alone.duplicates.near
    parts = []
    for task in work.tasks:
        rows = np.flatnonzero(work.editable() & is_labelled(labels[task.name]))
        size = np.bincount(group[rows], minlength=int(group.max(initial=0)) + 1)
        rows = rows[size[group[rows]] > 1]
        wrong = _wrong(found, task, len(work.pool))[rows]
        order = np.lexsort((rows, wrong, group[rows]))
        rows, wrong = rows[order], wrong[order]
        first = np.ones(len(rows), bool)
        first[1:] = group[rows[1:]] != group[rows[:-1]]
        best = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
        # copies that agree with the kept one go for certain; one that contradicts it, as surely as it is wrong
        agree = _equal(labels[task.name], rows, rows[best])
        sure = np.where(agree, 1.0, wrong)
        evidence = [json.dumps({"copy_of": str(work.pool.row_ids[i])}) for i in rows[best]]
        spare = ~first
        parts.append(
            _on_labels(
                work,
                "spare_copy",
                rows[spare],
                labels,
                sure[spare],
                [e for e, s in zip(evidence, spare, strict=True) if s],
                task,
            )
        )
    return Issues.concat(parts)


def _wrong(found: Survey, task: Task, n: int) -> Floats:
    """P(the label is wrong) of rows in contradicting groups, 0 elsewhere."""
    out = np.zeros(n)
    for section in found.sections:
        if (
            section.check == "conflicts"
            and section.task == task.name
            and isinstance(section.checked, Conflicts)
        ):
            out[section.checked.rows] = section.checked.p_wrong
    return out


def _equal(labels: NDArray[Any], a: Ints, b: Ints) -> NDArray[np.bool_]:
    same = labels[a] == labels[b]
    return np.asarray(same.all(axis=1) if same.ndim == 2 else same)


def _shifts(work: Work, found: Survey, rows: Ints, target: Ints) -> bool:
    """Whether the inputs of ``rows`` and of ``target`` differ."""
    near = found.alone.duplicates.near
    a, b = once(rows, near), once(target, near)
    seen = covariate_shift(
        found.inputs.embedding[a],
        found.inputs.embedding[b],
        groups=near[np.concatenate([a, b])],
        seed=work.config.seed,
    )
    return seen.outcome == "found"


def _shifted(work: Work, found: Survey, labels: Mapping[str, NDArray[Any]]) -> Issues:
    """Importance weights of datasets whose training and held-out inputs differ; only inputs of the holdout are read."""
    parts = []
    for section in found.sections:
        if section.check != "shift of inputs" or section.checked.outcome != "found":
            continue
        split = work.pool.split[section.rows]
        rows, target = section.rows[work.editable()[section.rows]], section.rows[split == HOLDOUT]
        if len(target) < 2 or len(rows) < 2:
            continue
        points = found.inputs.embedding
        if (split == TEST).any() and not _shifts(
            work, found, rows, target
        ):  # the check looked at test rows too
            continue
        weighed = importance_weights(points[rows], points[target], flatten=0.5, seed=work.config.seed)
        if weighed.outcome != "passed":
            continue
        evidence = [json.dumps({"weight": round(float(w), 4)}) for w in weighed.weights]
        changed = np.abs(weighed.weights - 1) > SLIGHT
        kept = [e for e, c in zip(evidence, changed, strict=True) if c]
        parts.append(
            _on_labels(work, "shifted_row", rows[changed], labels, np.ones(int(changed.sum())), kept)
        )
    return Issues.concat(parts)


def _tail(work: Work, found: Survey, labels: Mapping[str, NDArray[Any]]) -> Issues:
    parts = []
    for task in work.tasks:
        if task.kind == "regression":
            continue
        y, rows = labels[task.name], np.flatnonzero(work.editable())
        if y.ndim == 1:
            rows = rows[y[rows] >= 0]
            weights = tail_weights(np.bincount(y[rows], minlength=len(task.classes)))[y[rows]]
            columns = np.full(len(rows), -1)
        else:
            weights = tail_weights((y[rows] == 1).sum(axis=0))
            place, columns = np.nonzero(y[rows] == 1)
            rows, weights = rows[place], weights[columns]
        heavy = weights > 1 + SLIGHT
        evidence = [json.dumps({"weight": round(float(w), 4)}) for w in weights[heavy]]
        parts.append(
            _issues(
                work,
                "tail_label",
                rows[heavy],
                task,
                labels,
                np.ones(int(heavy.sum())),
                evidence,
                columns[heavy],
            )
        )
    return Issues.concat(parts)


def _on_labels(
    work: Work,
    code: str,
    rows: Ints,
    labels: Mapping[str, NDArray[Any]],
    sure: Floats,
    evidence: list[str],
    only: Task | None = None,
) -> Issues:
    """An issue for every label that the rows carry; label sets entry by entry."""
    parts = []
    for task in [only] if only else work.tasks:
        y = labels[task.name][rows]
        if y.ndim == 2:
            place, columns = np.nonzero(y >= 0)
        else:
            place = np.flatnonzero(is_labelled(y))
            columns = np.full(len(place), -1)
        told = [evidence[i] for i in place]
        parts.append(_issues(work, code, rows[place], task, labels, sure[place], told, columns))
    return Issues.concat(parts)


def _issues(
    work: Work,
    code: str,
    rows: Ints,
    task: Task,
    labels: Mapping[str, NDArray[Any]],
    sure: Floats,
    evidence: list[str],
    columns: Ints,
) -> Issues:
    n = len(rows)
    y = labels[task.name]
    given = label_names(task, y[rows] if y.ndim == 1 else y[rows, columns])
    position = np.array([task.classes[c] if c >= 0 else "" for c in columns.tolist()] or [], object)
    return Issues(
        np.full(n, code, object),
        work.pool.dataset_names[rows].astype(object),
        work.pool.row_ids[rows].astype(object),
        np.full(n, task.name, object),
        position,
        1 - np.asarray(sure, np.float64),
        given,
        np.full(n, "", object),
        np.asarray(sure, np.float64),
        np.array(evidence or [], object),
    )


MAKERS: dict[str, Callable[[Work, Survey, Mapping[str, NDArray[Any]]], Issues]] = {
    "leaks": _leaks,
    "duplicates": _spare_copies,
    "shift": _shifted,
    "tail": _tail,
    "add": _tail,
}
