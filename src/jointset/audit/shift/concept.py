"""Concept shift: like inputs, other labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import Linear, cross_fitted, folds_of, spreads
from jointset.audit.findings import Checked, Findings, as_points
from jointset.audit.shift.covariate import SAMPLE
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

FEWEST = 50
OVERLAP = 0.05  # smallest probability of either side where inputs count as like


@dataclass(frozen=True, repr=False)
class ConceptShift(Checked):
    """``p_value`` that knowing the side adds nothing to what the inputs say about the label, on inputs that both sides
    have; ``gain`` is what it adds, in nats a row; ``matched`` is the share of rows on such inputs."""

    p_value: float
    gain: float
    matched: float


def concept_shift(
    a: ArrayLike,
    labels_a: ArrayLike,
    b: ArrayLike,
    labels_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.01,
    subject: str = "",
    seed: int = 0,
) -> ConceptShift:
    """Test whether p(y | x) is the same on two sides, from embeddings and class codes (-1 = missing) of both.

    Two cross-fitted logistic models of the label: one of x, one of x and its interaction with the side. Where p(y |
    x) is the same, the second can only lose, as its further columns are noise; the paired difference of their
    log-losses is tested one-sided on the held-out rows that either side may well have (probability of each side, by a
    third model, at least 0.05). A shift of the inputs alone, or of the shares of classes at given inputs' rarity, is
    so left out. Code ``concept_shift``, score 1 − the share of the matched rows whose most probable label depends on
    the side. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(600, 1))
    >>> y = (x[:, 0] > 0).astype(int)
    >>> concept_shift(x[:300], y[:300], x[300:], 1 - y[300:]).outcome
    'found'
    """
    first, second = as_points(a, "a"), as_points(b, "b")
    y_a, y_b = np.asarray(labels_a), np.asarray(labels_b)
    if y_a.shape != (len(first),) or y_b.shape != (len(second),) or first.shape[1] != second.shape[1]:
        raise ArrayError(
            f"a and b must have the same columns and a label a row, found {first.shape}, {y_a.shape}, "
            f"{second.shape}, {y_b.shape}"
        )
    rng = np.random.default_rng(seed)
    own = np.arange(len(y_a) + len(y_b)) if groups is None else np.asarray(groups)
    take_a, take_b = (rng.permutation(np.flatnonzero(y >= 0))[:SAMPLE] for y in (y_a, y_b))
    nan = float("nan")
    if min(len(take_a), len(take_b)) < FEWEST:
        reason = f"{min(len(take_a), len(take_b))} labelled rows on one side; {FEWEST} are needed"
        return ConceptShift("not applicable", reason, Findings.empty(), {}, nan, nan, nan)
    x = np.concatenate([first[take_a], second[take_b]])
    y = np.concatenate([y_a[take_a], y_b[take_b]]).astype(np.int64)
    side = np.repeat([0, 1], [len(take_a), len(take_b)])
    own = np.unique(np.concatenate([own[take_a], own[len(y_a) + take_b]]), return_inverse=True)[1]
    k = int(y.max()) + 1
    near = cross_fitted(x, side, 2, groups=own, seed=seed)
    share = side.mean()
    even = near[:, 1] / share / (near[:, 1] / share + near[:, 0] / (1 - share))
    matched = (even >= OVERLAP) & (even <= 1 - OVERLAP)
    if matched.sum() < FEWEST or min(np.bincount(side[matched], minlength=2)) < FEWEST // 2:
        reason = "the sides have hardly an input in common, so their labels cannot be compared"
        return ConceptShift(
            "not applicable",
            reason,
            Findings.empty(),
            {"matched": float(matched.mean())},
            nan,
            nan,
            float(matched.mean()),
        )
    alone, aware, swapped = _models(x, y, side, own, k, seed)
    rows = np.arange(len(y))
    gain = (np.log(np.maximum(aware[rows, y], 1e-4)) - np.log(np.maximum(alone[rows, y], 1e-4)))[matched]
    return _told(gain, matched, (aware.argmax(1) != swapped.argmax(1))[matched], level, subject)


def _models(x: Floats, y: Ints, side: Ints, groups: Ints, k: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Held-out probabilities of the model of x, of that of x and side, and of the latter on the other side."""
    scaled = (x - x.mean(axis=0)) / spreads(x, none=1.0)
    signed = (side * 2.0 - 1)[:, None]
    wide = np.concatenate([scaled, signed * scaled, signed], axis=1)
    other = np.concatenate([scaled, -signed * scaled, -signed], axis=1)
    base = np.concatenate([scaled, signed], axis=1)  # shares of the classes may differ between the sides
    fold = folds_of(len(y), groups, 5, seed)
    out = [np.full((len(y), k), 1.0 / k) for _ in range(3)]
    for f in range(5):
        train, rest = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if len(np.unique(y[train])) < 2 or not len(rest):
            continue
        plain, whole = Linear(base[train], y[train]), Linear(wide[train], y[train])
        for target, model, points in ((out[0], plain, base), (out[1], whole, wide), (out[2], whole, other)):
            target[rest[:, None], model.classes] = model(points[rest])
    return out[0], out[1], out[2]


def _told(gain: Floats, matched: Floats, turned: Floats, level: float, subject: str) -> ConceptShift:
    from scipy.stats import norm

    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    mean = float(gain.mean())
    p_value = float(norm.sf(mean / error)) if error > 0 else 1.0
    share = float(matched.mean())
    facts = {"p_value": p_value, "gain": mean, "matched": share, "turned": float(turned.mean())}
    if p_value >= level:
        reason = f"like inputs have like labels (p = {p_value:.2g}, {share:.0%} of the rows comparable)"
        return ConceptShift("passed", reason, Findings.empty(), facts, p_value, mean, share)
    found = Findings.of(
        "concept_shift", subjects=[subject], scores=[1 - float(turned.mean())], evidence=[facts]
    )
    told = f"the side decides {turned.mean():.0%} of the matched rows"
    reason = f"like inputs have other labels (p = {p_value:.2g}): {told}"
    return ConceptShift("found", reason, found, facts, p_value, mean, share)
