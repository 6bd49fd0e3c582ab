"""Does an operation keep a task's label? What is measured, and what follows from it; arrays in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.augment.policy import Verdict
from jointset.augment.rules import Rule, found_rule
from jointset.records import Floats, Ints, Task

FEWEST = 30  # labelled rows below which nothing is said
SURE = 1.0  # standard errors that a loss must stand above the tolerance's side of doubt
BIJECTION = 0.8  # share of a class that an operation must send to one other class for a rule
NOTHING = 0.05  # a model that is right hardly more often than chance cannot say what changed


@dataclass(frozen=True)
class Estimate:
    """One operation and one task.

    ``rows`` were looked at; ``before`` is how well the cross-fitted model does on them as they are (balanced
    accuracy, or explained variance), ``shown`` on the changed rows, ``taught`` on them after it was trained on changed
    rows of the other half (NaN when that was not needed); ``changed`` the estimated share of labels that the operation
    does not keep, ``error`` its standard error. ``rule`` holds class codes where labels change places.
    """

    operation: str
    task: str
    magnitude: float
    rows: int
    before: float
    shown: float
    taught: float
    changed: float
    error: float
    outcome: str
    reason: str
    rule: tuple[int, ...] = ()

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Estimate:
        """What was written as JSON, where NaN is null."""
        values: dict[str, Any] = {k: float("nan") if v is None else v for k, v in record.items()}
        values["rule"] = tuple(record["rule"])
        return cls(**values)


def right(task: Task, labels: NDArray[np.generic], outputs: Floats) -> Floats:
    """How right predictions are, entry by entry, ``(m,)`` over known labels; the mean is what a task is judged by.

    Classes, and every tag by itself: balanced accuracy, with probabilities divided by the classes' shares before one is
    named, so that a rare class counts as much as a common one. Numbers: 1 − squared error over variance, 0 where all
    are alike.

    >>> task, labels = Task("t", "binary", ("n", "y")), np.repeat([0, 1], [90, 10])
    >>> round(float(right(task, labels, np.tile([0.9, 0.1], (100, 1))).mean()), 6)  # always the common class
    0.5
    """
    if task.kind == "regression":
        known = ~np.isnan(labels.astype(float))
        y = labels[known].astype(float)
        if not len(y) or not np.ptp(y):
            return np.zeros(len(y))
        return np.asarray(1.0 - (y - outputs[known, 0]) ** 2 / np.var(y))
    codes = labels.astype(int)
    if task.kind == "multilabel":
        columns = zip(codes.T, outputs.T, strict=True)
        return np.concatenate([_balanced(y, np.stack([1.0 - p, p], 1)) for y, p in columns])
    return _balanced(codes, outputs)


def _balanced(codes: Ints, outputs: Floats) -> Floats:
    """1 where the class that stands out against its share is named, weighted so that classes count alike."""
    known = codes >= 0
    y = codes[known]
    counts = np.bincount(y, minlength=outputs.shape[1])
    share = np.maximum(counts, 1e-9) / max(len(y), 1)
    named = np.where(counts > 0, outputs[known] / share, -1.0).argmax(1)
    weight = len(y) / np.maximum(counts, 1) / max(int((counts > 0).sum()), 1)
    return np.asarray((named == y) * weight[y], float)


def floor(task: Task, labels: NDArray[np.generic]) -> float:
    """What knows nothing gets by the measure of :func:`right`."""
    if task.kind == "regression":
        return 0.0
    codes = labels.astype(int)
    if task.kind == "multilabel":
        counts = [((y >= 0).sum(), max(len(np.unique(y[y >= 0])), 1)) for y in codes.T]
        return float(sum(n / k for n, k in counts) / max(sum(n for n, _ in counts), 1))
    return 1.0 / max(len(np.unique(codes[codes >= 0])), 1)


def loss_of(before: Floats, after: Floats, least: float) -> tuple[float, float]:
    """The share of what is known that is lost, and its standard error; ``least`` is what a constant gets.

    >>> loss_of(np.array([1.0, 1, 1, 1]), np.array([1.0, 1, 1, 0]), 0.0)[0]
    0.25
    """
    known = max(float(before.mean()) - least, 1e-9)
    drop = before - after
    return float(drop.mean()) / known, float(drop.std() / np.sqrt(max(len(drop), 1))) / known


def judged(
    task: Task, operation: str, magnitude: float, labels: NDArray[np.generic],
    before: Floats, shown: Floats, taught: Floats | None, *, tolerance: float, switch: bool,
) -> Estimate:  # fmt: skip
    """The estimate for one operation and task; outputs ``(n, K)`` of rows as they are, changed, and changed and taught.

    What the cross-fitted model loses on changed rows may be its own clumsiness. So where it loses more than the
    tolerance, what counts is what a model still gets wrong after it has seen changed rows with their labels: if the
    label can still be read off, it was kept.
    """
    was, least = right(task, labels, before), floor(task, labels)
    n, base = len(was), float(was.mean()) if len(was) else 0.0
    nan = float("nan")

    def made(
        outcome: str,
        reason: str,
        now: float = nan,
        then: float = nan,
        changed: float = nan,
        error: float = nan,
        rule: tuple[int, ...] = (),
    ) -> Estimate:
        a, b, c, d = (round(float(v), 4) for v in (now, then, changed, error))
        return Estimate(operation, task.name, magnitude, n, round(base, 4), a, b, c, d, outcome, reason, rule)

    if n < FEWEST or base - least < NOTHING:
        why = f"{n} labelled rows" if n < FEWEST else "the model knows too little of the task"
        return made("unknown", why)
    now = right(task, labels, shown)
    seen = float(now.mean())
    changed, error = loss_of(was, now, least)
    if changed <= tolerance:
        return made("keep", "the model sees no difference", seen, nan, changed, error)
    if switch and (rule := _rule(task, labels, shown)) is not None:
        codes = rule.apply(labels.astype(np.int64), np.ones(len(labels)))
        led, error = loss_of(was, right(task, codes, shown), least)
        if led <= 2 * tolerance:
            return made("transform", "classes change places", seen, nan, led, error, rule=rule.classes)
    if taught is None:
        return made("doubt", "not yet taught", seen, nan, changed, error)
    then = right(task, labels, taught)
    changed, error = loss_of(was, then, least)
    values = (seen, float(then.mean()), changed, error)
    if changed - SURE * error > tolerance:
        return made("mask", f"{100 * changed:.0f} % of what was known is lost", *values)
    return made("keep", "the label can be learnt from changed rows", *values)


def _rule(task: Task, labels: NDArray[np.generic], shown: Floats) -> Rule | None:
    if task.kind not in ("binary", "multiclass"):
        return None
    codes = labels.astype(int)
    known = codes >= 0
    sent = np.zeros((len(task.classes), len(task.classes)))
    np.add.at(sent, (codes[known], shown[known].argmax(1)), 1)
    return found_rule(sent, least=BIJECTION, some=[bool(c >= 5) for c in sent.sum(1)])


def verdicts(
    table: Sequence[Estimate],
) -> tuple[dict[str, dict[str, Verdict]], dict[str, dict[str, Rule]]]:
    """By task and operation: what a policy does about it."""
    found: dict[str, dict[str, Verdict]] = {}
    rules: dict[str, dict[str, Rule]] = {}
    for e in table:
        found.setdefault(e.task, {})[e.operation] = "mask" if e.outcome in ("mask", "doubt") else "keep"
        if e.outcome == "transform":
            rules.setdefault(e.task, {})[e.operation] = Rule(classes=e.rule)
    return found, rules


def render(table: Sequence[Estimate]) -> str:
    """The table as people read it.

    >>> print(render([Estimate("image.flip", "side", 1.0, 90, 1.0, 0.0, 0.5, 0.5, 0.05, "mask", "half is lost")]))
    operation           task              at   rows  as it is  changed  taught  lost       label
    image.flip          side               1     90      1.00     0.00    0.50   50 %      mask: half is lost
    """
    lines = [
        f"{'operation':<19} {'task':<14} {'at':>5} {'rows':>6}  as it is  changed  taught  lost       label"
    ]
    for e in table:
        shown, taught = (f"{v:.2f}" if np.isfinite(v) else "·" for v in (e.shown, e.taught))
        lost = f"{100 * e.changed:.0f} %" if np.isfinite(e.changed) else "·"
        lines.append(
            f"{e.operation:<19} {e.task:<14} {e.magnitude:>5g} {e.rows:>6}  {e.before:>8.2f} {shown:>8} {taught:>7} "
            f"{lost:>6}      {e.outcome}: {e.reason}"
        )
    return "\n".join(lines)
