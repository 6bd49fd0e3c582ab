"""The gate: are held-out predictions better after a set of edits than before, task by task?

Rows are paired and resampled together over all tasks, so that intervals cover the differences and their mean
over tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.metrics import bounded, check, lookup, normalised, quantiles, resamples, row_values
from jointset.records import Bools, Floats, Task, TaskVerdict, Verdict, is_labelled

Array = NDArray[Any]
Pair = tuple[Floats, Floats]  # (b,) scores before, (b,) scores after

FEWEST_ROWS = 20
FEWEST_TRUSTED = 50
WORSE = 0.9  # one-sided level of "surely worse"; at 0.8, a fifth of unchanged single tasks was refused
GAIN = 0.8  # level of the interval of the mean gain
FLOOR = 0.1  # least singular value of T: a corrected row counts at most ten times
HOPELESS = 0.01
SHRINK = np.linspace(0.02, 0.3, 15)
CORRECTED = ("accuracy", "log_loss")
COSTLY = 300  # resamples for metrics that sort every column


@dataclass(frozen=True)
class _Case:
    """One task's comparison, ready to be resampled; ``factor`` normalises a difference and turns its sign."""

    task: Task
    metric: str
    rows: Array  # (m,) positions among the held-out rows
    score: Callable[[Floats], Pair]  # corrected for label noise where that is known
    plain: Callable[[Floats], Pair]
    factor: float
    unit: float  # what the margin is a share of
    sign: float
    notes: tuple[str, ...]
    judged: bool
    aside: int  # labelled rows that do not judge, as the training rows know them


def judge(
    tasks: Sequence[Task] | Mapping[str, Task],
    labels: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
    *,
    noise: Mapping[str, Array | None] | None = None,
    trusted: Bools | None = None,
    reviewed: Mapping[str, Bools] | None = None,
    leaked: Mapping[str, Bools] | None = None,
    margin: float = 0.005,
    level: float = 0.9,
    seed: int = 0,
    resamples: int = 1000,
    firm: float = math.inf,
) -> Verdict:
    """Compare held-out predictions before and after, paired by row, and decide.

    A task is *better* when the interval of its improvement lies above 0; *worse* when it lost more than
    ``firm`` margins, or more than one and the upper bound of its improvement is below 0 (one-sided, 90 % over
    all tasks together: each of T judged tasks is held to ``1 - 0.1 / T``); *not judged* with fewer than 20
    labelled rows or a single class; else the *same*. ``accepted``: no task is worse. ``progress``: accepted,
    and a task is better or the mean normalised improvement over tasks has an 80 % interval above 0.

    Held-out labels may be wrong. ``noise[task]`` is the estimated transition T (K, K), rows the true class,
    rows summing to one. Accuracy and log-loss of binary and multiclass tasks then use the backward correction
    (Natarajan et al. 2013, lemma 1; Patrini et al. 2017, theorem 1): a row with given label g adds ``sum_k
    T^-1[g, k] value(k)``, whose expectation over g is the value at the true class. T is mixed with the
    identity when it is ill-conditioned, and the plain metric is used, and named, when it cannot be inverted.
    The area under the curve of a binary task needs no correction: when classes swap labels irrespective of
    the inputs, ``AUC - 1/2`` only shrinks by one positive factor, the same before and after (Menon et al.
    2015, corollary 3), so the sign of the difference stands. Other metrics, and several classes' AUC, are
    left as they are.

    Parameters: ``labels`` and outputs ``(n, K)`` over the same n held-out rows, forms as in
    :mod:`jointset.records`; ``trusted`` ``(n,)`` marks rows whose labels are right: they are not corrected,
    and where a task has 50 of them only these judge it; ``reviewed[task]`` ``(n,)`` marks labels that a person gave:
    they are not corrected either, but never judge alone, as people look where errors are likely, and what they
    found is to be taken out of ``noise`` (:func:`remaining_noise`); ``leaked[what]`` ``(n,)`` marks rows that share
    something (copies, groups) with the rows before was trained on: they judge neither side, as long as 20 others can,
    the last kind named being the first to be let in again; ``margin`` in units of the metric (a share of the
    constant prediction's score for ``mae`` and ``log_loss``); ``level`` in (0, 1); a finite
    ``firm`` is stricter on large losses, and the default asks for the bound whatever was lost. ``low`` and ``high`` of
    the result are of the improvement: positive is better for every metric. ``before``, ``after`` and their interval are
    the plain metric; where a correction decided, the ``corrected_…`` ones beside them are what did, no further out than
    the metric can be. Raises ArrayError when arrays do not belong together.

    >>> task = Task("spam", "binary", ("no", "yes"), metric="accuracy")
    >>> given = np.tile([0, 1], 50)
    >>> right, wrong = np.eye(2)[given], np.tile([0.5, 0.5], (100, 1))
    >>> verdict = judge([task], {"spam": given}, {"spam": wrong}, {"spam": right})
    >>> verdict.accepted, verdict.progress, verdict.tasks[0].outcome
    (True, True, 'better')
    """
    cases = []
    for task in tasks.values() if isinstance(tasks, Mapping) else tasks:
        arrays = _arrays(task, labels, before, after, trusted)
        by_people = None if reviewed is None else reviewed.get(task.name)
        wrong = None if noise is None else noise.get(task.name)
        cases.append(_case(task, *arrays, wrong, trusted, by_people, leaked or {}))
    draws = _draws(cases, len(next(iter(labels.values()))) if labels else 0, seed, resamples)
    side = 1 - (1 - WORSE) / max(1, sum(case.judged for case in cases))
    verdicts, changes = [], []
    for case, (drawn, plain) in zip(cases, draws, strict=True):
        verdict, change = _outcome(case, drawn, plain, (margin, firm * margin), level, side)
        verdicts.append(verdict)
        if verdict.outcome != "not judged" and np.isfinite(case.factor):
            changes.append((case.factor * change, case.factor * drawn))
    accepted = all(v.outcome != "worse" for v in verdicts)
    better = any(v.outcome == "better" for v in verdicts)
    gain, sure = _mean_gain(changes)
    progress = accepted and (better or sure)
    reason = _reason(verdicts, cases, accepted, progress, gain)
    return Verdict(accepted=accepted, progress=progress, reason=reason, tasks=tuple(verdicts))


