"""The shift between every two of several groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import Linear
from jointset.audit.findings import Checked, Findings, as_codes, as_points, ended
from jointset.audit.shift.columns import holm
from jointset.audit.shift.concept import concept_shift, own_area, transfer
from jointset.audit.shift.covariate import FEWEST, covariate_shift
from jointset.errors import ArrayError
from jointset.records import Floats, Ints, Strings

ROWS = 600  # of a group, in a matrix of many
LOSS = 0.05  # area lost from which a transfer is called bad


@dataclass(frozen=True, repr=False)
class ShiftMatrix(Checked):
    """``groups`` ``(g,)`` are the names; ``covariate`` ``(g, g)`` is the area of the classifier between two groups and
    ``p_value`` ``(g, g)`` that of their covariate shift, corrected for the number of pairs (Holm); ``concept`` ``(g,
    g)`` is the gain of concept shift in nats, and ``loss`` ``(g, g)`` the area lost when a linear model learnt on the
    row's group is asked about the column's, and ``worth`` ``(g, g)`` the share of the entropy of the column's
    labels that it explains there, negative where it does harm; all NaN without labels."""

    groups: Strings
    covariate: Floats
    p_value: Floats
    concept: Floats
    loss: Floats
    worth: Floats


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
    rows: int = ROWS,
    seed: int = 0,
) -> InputShifts:
    """The part of :func:`shift_matrix` that needs no labels: for several tasks on the same inputs, done once.

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
    found, raw = [], {}
    for i, j in _pairs(members):
        a, b = members[i], members[j]
        pair, both = f"{names[i]} × {names[j]}", own[np.concatenate([a, b])]
        inputs = covariate_shift(points[a], points[b], groups=both, level=1.1, subject=pair, seed=seed)
        area[i, j] = area[j, i] = inputs.area
        raw[pair] = inputs.p_value
        found.append(inputs.findings)
    return InputShifts(names, tuple(members), area, holm(raw), Findings.concat(found))


def _copies(together: ArrayLike | None, n: int) -> Ints:
    own = np.arange(n) if together is None else np.asarray(together)
    if own.shape != (n,):
        raise ArrayError("labels and together must be (n,) like the rows of the embedding")
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
    """Compare every two groups (datasets, sites, months): inputs, and with class codes ``labels`` ``(n,)`` their
    meaning.

    ``embedding`` is ``(n, d)``, ``groups`` ``(n,)``, None where a row is in none; ``together`` ``(n,)`` numbers rows
    that must not be on both sides of a comparison (copies). At most ``rows`` rows of a group are used; ``inputs`` are
    those of :func:`compare_inputs` on the same arguments, when it was done before. ``terms`` ``(n, v)``, sparse, such
    as n-grams by TF-IDF, is what the linear models of ``loss`` and ``worth`` read, instead of the embedding. Codes
    ``covariate_shift`` and ``concept_shift`` of pairs, ``bad_transfer`` of ordered pairs that lose 0.05 of the area or
    more, or where the source's model is worse than the target's class shares (negative transfer). Raises
    ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2)) + np.repeat([0, 0, 2], 100)[:, None]
    >>> found = shift_matrix(x, np.repeat(["a", "b", "c"], 100))
    >>> found.findings.subject.tolist()
    ['a × c', 'b × c']
    """
    points = as_points(embedding, least=2)
    own = _copies(together, len(points))
    y = None if labels is None else np.asarray(labels)
    if y is not None and y.shape != (len(points),):
        raise ArrayError("labels and together must be (n,) like the rows of the embedding")
    if inputs is None:
        inputs = compare_inputs(points, groups, together=own, rows=rows, seed=seed)
    names, members = inputs.names, inputs.members
    g = len(names)
    p, concept, loss, worth = (np.full((g, g), np.nan) for _ in range(4))
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
    if y is not None:
        _transfers(points if terms is None else terms, y, own, members, loss, worth, seed)
    return _told(names, inputs.area, p, concept, loss, worth, Findings.concat(found), inputs.corrected, level)


def _transfers(
    points: Any, y: Ints, own: Ints, members: Sequence[Ints], loss: Floats, worth: Floats, seed: int
) -> None:
    """Fill in what every group's linear model loses, and is worth, on every other group."""
    rows = [m[y[m] >= 0] for m in members]
    usable = [i for i, r in enumerate(rows) if len(r) >= FEWEST and len(np.unique(y[r])) > 1]
    best = {i: own_area(points, y, own, rows[i], seed=seed) for i in usable}
    models = {i: Linear(points[rows[i]], y[rows[i]]) for i in usable}
    for i, j in permutations(usable, 2):
        reached, worth[i, j] = transfer(points, y, own, rows[i], rows[j], whole=models[i])
        loss[i, j] = best[j] - reached


def _told(
    names: Strings,
    area: Floats,
    p: Floats,
    concept: Floats,
    loss: Floats,
    worth: Floats,
    found: Findings,
    corrected: dict[str, float],
    level: float,
) -> ShiftMatrix:
    shifted = found.code == "covariate_shift"
    keep = ~shifted | np.array([corrected.get(s, 1.0) < level for s in found.subject.tolist()], bool)
    bad = [(int(i), int(j)) for i, j in zip(*np.nonzero((loss >= LOSS) | (worth < 0)), strict=True)]
    worse = Findings.of(
        "bad_transfer",
        subjects=[f"{names[i]} → {names[j]}" for i, j in bad],
        scores=[min(1 - 2 * loss[i, j], 0.5 + worth[i, j] / 2) for i, j in bad],
        evidence=[{"area_lost": float(loss[i, j]), "worth": float(worth[i, j])} for i, j in bad],
    )
    found = replace(Findings.concat([found.take(keep), worse]))
    outcome, reason = ended(
        found,
        f"{int((found.code == 'covariate_shift').sum())} of {len(corrected)} pairs of groups differ in their inputs, "
        f"{int((found.code == 'concept_shift').sum())} in what labels mean; "
        f"{len(bad)} transfers lose {LOSS:.0%} or more or do harm",
        f"none of {len(corrected)} pairs of groups differs",
    )
    if not corrected:
        outcome, reason = "not applicable", f"fewer than two groups have {FEWEST} rows"
    facts = {
        "groups": names.tolist(),
        "area": np.round(area, 4).tolist(),
        "p_value": p.tolist(),
        "concept": np.round(concept, 5).tolist(),
        "loss": np.round(loss, 4).tolist(),
        "worth": np.round(worth, 4).tolist(),
    }
    return ShiftMatrix(outcome, reason, found, facts, names, area, p, concept, loss, worth)
