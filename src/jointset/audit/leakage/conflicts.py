"""Copies that carry different labels, and which of them is likelier wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.findings import Checked, Findings, as_codes, ended
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints, Strings

STEPS = 30
PRIOR = (1.0, 9.0)  # wrong and right labels that every source is given beforehand


@dataclass(frozen=True, repr=False)
class Conflicts(Checked):
    """``rows`` ``(m,)`` are the rows of groups whose labels disagree; ``p_wrong`` ``(m,)`` is P(its label is wrong),
    and ``likelier_wrong`` ``(m,)`` marks those whose label is not the group's most probable one. ``error_rate`` is
    that of every source."""

    rows: Ints
    p_wrong: Floats
    likelier_wrong: Bools
    error_rate: dict[str, float]


def find_conflicts(
    group: ArrayLike,
    labels: ArrayLike,
    *,
    probs: ArrayLike | None = None,
    source: ArrayLike | None = None,
    names: list[str] | None = None,
) -> Conflicts:
    """Find equal rows with different labels of one task, and say which side is likelier wrong.

    ``group`` ``(n,)`` numbers groups of equal rows, ``labels`` ``(n,)`` are codes with -1 where missing, ``probs``
    ``(n, K)`` are predictions by models that saw none of the group, and ``source`` ``(n,)`` says who labelled (a
    dataset, an annotator). Every group has one true label, P(true | x) being the group's mean prediction (without
    any, the shares of the classes); a source is wrong at a rate of its own, and its wrong labels are spread evenly
    (Dawid and Skene 1979 with one coin; EM). Code: ``conflicting_copies``, score 1 − P(wrong). Raises ``ArrayError``.

    >>> found = find_conflicts([0, 0, 0, 1, 1], [1, 1, 0, 1, 1])
    >>> found.rows.tolist(), found.likelier_wrong.tolist()
    ([0, 1, 2], [False, False, True])
    """
    groups, given = np.asarray(group), np.asarray(labels)
    n = len(given)
    if groups.shape != (n,) or given.ndim != 1 or given.dtype.kind not in "iu":
        raise ArrayError(
            f"group and labels must be whole numbers (n,) of the same rows, found {groups.shape}, {given.shape}"
        )
    k = int(given.max(initial=-1)) + 1
    predicted = None if probs is None else np.asarray(probs, np.float64)
    if predicted is not None and (predicted.ndim != 2 or len(predicted) != n or predicted.shape[1] < k):
        raise ArrayError(f"probs must be ({n}, K) with K at least {k}, found {predicted.shape}")
    origin, origins = as_codes(["all"] * n if source is None else source, n, "source")
    known = np.flatnonzero((given >= 0) & (origin >= 0))
    size = np.bincount(groups[known], minlength=int(groups.max(initial=-1)) + 1)
    rows = known[size[groups[known]] > 1]
    if not len(rows):
        reason, none = "no labelled row has a labelled copy", Findings.empty()
        return Conflicts("passed", reason, none, {"groups": 0}, rows, np.empty(0), np.empty(0, bool), {})
    _, place = np.unique(groups[rows], return_inverse=True)
    width = k if predicted is None else predicted.shape[1]
    posterior, wrong = _settle(
        place, given[rows], origin[rows], _prior(place, given, rows, predicted, width), len(origins)
    )
    counts = np.zeros((len(posterior), width), np.int64)
    np.add.at(counts, (place, given[rows]), 1)
    split = (counts > 0).sum(axis=1) > 1
    here = split[place]
    p_wrong = 1 - posterior[place, given[rows]]
    likelier = posterior.argmax(axis=1)[place] != given[rows]
    rates = {str(s): round(float(e), 4) for s, e in zip(origins, wrong, strict=True)}
    findings = _findings(
        rows[here], place[here], given, origin, origins, p_wrong[here], likelier[here], names
    )
    facts = {
        "groups": len(posterior),
        "conflicting": int(split.sum()),
        "rows": int(here.sum()),
        "error_rate": rates,
    }
    outcome, reason = ended(
        findings,
        f"{facts['conflicting']:,} of {facts['groups']:,} groups of copies carry different labels "
        f"({split.mean():.1%})",
        f"all {facts['groups']:,} groups of copies agree",
    )
    return Conflicts(outcome, reason, findings, facts, rows[here], p_wrong[here], likelier[here], rates)


def _prior(place: Ints, given: Ints, rows: Ints, predicted: Floats | None, k: int) -> Floats:
    """P(true | x) of every group, ``(groups, K)``."""
    if predicted is None:
        share = (np.bincount(given[rows], minlength=k) + 1.0) / (len(rows) + k)
        return np.tile(share, (int(place.max()) + 1, 1))
    prior = np.zeros((int(place.max()) + 1, k))
    np.add.at(prior, place, np.clip(predicted[rows], 1e-4, None))
    return prior / prior.sum(axis=1, keepdims=True)


def _settle(place: Ints, given: Ints, origin: Ints, prior: Floats, sources: int) -> tuple[Floats, Floats]:
    """P(true | x, labels) of every group and the error rate of every source, by EM."""
    k = prior.shape[1]
    rate = np.full(sources, PRIOR[0] / sum(PRIOR))
    posterior = prior
    for _ in range(STEPS):
        score = np.log(prior)
        gain = np.log(1 - rate) - np.log(rate / max(k - 1, 1))
        np.add.at(score, (place, given), gain[origin])
        score -= score.max(axis=1, keepdims=True)
        posterior = np.exp(score)
        posterior /= posterior.sum(axis=1, keepdims=True)
        wrong = 1 - posterior[place, given]
        rate = (np.bincount(origin, wrong, sources) + PRIOR[0]) / (
            np.bincount(origin, minlength=sources) + sum(PRIOR)
        )
    return posterior, rate


def _findings(
    rows: Ints,
    place: Ints,
    given: Ints,
    origin: Ints,
    origins: Strings,
    p_wrong: Floats,
    likelier: Bools,
    names: list[str] | None,
) -> Findings:
    order = np.argsort(place, kind="stable")
    start = np.flatnonzero(np.diff(place[order], prepend=-1))
    members = (
        dict(zip(place[order][start].tolist(), np.split(rows[order], start[1:]), strict=True))
        if len(rows)
        else {}
    )
    evidence = []
    for row, group, wrong, likely in zip(rows.tolist(), place.tolist(), p_wrong, likelier, strict=True):
        other = next(int(i) for i in members[group] if given[i] != given[row])
        label = str(int(given[other])) if names is None else names[given[other]]
        evidence.append(
            {"with": other, "its_label": label, "its_source": origins[origin[other]], "p_wrong": round(float(wrong), 4),
             "likelier_wrong": bool(likely)}
        )  # fmt: skip
    return Findings.of("conflicting_copies", rows=rows, scores=1 - p_wrong, evidence=evidence)