def correction(noise: Array, k: int) -> tuple[Floats | None, float]:
    """The (regularised) inverse ``(k, k)`` of a noise transition, and the share of identity mixed in.

    Mixing ``(1 - s) T + s I`` keeps rows summing to one, so a constant stays unbiased. The inverse is None
    when ``noise`` is no transition of k classes, or tells classes apart too little to be inverted.

    >>> correction(np.array([[1.0, 0.0], [0.5, 0.5]]), 2)[0]
    array([[ 1.,  0.],
           [-1.,  2.]])
    >>> correction(np.full((2, 2), 0.5), 2)
    (None, 0.0)
    """
    t = np.asarray(noise, dtype=np.float64)
    if (
        t.shape != (k, k)
        or not np.isfinite(t).all()
        or (t < 0).any()
        or np.abs(t.sum(axis=1) - 1).max() > 0.01
    ):
        return None, 0.0
    t = t / t.sum(axis=1, keepdims=True)
    if np.linalg.svd(t, compute_uv=False)[-1] < HOPELESS:
        return None, 0.0
    for share in (0.0, *SHRINK):
        mixed = (1 - share) * t + share * np.eye(k)
        if np.linalg.svd(mixed, compute_uv=False)[-1] >= FLOOR:
            return np.linalg.inv(mixed) + 0.0, float(share)
    return None, 0.0


def remaining_noise(noise: Array, given: Array, labels: Array, reviewed: Bools) -> Array:
    """The transition ``(K, K)`` that is left to expect of the labels nobody has looked at.

    ``given`` and ``labels`` ``(n,)`` are class codes before and after people's decisions, which ``reviewed`` marks. Of
    the errors that ``noise`` lets expect among all given labels, those that people corrected are gone; the rest is
    spread over the labels they have not seen, and no more than ``noise`` says.

    >>> noise = np.array([[0.8, 0.2], [0.2, 0.8]])
    >>> given = np.zeros(10, int)
    >>> labels = np.array([1] + [0] * 9)
    >>> remaining_noise(noise, given, labels, labels == 1).round(3).tolist()
    [[0.889, 0.111], [0.111, 0.889]]
    """
    t = np.asarray(noise, np.float64)
    known = given >= 0
    if not (reviewed & known).any():
        return t
    wrong = float((1 - np.diag(t))[labels[known & (labels >= 0)]].sum())
    left = int((known & ~reviewed).sum())
    found = int((reviewed & known & (given != labels)).sum())
    rate = wrong / max(int((known & (labels >= 0)).sum()), 1)
    share = min(max(wrong - found, 0.0) / (rate * left), 1.0) if rate * left > 0 else 0.0
    return np.eye(len(t)) + share * (t - np.eye(len(t)))


def _arrays(
    task: Task,
    labels: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
    trusted: Bools | None,
) -> tuple[Array, Array, Array]:
    for what, arrays in (("labels", labels), ("before", before), ("after", after)):
        if task.name not in arrays:
            raise ArrayError(
                f"task {task.name}: {what} holds no array of this name; found {', '.join(arrays)}"
            )
    found = labels[task.name], np.asarray(before[task.name]), np.asarray(after[task.name])
    check(task, found[0], found[1])
    check(task, found[0], found[2])
    n = len(next(iter(labels.values())))
    if len(found[0]) != n or (trusted is not None and np.shape(trusted) != (n,)):
        raise ArrayError(f"task {task.name}: every task and trusted need the same {n} held-out rows")
    return found


