"""The shift between every two of several groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.findings import Checked, Findings, as_codes, as_labels, as_points, ended
from jointset.audit.shift.columns import holm
from jointset.audit.shift.concept import concept_shift
from jointset.audit.shift.covariate import COARSEST, FEWEST, CovariateShift, covariate_shift
from jointset.audit.shift.transfer import LOSS, Transfers, transfers
from jointset.errors import ArrayError
from jointset.records import Floats, Ints, Strings

ROWS = 600  # of a group, in a matrix of many


@dataclass(frozen=True, repr=False)
class ShiftMatrix(Checked):
    """``groups`` ``(g,)`` are the names; ``covariate`` ``(g, g)`` is the area of the classifier between two groups and
    ``p_value`` ``(g, g)`` that of their covariate shift, corrected for the number of pairs (Holm); ``concept`` ``(g,
    g)`` is the gain of concept shift in nats, and ``loss`` ``(g, g)`` the area lost when a linear model learnt on the
    row's group is asked about the column's, and ``worth`` ``(g, g)`` the share of the entropy of the column's
    labels that it explains there, negative where it does harm; ``p_transfer`` ``(g, g)`` is the p-value that what is
    bad among these is chance, 1 where neither is, corrected (Holm); all NaN without labels."""

    groups: Strings
    covariate: Floats
    p_value: Floats
    concept: Floats
    loss: Floats
    worth: Floats
    p_transfer: Floats


@dataclass(frozen=True, eq=False)
class InputShifts:
    """What a matrix says without labels: ``members`` the rows of each group that are compared, ``area`` ``(g, g)`` as
    in :class:`ShiftMatrix`, ``corrected`` the p-value by pair, and the findings of all pairs."""

    names: Strings
    members: tuple[Ints, ...]
    area: Floats
    corrected: dict[str, float]
    findings: Findings


def compare_inputs(
    embedding: ArrayLike,
    groups: ArrayLike,
    *,
    together: ArrayLike | None = None,
    level: float = 0.01,
    rows: int = ROWS,
    seed: int = 0,
) -> InputShifts:
    """The part of :func:`shift_matrix` that needs no labels: for several tasks on the same inputs, done once.

    499 permutations are too few for the kernel test of one pair of many. A pair of which none reaches the distance,
    and which is not below ``level`` when corrected, is tested again with as many as its p-value needs to be.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2)) + np.repeat([0, 2], 100)[:, None]
    >>> sorted(compare_inputs(x, np.repeat(["a", "b"], 100)).corrected)
    ['a × b']
    """
    points = as_points(embedding, least=2)
    codes, names = as_codes(groups, len(points), "groups")
    own = _copies(together, len(points))
    rng = np.random.default_rng(seed)
    members = []
    for k in range(len(names)):
        mine = np.flatnonzero(codes == k)
        single = mine[np.unique(own[mine], return_index=True)[1]]  # copies are no further draws
        members.append(rng.permutation(single)[:rows])
    area = np.full((len(names), len(names)), np.nan)
    told: dict[str, CovariateShift] = {}
    sides = {f"{names[i]} × {names[j]}": (i, j) for i, j in _pairs(members)}

    def compare(pair: str, finest: float | None) -> CovariateShift:
        a, b = (members[k] for k in sides[pair])
        both = own[np.concatenate([a, b])]
        return covariate_shift(
            points[a], points[b], groups=both, level=1.1, finest=finest, subject=pair, seed=seed
        )

    for pair, (i, j) in sides.items():
        told[pair] = compare(pair, None)
        area[i, j] = area[j, i] = told[pair].area
    corrected = holm({pair: found.p_value for pair, found in told.items()})
    unsure = [pair for pair in told if corrected[pair] >= level]
    for pair in unsure:
        if told[pair].p_kernel <= COARSEST:
            # doubled for two tests, corrected for those left, and room for one permutation that reaches the distance
            told[pair] = compare(pair, level / (4 * len(unsure)))
    corrected = holm({pair: found.p_value for pair, found in told.items()})
    return InputShifts(
        names, tuple(members), area, corrected, Findings.concat([t.findings for t in told.values()])
    )


def _copies(together: ArrayLike | None, n: int) -> Ints:
    own = np.arange(n) if together is None else np.asarray(together)
    if own.shape != (n,):
        raise ArrayError("together must be (n,) like the rows of the embedding")
    return own


def _pairs(members: Sequence[Ints]) -> list[tuple[int, int]]:
    """The pairs of groups that both have rows enough."""
    big = [k for k, rows in enumerate(members) if len(rows) >= FEWEST]
    return list(combinations(big, 2))


def shift_matrix(
    embedding: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    together: ArrayLike | None = None,
    level: float = 0.01,
    rows: int = ROWS,
    seed: int = 0,
    inputs: InputShifts | None = None,
    terms: Any = None,
) -> ShiftMatrix:
    """Compare every two groups (datasets, sites, months): inputs, and with class codes ``labels`` ``(n,)`` (-1 or
    NaN = missing) their meaning.

    ``embedding`` is ``(n, d)``, ``groups`` ``(n,)``, None where a row is in none; ``together`` ``(n,)`` numbers rows
    that must not be on both sides of a comparison (copies). At most ``rows`` rows of a group are used; ``inputs`` are
    those of :func:`compare_inputs` on the same arguments, when it was done before. ``terms`` ``(n, v)``, sparse, such
    as n-grams by TF-IDF, is what the linear models of ``loss`` and ``worth`` read, instead of the embedding. Codes
    ``covariate_shift`` and ``concept_shift`` of pairs, ``bad_transfer`` of ordered pairs that lose 0.05 of the area or
    more, or where the source's model is worse than the target's class shares (negative transfer), each where the
    target's own model does better than chance explains (:func:`transfers`, corrected for the ordered pairs). Raises
    ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2)) + np.repeat([0, 0, 2], 100)[:, None]
    >>> found = shift_matrix(x, np.repeat(["a", "b", "c"], 100))
    >>> found.findings.subject.tolist()
    ['a × c', 'b × c']
    """
    points = as_points(embedding, least=2)
    own = _copies(together, len(points))
    y = None if labels is None else as_labels(labels, len(points), "labels")
    if inputs is None:
        inputs = compare_inputs(points, groups, together=own, level=level, rows=rows, seed=seed)
    names, members = inputs.names, inputs.members
    g = len(names)
    p, concept = np.full((g, g), np.nan), np.full((g, g), np.nan)
    found = [inputs.findings]
    for i, j in _pairs(members):
        a, b = members[i], members[j]
        pair = f"{names[i]} × {names[j]}"
        p[i, j] = p[j, i] = inputs.corrected[pair]
        if y is not None and min((y[a] >= 0).sum(), (y[b] >= 0).sum()) >= FEWEST:
            both = own[np.concatenate([a, b])]
            meaning = concept_shift(
                points[a], y[a], points[b], y[b], groups=both, level=level, subject=pair, seed=seed
            )
            concept[i, j] = concept[j, i] = meaning.gain
            found.append(meaning.findings)
    moved = _transfers(points if terms is None else terms, y, own, members, level, seed)
    bad = _bad(names, moved, level)
    return _told(names, inputs, p, concept, moved, Findings.concat([*found, bad]), level)


def _transfers(
    points: Any, y: Ints | None, own: Ints, members: Sequence[Ints], level: float, seed: int
) -> Transfers:
    """Every group's linear model on every other group, the p-values corrected for the number of ordered pairs."""
    nothing = np.full((len(members), len(members)), np.nan)
    if y is None:
        return Transfers(nothing, nothing, nothing)
    found = transfers(points, y, own, members, fewest=FEWEST, level=level, seed=seed)
    corrected = nothing.copy()
    for place, p in holm({pair: found.p_value[pair] for pair in _given(found.p_value)}).items():
        corrected[place] = p
    return replace(found, p_value=corrected)


