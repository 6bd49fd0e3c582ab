"""Concept shift: like inputs, other labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.crossfit import Linear, cross_fitted, folds_of, group_codes, spreads
from jointset.audit.findings import Checked, Findings, as_labels, as_points
from jointset.audit.shift.covariate import SAMPLE, TWICE
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints

FEWEST = 50
SQUARED = 100  # columns up to which the sides are told apart by squares as well
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

    Two cross-fitted logistic models of the label, one of x and the side's shares of the classes, one of x and its
    interaction with the side; a third, of x and its squares, of the side. Tested one-sided on the held-out rows that
    either side may well have (probability of each side at least 0.05) is the weighted generalised covariance measure
    (Shah and Peters 2020, eq. 4; Scheidegger, Hörrmann and Bühlmann 2022): the residual of the side times that of the
    label, weighted by how much more probable the second model holds the label on side b. Its mean is 0 where p(y | x)
    is the same, also where no linear model of the label is right, as long as that of the side is, or the other way
    round. From the weights is taken what another share of the classes explains, and the variance is twice that of
    independent folds as in ``covariate_shift``. A shift of the inputs alone, or of the shares of classes at given
    inputs' rarity, is so left out. ``gain`` is the difference of the two models' log-losses on these rows; it is not
    what is tested, as two linear models may well fit one curve better than one does. Code ``concept_shift``, score 1 −
    the share of the matched rows whose most probable label depends on the side. Raises ``ArrayError``.

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
    y_a, y_b = as_labels(y_a, len(y_a), "labels_a"), as_labels(y_b, len(y_b), "labels_b")
    rng = np.random.default_rng(seed)
    own = np.arange(len(y_a) + len(y_b)) if groups is None else group_codes(groups, len(y_a) + len(y_b))
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
    wide = np.concatenate([x, x**2], axis=1) if x.shape[1] <= SQUARED else x
    near = cross_fitted(wide, side, 2, groups=own, seed=seed)
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
    base, whole = _models(x, y, side, own, k, seed)
    rows = np.arange(len(y))
    alone, aware, swapped = base[side, rows], whole[side, rows], whole[1 - side, rows]
    gain = (np.log(np.maximum(aware[rows, y], 1e-4)) - np.log(np.maximum(alone[rows, y], 1e-4)))[matched]
    p_value = _dependence(y, side, near[:, 1], base, whole, matched)
    return _told(p_value, gain, matched, (aware.argmax(1) != swapped.argmax(1))[matched], level, subject)


def _models(x: Floats, y: Ints, side: Ints, groups: Ints, k: int, seed: int) -> tuple[Floats, Floats]:
    """Held-out probabilities ``(2, n, k)`` on either side: of the model of x and the shares of the classes on the side,
    and of that of x and side."""
    scaled = (x - x.mean(axis=0)) / spreads(x, none=1.0)
    ones = np.ones((len(x), 1))
    base = [np.concatenate([scaled, s * ones], axis=1) for s in (-1, 1)]
    wide = [np.concatenate([scaled, s * scaled, s * ones], axis=1) for s in (-1, 1)]
    rows = np.arange(len(y))
    fold = folds_of(len(y), groups, 5, seed)
    out = np.full((2, 2, len(y), k), 1.0 / k)
    for f in range(5):
        train, rest = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if len(np.unique(y[train])) < 2 or not len(rest):
            continue
        for target, points in zip(out, (base, wide), strict=True):
            model = Linear(np.stack(points)[side, rows][train], y[train])
            for s in (0, 1):
                target[s, rest[:, None], model.classes] = model(points[s][rest])
    return out[0], out[1]


def _dependence(y: Ints, side: Ints, near: Floats, base: Floats, whole: Floats, matched: Bools) -> float:
    """The one-sided p-value of the weighted generalised covariance measure of label and side."""
    from scipy.stats import norm

    rows = np.flatnonzero(matched)
    e, s = near[rows], side[rows]
    mean = base[s, rows]
    left = -mean
    left[np.arange(len(rows)), y[rows]] += 1
    weight = np.diff(np.log(np.maximum(whole[:, rows], 1e-3)), axis=0)[0]
    # what another offset of the side would add to the residuals, about which the weights must know nothing
    middle = (base[0, rows] + base[1, rows]) / 2
    spread = (e * (1 - e))[:, None]
    inner = np.diag((spread * middle).sum(axis=0)) - (spread * middle).T @ middle
    about = (spread * middle * (weight - (middle * weight).sum(axis=1, keepdims=True))).sum(axis=0)
    weight = weight - np.linalg.pinv(inner, rcond=1e-8, hermitian=True) @ about
    term = (s - e) * (weight * left).sum(axis=1)
    error = float(np.sqrt(TWICE * (term**2).sum()))
    return float(norm.sf(term.sum() / error)) if error > 0 else 1.0


def _told(
    p_value: float, gain: Floats, matched: Bools, turned: Bools, level: float, subject: str
) -> ConceptShift:
    mean = float(gain.mean())
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