def _case(
    task: Task,
    labels: Array,
    before: Array,
    after: Array,
    noise: Array | None,
    trusted: Bools | None,
    reviewed: Bools | None,
    leaked: Mapping[str, Bools],
) -> _Case:
    metric = task.metric or ("r2" if task.kind == "regression" else "accuracy")
    known, told = unseen(labels, leaked)
    aside = int(is_labelled(labels).sum() - known.sum())
    notes = [f"{task.name} is {told}"] if told else []
    sure = np.zeros(len(labels), bool) if trusted is None else np.asarray(trusted, dtype=bool) & known
    if sure.sum() >= FEWEST_TRUSTED:
        notes.append(f"{task.name} on its {sure.sum()} trusted rows")
        known, noise = sure, None
    if reviewed is not None and (by_people := known & reviewed).any():
        notes.append(f"{task.name} with {by_people.sum()} held-out labels by people")
        sure = sure | by_people
    rows = np.flatnonzero(known)
    held, pair, sure = labels[rows], (before[rows], after[rows]), sure[rows]
    judged = len(rows) >= FEWEST_ROWS and _varies(held)
    inverse = None
    if judged and noise is not None and metric in CORRECTED and task.kind in ("binary", "multiclass"):
        inverse, share = correction(noise, task.n_outputs)
        notes.append(_correction_note(task, inverse, share))
    greater = lookup(metric).greater_is_better
    factor = normalised(task, metric, 1.0, held) - normalised(task, metric, 0.0, held) if judged else np.nan
    plain = _scorer(metric, held, pair, None, sure)
    return _Case(
        task=task,
        metric=metric,
        rows=rows,
        score=plain if inverse is None else _scorer(metric, held, pair, inverse, sure),
        plain=plain,
        factor=factor,
        unit=1.0 / abs(factor) if metric in ("mae", "log_loss") and np.isfinite(factor) else 1.0,
        sign=1.0 if greater else -1.0,
        notes=tuple(notes),
        judged=judged,
        aside=aside,
    )


def unseen(labels: Array, leaked: Mapping[str, Bools]) -> tuple[Bools, str]:
    """The labelled rows ``(n,)`` that judge, and what is to be said of those that do not.

    ``leaked`` maps what is shared with the training rows to the rows ``(n,)`` that share it, as :func:`judge` takes it.

    >>> labels, copied = np.tile([0, 1], 20), np.arange(40) < 10
    >>> fit, told = unseen(labels, {"copies": copied})
    >>> int(fit.sum()), told
    (30, 'not judged by 10 of 40 held-out rows, whose copies are in the training rows')
    """
    known = is_labelled(labels)
    kinds = {what: rows & known for what, rows in leaked.items() if (rows & known).any()}
    n = int(known.sum())
    for last in range(len(kinds), 0, -1):
        out = np.logical_or.reduce(list(kinds.values())[:last])
        fit = known & ~out
        if fit.sum() >= FEWEST_ROWS and _varies(labels[fit]):
            what = " or ".join(list(kinds)[:last])
            return (
                fit,
                f"not judged by {out.sum()} of {n} held-out rows, whose {what} are in the training rows",
            )
    if not kinds:
        return known, ""
    out = np.logical_or.reduce(list(kinds.values()))
    what = " or ".join(kinds)
    return known, f"judged too well, as {out.sum()} of {n} held-out rows have {what} in the training rows"


def _correction_note(task: Task, inverse: Floats | None, share: float) -> str:
    if inverse is None:
        return f"{task.name} uncorrected, as its label noise cannot be inverted"
    how = f" (transition shrunk by {share:.2f})" if share else ""
    return f"{task.name} corrected for label noise{how}"


