"""One case: labels with truth and probabilities, judged by our audit and by the peer with the same scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.audits import scores
from bench.audits.context import Context
from bench.audits.handover import ask
from jointset.audit import TaskAudit, find_label_errors

Array = NDArray[Any]
PROMISES = (0.9, 0.8)


@dataclass(frozen=True)
class Case:
    """One task's arrays; -1 in ``given`` is missing (no numeric label is). ``margin`` is for our audit alone."""

    kind: str
    given: Array
    probs: Array
    truth: Array
    margin: Array | None = None

    @property
    def known(self) -> Array:
        """Labels, or entries, that are given."""
        return np.ones(len(self.given), bool) if self.kind == "regression" else self.given >= 0


def audits(cases: Mapping[str, Case], precision: float | None) -> dict[str, TaskAudit]:
    """Our audit of all tasks together; of a single one through the plain arrays. ``None``: the best expected F1."""
    if len(cases) == 1:
        [(name, case)] = cases.items()
        return {
            name: find_label_errors(
                case.given, case.probs, kind=case.kind, margins=case.margin, precision=precision
            )
        }
    parts = [{t: getattr(c, part) for t, c in cases.items()} for part in ("given", "probs", "kind")]
    labels, probs, kinds = parts
    margins = {t: c.margin for t, c in cases.items() if c.margin is not None}
    return dict(find_label_errors(labels, probs, kind=kinds, margins=margins, precision=precision))


def ours(cases: Mapping[str, Case], *, promises: bool = True) -> dict[str, scores.Scores]:
    """Per task all scores of our audit, its promises at both precisions, and what its advice leaves wrong."""
    found = {name: scored(case, audit) for (name, case), audit in _zip(cases, audits(cases, None))}
    for precision in PROMISES if promises else ():
        for (name, case), audit in _zip(cases, audits(cases, precision)):
            on = case.known
            found[name][f"promise.{precision}"] = scores.promise(
                (case.given != case.truth)[on],
                audit.is_error[on],
                audit.promised_precision,
                audit.p_error[on],
            )
            if case.kind != "regression" and precision == PROMISES[0]:
                repaired = np.where(audit.advice == "relabel", audit.suggested, case.given)
                found[name]["repaired_wrong"] = scores.share((repaired != case.truth)[on])
    return found


def scored(case: Case, audit: TaskAudit) -> scores.Scores:
    """Detection, relabelling and the estimated noise of one audit, over the given labels."""
    on = case.known
    given, truth, flagged = case.given[on], case.truth[on], audit.is_error[on]
    wrong = given != truth
    found = {
        "ap": scores.average_precision(wrong, audit.quality[on]),
        "f1": scores.f1(wrong, flagged),
        "wrong": scores.share(wrong),
        "flagged": scores.share(flagged),
        "noise_rate": audit.noise_rate,
    }
    if case.kind != "regression":
        found |= scores.relabelled(given, truth, flagged, audit.suggested[on])
        found["filled_right"] = scores.share((audit.suggested == case.truth)[~on])
    return found


def theirs(context: Context, case: Case) -> dict[str, scores.Scores] | None:
    """The peer's scores on the labels that are given: ``ap`` by score, and by filter what flags bring.

    Its suggestion is the most probable class, as its own documentation has it.
    """
    on = case.known if case.given.ndim == 1 else np.ones(len(case.given), bool)
    given, truth, probs = case.given[on], case.truth[on], case.probs[on]
    asked = case.kind if case.kind in ("multilabel", "regression") else "classes"
    answer = ask(context, asked, given, probs)
    if answer is None:
        return None
    wrong = given != truth
    suggested = probs > 0.5 if case.kind == "multilabel" else probs.argmax(1) if probs.ndim == 2 else probs
    found: dict[str, scores.Scores] = {}
    for key, value in answer.items():
        what, _, method = key.partition(".")
        if what == "quality":
            found.setdefault("ap", {})[method] = scores.average_precision(wrong, value)
            continue
        values = {"f1": scores.f1(wrong, value), **scores.relabelled(given, truth, value, suggested)}
        for name, number in values.items():
            found.setdefault(name, {})[method] = number
    return found


def both(context: Context, cases: Mapping[str, Case]) -> dict[str, Any]:
    """Per task ``{"ours": …, "peer": …}``, all tasks of ours audited together, the peer's one by one."""
    own = ours(cases)
    return {name: {"ours": own[name], "peer": theirs(context, case)} for name, case in cases.items()}


def _zip(cases: Mapping[str, Case], found: Mapping[str, TaskAudit]) -> Any:
    return [((name, case), found[name]) for name, case in cases.items()]
