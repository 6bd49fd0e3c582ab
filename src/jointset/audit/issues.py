"""Findings as ``records.Issues``: addressed, scored and with short evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.base import TaskAudit
from jointset.audit.missing_labels import missing
from jointset.audit.run import AuditResult
from jointset.errors import ArrayError
from jointset.records import Floats, Ints, Issues, Strings, Task


def issues(
    result: AuditResult,
    tasks: Sequence[Task],
    datasets: NDArray[Any],
    rows: NDArray[Any],
    *,
    margin: Mapping[str, Floats] | None = None,
    level: float = 0.5,
) -> Issues:
    """Turn a result into issues: label errors, missing labels that can be proposed, contradictions.

    ``datasets`` and ``rows`` ``(n,)`` are the dataset name and row id of every row; ``margin[task]`` ``(n,)``
    (area under the margin) is quoted where given. Label errors are reported from P(error) >= ``level`` (those
    within the promised precision say ``"flagged": true``), missing labels from confidence >= ``level``.
    Scores are the quality of the given label, 1 - confidence of a proposal, and P(both right) of a
    contradiction. Multilabel values are named 0 and 1. Raises ``ArrayError`` if the addresses do not fit.

    >>> from jointset.audit.run import run
    >>> task = Task("sentiment", "binary", ("neg", "pos"))
    >>> true = np.arange(200) % 2
    >>> probs = np.where(true[:, None] == np.arange(2), 0.9, 0.1)
    >>> result = run({"sentiment": np.where(np.arange(200) < 1, 1, true)}, {"sentiment": probs}, [task])
    >>> found = issues(result, [task], np.full(200, "reviews"), np.arange(200).astype(str))
    >>> found.code.tolist(), found.row.tolist(), found.given.tolist(), found.suggested.tolist()
    (['label_error'], ['0'], ['pos'], ['neg'])
    """
    by_name = {t.name: t for t in tasks}
    parts = []
    for name, audit in result.tasks.items():
        if len(datasets) != len(audit) or len(rows) != len(audit):
            raise ArrayError(
                f"{len(audit)} rows were audited, {len(datasets)} dataset names and {len(rows)} row ids given"
            )
        wrong = np.flatnonzero(
            (audit.is_error | (np.nan_to_num(audit.p_error) >= level)).ravel() & _differs(audit)
        )
        parts.append(_issues("label_error", result, by_name, by_name[name], audit, wrong, margin))
        fill = np.flatnonzero((missing(audit) & (audit.confidence >= level)).ravel())
        parts.append(_issues("missing_label", result, by_name, by_name[name], audit, fill, margin))
    parts.append(_contradictions(result, by_name))
    return _address(Issues.concat(parts), np.asarray(datasets), np.asarray(rows))


def label_names(task: Task, values: NDArray[Any]) -> Strings:
    """Names of label values of a task, '' where missing."""
    if task.kind == "regression":
        return np.array(["" if np.isnan(v) else f"{v:.6g}" for v in values], object)
    names = np.array([*(task.classes if task.kind != "multilabel" else ("0", "1")), ""], object)
    return names[values.astype(np.int64)]


def _differs(audit: TaskAudit) -> NDArray[np.bool_]:
    return (audit.suggested != audit.given).ravel()


def _issues(
    code: str,
    result: AuditResult,
    tasks: Mapping[str, Task],
    task: Task,
    audit: TaskAudit,
    index: Ints,
    margin: Mapping[str, Floats] | None,
) -> Issues:
    """Issues at flat ``index``; ``row`` holds row numbers until they are addressed."""
    k = audit.given.shape[1] if audit.given.ndim == 2 else 1
    row, column = index // k, index % k
    multilabel = audit.kind == "multilabel"
    position = np.array(task.classes, object)[column] if multilabel else np.full(len(index), "", object)
    given, suggested = audit.given.ravel()[index], audit.suggested.ravel()[index]
    confidence, p_error = audit.confidence.ravel()[index], audit.p_error.ravel()[index]
    facts: dict[str, NDArray[Any] | list[Any]] = {"p_suggested": confidence.round(4)}
    score = 1 - confidence
    if code == "label_error":
        facts["p_given"] = (1 - p_error).round(4)
        facts["flagged"] = audit.is_error.ravel()[index]
        score = audit.quality.ravel()[index]
    if margin is not None and task.name in margin:
        facts["margin"] = np.asarray(margin[task.name], np.float64)[row].round(4)
    facts["because"] = _because(
        result, tasks, task, row, column if multilabel else np.full(len(row), -1), given, suggested
    )
    n = len(index)
    return Issues(
        np.full(n, code, object),
        np.full(n, "", object),
        row.astype(object),
        np.full(n, task.name, object),
        position,
        score,
        label_names(task, given),
        label_names(task, suggested),
        confidence,
        evidence_json(facts, n),
    )


def evidence_json(facts: Mapping[str, NDArray[Any] | list[Any]], n: int) -> Strings:
    """One short JSON object per row; empty and non-finite facts are left out.

    >>> evidence_json({"p": np.array([0.5, np.nan]), "because": ["", "urgent=yes"]}, 2).tolist()
    ['{"p": 0.5}', '{"because": "urgent=yes"}']
    """
    columns = {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in facts.items()
    }
    out = np.empty(n, object)
    for i in range(n):
        fact = {key: column[i] for key, column in columns.items()}
        out[i] = json.dumps({k: v for k, v in fact.items() if v != "" and v == v}, ensure_ascii=False)
    return out


def _because(
    result: AuditResult,
    tasks: Mapping[str, Task],
    task: Task,
    row: Ints,
    column: Ints,
    given: NDArray[Any],
    suggested: NDArray[Any],
) -> list[str]:
    """The given label of another task that speaks most for the suggestion, as ``task=label``, or ''."""
    best, said = np.full(len(row), 0.1), np.full(len(row), "", object)
    for edge in (e for r in result.fitted.forest.related for e in (r, r.reversed())):
        name, position = result.names[edge.a]
        here = np.flatnonzero(column == position) if name == task.name else row[:0]
        here = here[result.nodes[edge.b].given[row[here]] >= 0]
        if not len(here):
            continue
        i, fit = np.arange(len(here)), result.fitted.fits[edge.b]
        gain = np.log(
            np.maximum(fit.alone[row[here]] @ edge.lift.T, 1e-12)
            / np.maximum(fit.p_true[row[here]] @ edge.lift.T, 1e-12)
        )
        model = result.nodes[edge.a].model
        new, old = (_codes(values[here], model) for values in (suggested, given))
        weight = gain[i, new] - np.where(old >= 0, gain[i, np.maximum(old, 0)], gain.mean(axis=1))
        better = weight > best[here]
        best[here[better]] = weight[better]
        said[here[better]] = _said(result, edge.b, row[here[better]], tasks)
    return said.tolist()


def _codes(values: NDArray[Any], model: Any) -> Ints:
    """Classes of the joint label model: the labels themselves, or the bins of a numeric task."""
    return values.astype(np.int64) if model is None else np.asarray(model.code(values))


def _said(result: AuditResult, v: int, rows: Ints, tasks: Mapping[str, Task]) -> list[str]:
    """The given labels of a variable as ``task=label``."""
    node, name = result.nodes[v], result.names[v][0]
    given = node.given[rows] if node.model is None else result.tasks[name].given[rows]
    return [f"{node.name}={label}" for label in label_names(tasks[name], given)]


def _contradictions(result: AuditResult, tasks: Mapping[str, Task]) -> Issues:
    found, parts = result.contradictions, []
    for v in np.unique(found.wrong):
        name, column = result.names[v]
        task, node, fit = tasks[name], result.nodes[v], result.fitted.fits[v]
        here = found.take(found.wrong == v)
        posterior = fit.posterior[here.row]
        n, best = len(here), posterior.argmax(axis=1)
        given: NDArray[Any] = node.given[here.row]
        if node.model is not None:
            given, best = result.tasks[name].given[here.row], node.model.centres[best]
        clash = [_said(result, o, here.row[i : i + 1], tasks)[0] for i, o in enumerate(here.other)]
        facts: dict[str, NDArray[Any] | list[Any]] = {
            "with": clash,
            "p_both": here.p_both.round(4),
            "p_given": (1 - here.p_wrong).round(4),
        }
        parts.append(
            Issues(
                np.full(n, "contradiction", object),
                np.full(n, "", object),
                here.row.astype(object),
                np.full(n, name, object),
                np.full(n, task.classes[column] if column >= 0 else "", object),
                here.p_both,
                label_names(task, given),
                label_names(task, best),
                posterior.max(axis=1),
                evidence_json(facts, n),
            )
        )
    return Issues.concat(parts)


def _address(found: Issues, datasets: NDArray[Any], rows: NDArray[Any]) -> Issues:
    place = found.row.astype(np.int64)
    return found.with_columns(
        dataset=datasets[place].astype(object), row=rows[place].astype(str).astype(object)
    )