def _varies(labels: Array) -> bool:
    """Whether anything can be told apart: two classes, or for multilabel one label with both values."""
    if labels.ndim == 2:
        return bool(((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).any())
    return len(np.unique(labels)) > 1


def _scorer(
    metric: str, labels: Array, pair: tuple[Array, Array], inverse: Floats | None, sure: Bools
) -> Callable[[Floats], Pair]:
    if metric not in ("accuracy", "log_loss", "mae"):
        weighted = lookup(metric).weighted
        return lambda w: (weighted(labels, pair[0], w), weighted(labels, pair[1], w))
    values = np.empty((len(labels), 2))
    for side, outputs in enumerate(pair):
        values[:, side], counts = row_values(metric, labels, outputs)
        if inverse is not None:
            values[~sure, side] = _corrected(metric, labels, outputs, inverse)[~sure]

    def score(w: Floats) -> Pair:
        total = w @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (w @ values) / total[:, None]
        return means[:, 0], means[:, 1]

    return score


def _corrected(metric: str, labels: Array, outputs: Array, inverse: Floats) -> Floats:
    """Values ``(n,)`` whose expectation over given labels is the value at the true class."""
    codes = range(inverse.shape[0])
    by_class = [row_values(metric, np.full(len(labels), k), outputs)[0] for k in codes]
    return np.einsum("nk,nk->n", inverse[labels], np.stack(by_class, axis=1))


def _draws(cases: Sequence[_Case], n: int, seed: int, count: int) -> list[Pair]:
    """Bootstrap differences of every judged task, as decided by and plain; the same resampled rows serve all tasks."""
    parts: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in cases]
    costly = any(c.judged and c.metric == "auc" and c.task.n_outputs > 2 for c in cases)
    judged = any(c.judged for c in cases)
    for weights in resamples(n, min(count, COSTLY) if costly else count, seed) if judged else ():
        for case, (decisive, plain) in zip(cases, parts, strict=True):
            if case.judged:
                first, second = case.score(weights[:, case.rows])
                decisive.append(second - first)
                if case.plain is not case.score:
                    first, second = case.plain(weights[:, case.rows])
                plain.append(second - first)
    empty = np.empty(0)
    return [(np.concatenate(a or [empty]), np.concatenate(b or [empty])) for a, b in parts]


def _outcome(
    case: _Case, drawn: Floats, plain: Floats, margins: tuple[float, float], level: float, side: float
) -> tuple[TaskVerdict, float]:
    """The verdict, and the change of the score that decided it."""
    improvement, ends = case.sign * drawn, ((1 - level) / 2, (1 + level) / 2)
    low, high = quantiles(improvement, *ends)
    m = len(case.rows)
    before, after = _points(case.score, m)
    gain = case.sign * (after - before) / case.unit
    outcome: Literal["better", "same", "worse", "not judged"] = "same"
    if not case.judged or not np.isfinite([gain, low]).all():
        outcome = "not judged"
    elif low > 0:
        outcome = "better"
    elif gain < -margins[1] or (gain < -margins[0] and quantiles(improvement, side, side)[0] < 0):
        outcome = "worse"
    shown = (*_points(case.plain, m), *quantiles(case.sign * plain, *ends))
    corrected = (*(bounded(case.metric, v) for v in (before, after)), low, high)
    told = corrected if case.plain is not case.score else (np.nan,) * 4
    return TaskVerdict(case.task.name, case.metric, *shown, outcome, m, case.aside, *told), after - before


def _points(score: Callable[[Floats], Pair], m: int) -> tuple[float, float]:
    """The scores before and after on all ``m`` rows."""
    if not m:
        return float("nan"), float("nan")
    before, after = score(np.ones((1, m)))
    return float(before[0]), float(after[0])


def _mean_gain(changes: Sequence[tuple[float, Floats]]) -> tuple[float, bool]:
    """Mean normalised improvement over tasks, and whether its 80 % interval lies above zero."""
    if not changes:
        return 0.0, False
    gain = float(np.mean([c for c, _ in changes]))
    low, _ = quantiles(np.mean([d for _, d in changes], axis=0), (1 - GAIN) / 2, GAIN)
    return gain, bool(gain > 0 and low > 0)


def _reason(
    verdicts: Iterable[TaskVerdict], cases: Iterable[_Case], accepted: bool, progress: bool, gain: float
) -> str:
    groups: dict[str, list[str]] = {"worse": [], "better": [], "same": [], "not judged": []}
    for v in verdicts:
        change = (
            f"{v.metric} {v.before:.3f} → {v.after:.3f}, improvement {v.low:+.3f} … {v.high:+.3f}, n={v.n}"
        )
        if np.isfinite(v.corrected_low):
            change += (
                f" (corrected for label noise {v.corrected_before:.3f} → {v.corrected_after:.3f}, "
                f"{v.corrected_low:+.3f} … {v.corrected_high:+.3f})"
            )
        groups[v.outcome].append(f"{v.task} ({f'n={v.n}' if v.outcome == 'not judged' else change})")
    parts = [f"{outcome}: {', '.join(names)}" for outcome, names in groups.items() if names]
    if accepted and progress and not groups["better"]:
        parts.append(f"better on average over tasks by {gain:.3f} of the way from constant to perfect")
    parts += [note for case in cases for note in case.notes]
    head = "rejected" if not accepted else "accepted" if progress else "accepted without progress"
    return f"{head}: {'; '.join(parts) or 'no task to judge'}"
