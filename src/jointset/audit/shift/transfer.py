"""Transfer: what a linear model learnt on one group is worth on another, and whether chance explains what it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from jointset.audit.crossfit import Linear, cross_fitted, mean_area
from jointset.records import Floats, Ints

LOSS = 0.05  # area lost from which a transfer is called bad
LEAST = 1e-3  # probability; an impossible label must not be all that a mean of logarithms sees
RAREST = 10  # rows that a class needs, and the others, for its area to be tested


@dataclass(frozen=True, eq=False)
class Transfers:
    """``loss`` and ``worth`` as in ``ShiftMatrix``, and the ``p_value`` of either being bad, not corrected; NaN where
    there is no transfer. All ``(g, g)``, source × target."""

    loss: Floats
    worth: Floats
    p_value: Floats


def transfers(
    x: Any, y: Ints, groups: Ints, members: Sequence[Ints], *, fewest: int, level: float, seed: int = 0
) -> Transfers:
    """What the linear model of every group's rows loses, and is worth, on every other group.

    The null hypothesis of the p-values is that source and target are draws of one distribution. A loss of 0.05 of the
    area is tested by the difference between the target's own model, cross-fitted, and the source's model on the same
    rows (DeLong et al. 1988), a negative worth by the paired difference of the two models' log-losses; either p-value
    is one-sided and doubled, 1 where the estimate is not bad. Both models are random as well, so the variance over
    the n rows of the target is 1 + n / m times as large, m being the rows that taught the model of fewer (Nadeau and
    Bengio 2003, section 3); where the source has fewer than the target, it is compared with models of as few of the
    target's rows.

    >>> x = np.repeat([[0.0], [1.0]], 60, axis=0)
    >>> y, rows = np.repeat([0, 1], 60), [np.arange(0, 120, 2), np.arange(1, 120, 2)]
    >>> found = transfers(x, y, np.arange(120), rows, fewest=50, level=0.01)
    >>> float(found.loss[0, 1]), bool(found.worth[0, 1] > 0.8), float(found.p_value[0, 1])
    (0.0, True, 1.0)
    """
    rows = [m[y[m] >= 0] for m in members]
    usable = [i for i, r in enumerate(rows) if len(r) >= fewest and len(np.unique(y[r])) > 1]
    loss, worth, p_value = (np.full((len(members), len(members)), np.nan) for _ in range(3))
    k = int(y.max(initial=0)) + 1
    own = {j: cross_fitted(x[rows[j]], y[rows[j]], k, groups=groups[rows[j]], seed=seed) for j in usable}
    models = {i: Linear(x[rows[i]], y[rows[i]]) for i in usable}
    for i, j in permutations(usable, 2):
        truth = y[rows[j]]
        apart = rows[i][~np.isin(groups[rows[i]], groups[rows[j]])]
        if len(np.unique(y[apart])) < 2:
            continue
        model = models[i] if len(apart) == len(rows[i]) else Linear(x[apart], y[apart])
        foreign = _floored(model, x[rows[j]], k)
        loss[i, j] = mean_area(truth, own[j]) - mean_area(truth, foreign)
        worth[i, j] = _worth(truth, foreign)
        bad = bool(loss[i, j] >= LOSS), bool(worth[i, j] < 0)
        ratio = 1 + max(1.0, len(truth) / len(apart))
        p_value[i, j] = _chance(truth, own[j], foreign, bad, ratio)
        if p_value[i, j] < level and len(apart) < 0.8 * len(truth):
            fair = cross_fitted(x[rows[j]], truth, k, groups=groups[rows[j]], most=len(apart), seed=seed)
            p_value[i, j] = max(p_value[i, j], _chance(truth, fair, foreign, bad, ratio))
    return Transfers(loss, worth, p_value)


def _floored(model: Linear, points: Any, k: int) -> Floats:
    out = np.full((points.shape[0], k), LEAST)
    out[:, model.classes] = np.maximum(model(points), LEAST)
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def _worth(truth: Ints, probs: Floats) -> float:
    """The share of the labels' entropy that the predictions explain, below 0 where the class shares alone say more."""
    share = np.bincount(truth) / len(truth)
    return 1 - float(_losses(truth, probs).mean()) / -float(np.log(share[truth]).mean())


def _losses(truth: Ints, probs: Floats) -> Floats:
    return -np.log(np.maximum(probs[np.arange(len(truth)), truth], LEAST))


def _chance(truth: Ints, own: Floats, foreign: Floats, bad: tuple[bool, bool], ratio: float) -> float:
    """The p-value of what is bad; the variance is ``ratio`` times that over the target's rows."""
    found = [1.0]
    if bad[0]:
        (a, part_a), (b, part_b) = area_parts(truth, own), area_parts(truth, foreign)
        found.append(_tail(a - b, ratio * float(((part_a - part_b) ** 2).sum())))
    if bad[1]:
        worse = _losses(truth, foreign) - _losses(truth, own)
        found.append(_tail(float(worse.mean()), ratio * float(worse.var(ddof=1)) / len(worse)))
    return min(1.0, 2 * min(found))


def _tail(mean: float, variance: float) -> float:
    from scipy.stats import norm

    return float(norm.sf(mean / np.sqrt(variance))) if variance > 0 and mean == mean else 1.0


def area_parts(labels: Ints, probs: Floats) -> tuple[float, Floats]:
    """The mean area over the classes of which there are rows enough, and what every row ``(n,)`` adds to its error: the
    sum of their squares is the variance of DeLong et al. (1988), that of a paired difference the sum of the squared
    differences. NaN where no class can be judged.

    >>> labels, score = np.repeat([0, 1], 50), np.arange(100) % 50
    >>> area, parts = area_parts(labels, np.stack([-score, score], axis=1))
    >>> round(area, 3), round(float(np.sqrt((parts**2).sum())), 3)
    (0.5, 0.058)
    """
    from scipy.stats import rankdata

    areas, parts = [], np.zeros(len(labels))
    for c in [1] if probs.shape[1] == 2 else range(probs.shape[1]):
        mine = labels == c
        ones, zeros = int(mine.sum()), int((~mine).sum())
        if min(ones, zeros) < RAREST:
            continue
        score, ranks = probs[:, c], rankdata(probs[:, c])
        placed = np.empty(len(labels))  # the share of the other class that a row stands on the right side of
        placed[mine] = (ranks[mine] - rankdata(score[mine])) / zeros
        placed[~mine] = 1 - (ranks[~mine] - rankdata(score[~mine])) / ones
        areas.append(float(placed[mine].mean()))
        weight = np.where(mine, 1 / np.sqrt(ones * (ones - 1)), 1 / np.sqrt(zeros * (zeros - 1)))
        parts += (placed - areas[-1]) * weight
    if not areas:
        return float("nan"), parts
    return float(np.mean(areas)), parts / len(areas)
