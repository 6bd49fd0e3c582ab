"""The shift between every two of several groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import ArrayLike

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


def shift_matrix(
    embedding: ArrayLike,
    groups: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    together: ArrayLike | None = None,
    level: float = 0.01,
    rows: int = ROWS,
    seed: int = 0,
) -> ShiftMatrix:
    """Compare every two groups (datasets, sites, months): inputs, and with class codes ``labels`` ``(n,)`` their
    meaning.

    ``embedding`` is ``(n, d)``, ``groups`` ``(n,)``, None where a row is in none; ``together`` ``(n,)`` numbers rows
    that must not be on both sides of a comparison (copies). At most ``rows`` rows of a group are used. Codes
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
    codes, names = as_codes(groups, len(points), "groups")
    own = np.arange(len(points)) if together is None else np.asarray(together)
    y = None if labels is None else np.asarray(labels)
    if own.shape != (len(points),) or (y is not None and y.shape != (len(points),)):
        raise ArrayError("labels and together must be (n,) like the rows of the embedding")
    rng = np.random.default_rng(seed)
    members = []
    for k in range(len(names)):
        mine = np.flatnonzero(codes == k)
        single = mine[np.unique(own[mine], return_index=True)[1]]  # copies are no further draws
        members.append(rng.permutation(single)[:rows])
    g = len(names)
    area, p, concept, loss, worth = (np.full((g, g), np.nan) for _ in range(5))
    found, raw = [], {}
    for i, j in combinations(range(g), 2):
        a, b = members[i], members[j]
        if min(len(a), len(b)) < FEWEST:
            continue
        pair, both = f"{names[i]} × {names[j]}", own[np.concatenate([a, b])]
        inputs = covariate_shift(points[a], points[b], groups=both, level=1.1, subject=pair, seed=seed)
        area[i, j] = area[j, i] = inputs.area
        raw[pair] = inputs.p_value
        found.append(inputs.findings)
        if y is not None and min((y[a] >= 0).sum(), (y[b] >= 0).sum()) >= FEWEST:
            meaning = concept_shift(
                points[a], y[a], points[b], y[b], groups=both, level=level, subject=pair, seed=seed
            )
            concept[i, j] = concept[j, i] = meaning.gain
            found.append(meaning.findings)
    if y is not None:
        _transfers(points, y, own, members, loss, worth, seed)
    corrected = holm(raw)
    for i, j in combinations(range(g), 2):
        p[i, j] = p[j, i] = corrected.get(f"{names[i]} × {names[j]}", np.nan)
    shifts = Findings.concat(found)
    return _told(names, area, p, concept, loss, worth, shifts, corrected, level)


def _transfers(
    points: Floats, y: Ints, own: Ints, members: list[Ints], loss: Floats, worth: Floats, seed: int
) -> None:
    """Fill in what every group's linear model loses, and is worth, on every other group."""
    rows = [m[y[m] >= 0] for m in members]
    usable = [i for i, r in enumerate(rows) if len(r) >= FEWEST and len(np.unique(y[r])) > 1]
    best = {i: own_area(points, y, own, rows[i], seed=seed) for i in usable}
    for i, j in permutations(usable, 2):
        reached, worth[i, j] = transfer(points, y, own, rows[i], rows[j])
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
