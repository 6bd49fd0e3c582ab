"""Audit arrays: ``find_label_errors`` for anybody's arrays, ``run`` for the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.base import TaskArrays, TaskAudit, TaskAudits, check_precision
from jointset.audit.checks import check_arrays
from jointset.audit.contradictions import Contradictions, find_contradictions
from jointset.audit.copies import copies_of
from jointset.audit.label_errors import classification, multilabel, ordinal, regression
from jointset.audit.nodes import MAX_FIT, Fitted, Node, fit_nodes
from jointset.errors import ArrayError
from jointset.notebook import table
from jointset.records import Bools, Task, is_labelled

CLASS_KINDS: dict[str, ModuleType] = {
    "binary": classification,
    "multiclass": classification,
    "multilabel": multilabel,
    "ordinal": ordinal,
}


@dataclass(frozen=True)
class AuditResult:
    """What ``run`` found: per task, between tasks, and the fitted models behind it.

    ``names`` maps a variable of the joint label model to its task and, for multilabel, the class (else -1).
    """

    tasks: TaskAudits
    contradictions: Contradictions
    names: tuple[tuple[str, int], ...]
    nodes: tuple[Node, ...]
    fitted: Fitted

    def __getitem__(self, task: str) -> TaskAudit:
        return self.tasks[task]

    def __repr__(self) -> str:
        return f"AuditResult({self.tasks!r}, {len(self.contradictions):,} contradictions)"

    def _repr_html_(self) -> str:
        told = [t.told() for t in self.tasks.values()]
        below = f"{len(self.contradictions):,} contradictions"
        return table("AuditResult", list(told[0]) if told else [], [list(t.values()) for t in told], below)


@overload
def find_label_errors(
    labels: Mapping[str, ArrayLike],
    pred_probs: Mapping[str, ArrayLike],
    *,
    precision: float | None = ...,
    kind: str | Mapping[str, str] | None = ...,
    views: Mapping[str, Sequence[ArrayLike]] | None = ...,
    margins: Mapping[str, ArrayLike] | None = ...,
    fit_rows: ArrayLike | None = ...,
    max_fit: int = ...,
    seed: int = ...,
) -> TaskAudits: ...
@overload
def find_label_errors(
    labels: ArrayLike,
    pred_probs: ArrayLike,
    *,
    precision: float | None = ...,
    kind: str | None = ...,
    views: Sequence[ArrayLike] = ...,
    margins: ArrayLike | None = ...,
    fit_rows: ArrayLike | None = ...,
    max_fit: int = ...,
    seed: int = ...,
) -> TaskAudit: ...
def find_label_errors(
    labels: Any,
    pred_probs: Any,
    *,
    precision: float | None = 0.9,
    kind: str | Mapping[str, str] | None = None,
    views: Any = None,
    margins: Any = None,
    fit_rows: ArrayLike | None = None,
    max_fit: int = MAX_FIT,
    seed: int = 0,
) -> TaskAudit | TaskAudits:
    """Find wrong labels, and propose missing ones, from out-of-sample predicted probabilities.

    ``jointset.audit.posterior`` and ``jointset.audit.joint`` hold the method and its papers.

    Parameters: ``labels`` is one task's array, ``(n,)`` class codes with -1 or NaN where missing (multilabel:
    ``(n, K)`` of 0, 1 and -1; regression: ``(n,)`` with NaN), and ``pred_probs`` the cross-fitted ``(n, K)``
    probabilities (regression: ``(n,)`` values, or ``(n, 2)`` values and standard errors); or mappings from task to such
    arrays over the same rows. Probabilities may be a memory map, or a function that returns an iterator of chunks
    ``(m, K)``; they are read in slices. ``precision`` in (0, 1] is the expected share of true errors among those
    flagged; with None the set with the highest expected F1 is flagged. ``kind`` (for mappings also task → kind) is
    binary, multiclass, ordinal (classes in order), multilabel or regression; without it, 2-D labels are multilabel,
    K >= 2 columns are classes, and a single column is regression if some label is not a whole number, else refused.
    ``views`` are further out-of-sample probabilities of a class task, ``(n, K)`` each (other models,
    ``neighbour_votes``), or a mapping from task to them; how much each counts is learnt. ``margins`` ``(n,)`` are areas
    under the margin of the given labels, from models that trained on them, or a mapping; see ``heed_margins``.
    ``fit_rows`` ``(n,) bool`` restricts what is learnt from; at most ``max_fit`` rows (400 K if that is more) are
    sampled with ``seed`` for it.

    Returns a ``TaskAudit``, or for mappings ``TaskAudits`` by task. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> true = rng.integers(0, 3, 600)
    >>> probs = np.where(true[:, None] == np.arange(3), 0.9, 0.05)
    >>> given = true.copy()
    >>> given[:30] = (given[:30] + 1) % 3
    >>> found = find_label_errors(given, probs)
    >>> np.flatnonzero(found.is_error).tolist() == list(range(30))
    True
    """
    if isinstance(labels, Mapping) != isinstance(pred_probs, Mapping):
        raise ArrayError("labels and pred_probs must both be arrays or both be mappings from task to array")
    if isinstance(labels, Mapping):
        tasks = _checked(
            labels, pred_probs, kind, {} if views is None else views, {} if margins is None else margins
        )
        return _audit(tasks, precision, fit_rows, max_fit, seed).tasks
    if isinstance(kind, Mapping):
        raise ArrayError("kind must be a string when labels are one task's array")
    task = check_arrays(labels, pred_probs, kind, views=() if views is None else views, margin=margins)
    return _audit([task], precision, fit_rows, max_fit, seed)["labels"]


def run(
    labels: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    tasks: Sequence[Task],
    *,
    precision: float = 0.9,
    margins: Mapping[str, ArrayLike] | None = None,
    fit_rows: Bools | None = None,
    max_fit: int = MAX_FIT,
    heed: bool = True,
    copies: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> AuditResult:
    """Audit all tasks of a pool together.

    ``labels`` and ``outputs`` are in the form of ``jointset.records``, aligned over the whole pool;
    ``fit_rows`` ``(n,)`` masks the rows that noise, calibration and relations between tasks are learnt from,
    while all rows are scored. ``heed`` lets tasks hear one another through the joint label model; turn it off when the
    predictions of each task have already read the given labels of the others, which must not count twice. Of
    ``copies``, groups of tasks that say the same, only one is heard where two have a label. Raises ``ArrayError``.

    >>> task = Task("sentiment", "binary", ("neg", "pos"))
    >>> true = np.arange(200) % 2
    >>> probs = np.where(true[:, None] == np.arange(2), 0.9, 0.1)
    >>> given = np.where(np.arange(200) < 5, 1 - true, true)
    >>> run({"sentiment": given}, {"sentiment": probs}, [task])["sentiment"].ranked(5).max()
    np.int64(4)
    """
    absent = [t.name for t in tasks if t.name not in labels or t.name not in outputs]
    if absent:
        raise ArrayError(f"no labels or no predictions for task {', '.join(absent)}")
    names = [t.name for t in tasks]
    arrays = _checked(
        {t: labels[t] for t in names},
        {t: outputs[t] for t in names},
        {t.name: t.kind for t in tasks},
        {},
        margins or {},
    )
    for task, found in zip(tasks, arrays, strict=True):
        k = found.probs.shape[1] if found.probs.ndim == 2 else 1
        if k != task.n_outputs:
            raise ArrayError(
                f"{task.name}: {task.n_outputs} classes are declared, predictions have {k} columns"
            )
    return _audit(arrays, precision, fit_rows, max_fit, seed, heed=heed, copies=copies)


def _checked(
    labels: Mapping[str, ArrayLike],
    outputs: Mapping[str, ArrayLike],
    kind: str | Mapping[str, str] | None,
    views: Mapping[str, Sequence[ArrayLike]],
    margins: Mapping[str, ArrayLike],
) -> list[TaskArrays]:
    odd = sorted(str(t) for t in set(labels) ^ set(outputs))
    if odd:
        raise ArrayError(
            f"labels and predictions must be of the same tasks; only one of them has {', '.join(odd)}"
        )
    if not isinstance(views, Mapping) or not isinstance(margins, Mapping):
        raise ArrayError("views and margins must be mappings from task, like labels and pred_probs")
    kinds = kind if isinstance(kind, Mapping) else dict.fromkeys(labels, kind)
    named = {"kind": kinds, "views": views, "margins": margins}
    unknown = sorted(f"{what} for {t}" for what, given in named.items() for t in set(given) - set(labels))
    if unknown:
        raise ArrayError(f"{', '.join(unknown)}: none of the tasks is called so")
    tasks = [
        check_arrays(labels[t], outputs[t], kinds.get(t), str(t), views.get(t, ()), margins.get(t))
        for t in labels
    ]
    if len({len(t) for t in tasks}) > 1:
        sizes = ", ".join(f"{t.name} {len(t)}" for t in tasks)
        raise ArrayError(f"tasks must have aligned rows, found different numbers of them: {sizes}")
    return tasks


def _audit(
    tasks: list[TaskArrays],
    precision: float | None,
    fit_rows: ArrayLike | None,
    max_fit: int,
    seed: int,
    *,
    heed: bool = True,
    copies: Sequence[Sequence[str]] = (),
) -> AuditResult:
    check_precision(precision)
    n = len(tasks[0]) if tasks else 0
    rows = np.ones(n, bool) if fit_rows is None else np.asarray(fit_rows)
    if rows.shape != (n,) or rows.dtype != bool:
        raise ArrayError(f"fit_rows must be a boolean mask of {n} rows, found {rows.dtype} {rows.shape}")
    own = {
        t.name: CLASS_KINDS[t.kind].nodes(t)
        if t.kind in CLASS_KINDS
        else regression.nodes(t, rows, max_fit, seed)
        for t in tasks
    }
    nodes = [node for part in own.values() for node in part]
    ends = np.cumsum([len(part) for part in own.values()])
    variables = {t: range(end - len(own[t]), end) for t, end in zip(own, ends, strict=True)}
    same = copies_of(copies, variables, {t.name: is_labelled(t.labels) for t in tasks})
    fitted = fit_nodes(nodes, rows, max_fit, seed, heed=heed, copies=same)
    fits, results = iter(fitted.fits), {}
    for task in tasks:
        mine = [next(fits) for _ in own[task.name]]
        kind = CLASS_KINDS.get(task.kind, regression)
        results[task.name] = kind.assess(task, mine, precision)
    names = [(t.name, i if t.kind == "multilabel" else -1) for t in tasks for i in range(len(own[t.name]))]
    return AuditResult(
        TaskAudits(results), find_contradictions(nodes, fitted, precision), tuple(names), tuple(nodes), fitted
    )