def _given(values: Floats) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True)]


def _bad(names: Strings, found: Transfers, level: float) -> Findings:
    """The transfers that lose more than chance explains."""
    loss, worth, p = found.loss, found.worth, found.p_value
    bad = [pair for pair in _given(p) if p[pair] < level]
    return Findings.of(
        "bad_transfer",
        subjects=[f"{names[i]} → {names[j]}" for i, j in bad],
        scores=[min(1 - 2 * loss[pair], 0.5 + worth[pair] / 2) for pair in bad],
        evidence=[
            {"area_lost": float(loss[pair]), "worth": float(worth[pair]), "p_value": float(p[pair])}
            for pair in bad
        ],
    )


def _told(
    names: Strings,
    inputs: InputShifts,
    p: Floats,
    concept: Floats,
    moved: Transfers,
    found: Findings,
    level: float,
) -> ShiftMatrix:
    corrected, area = inputs.corrected, inputs.area
    shifted = found.code == "covariate_shift"
    keep = ~shifted | np.array([corrected.get(s, 1.0) < level for s in found.subject.tolist()], bool)
    found = found.take(keep)
    counts = {c: int((found.code == c).sum()) for c in ("covariate_shift", "concept_shift", "bad_transfer")}
    outcome, reason = ended(
        found,
        f"{counts['covariate_shift']} of {len(corrected)} pairs of groups differ in their inputs, "
        f"{counts['concept_shift']} in what labels mean; "
        f"{counts['bad_transfer']} transfers lose {LOSS:.0%} or more or do harm",
        f"none of {len(corrected)} pairs of groups differs",
    )
    if not corrected:
        outcome, reason = "not applicable", f"fewer than two groups have {FEWEST} rows"
    facts = {
        "groups": names.tolist(),
        "area": np.round(area, 4).tolist(),
        "p_value": p.tolist(),
        "concept": np.round(concept, 5).tolist(),
        "loss": np.round(moved.loss, 4).tolist(),
        "worth": np.round(moved.worth, 4).tolist(),
        "p_transfer": moved.p_value.tolist(),
    }
    return ShiftMatrix(
        outcome,
        reason,
        found,
        facts,
        names,
        area,
        p,
        concept,
        moved.loss,
        moved.worth,
        moved.p_value,
    )
