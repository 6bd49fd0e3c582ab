"""Label errors of numeric tasks, from the conditional density of a label given its prediction.

``jointset.audit.numeric`` fits what right and wrong labels look like. In the joint label model the task is one
variable over bins of its labels: P(bin | x) is the density's mass, the given label the bin it lies in. What other
tasks say multiplies the right labels' density by P(bin | x, others) / P(bin | x), interpolated between the bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.base import TaskArrays, TaskAudit, choose, flaggable
from jointset.audit.nodes import Node, NodeFit, sample
from jointset.audit.numeric import PRIOR, LabelDensity, fit_density
from jointset.audit.posterior import observe
from jointset.records import Bools, Floats, Ints

MIN_ROWS = 20
BINS = 10
ROWS_PER_BIN = 40
LEVEL = 0.9  # of the interval where no precision is asked for
CHUNK = 1 << 14
FLOOR = 1e-6
ROUNDS = 100


@dataclass(frozen=True)
class NumericModel:
    """A numeric task as a variable of the joint label model; it stands where a ``NoiseModel`` does.

    ``edges`` ``(B - 1,)`` part the bins, ``centres`` ``(B,)`` are their labels' means; a given label is with
    probability ``noise`` drawn from ``others`` ``(B,)``. ``right`` and ``wrong`` ``(n,)`` are the densities of
    the given labels, ``rows`` those fitted to, ``explained`` the share of the labels' variance that x explains,
    ``shift`` the predictions' mean error, and ``weights`` ``(2,)`` those of the other tasks' messages.
    """

    density: LabelDensity
    edges: Floats
    centres: Floats
    noise: float
    others: Floats
    right: Floats
    wrong: Floats
    rows: Ints
    explained: float
    shift: float
    weights: Floats
    informative: bool = True

    @property
    def transition(self) -> Floats:
        """P(given bin | true bin), ``(B, B)``."""
        return (1 - self.noise) * np.eye(len(self.others)) + self.noise * self.others

    def code(self, labels: Floats) -> Ints:
        """Bins of labels, -1 where missing."""
        return np.where(np.isnan(labels), -1, np.searchsorted(self.edges, labels, "right"))

    def score(
        self, views: Sequence[NDArray[Any]], given: Ints, extra: Sequence[Floats] = ()
    ) -> tuple[Floats, Floats, Floats]:
        """P(true bin | x, others) and P(true bin | x, others, given bin), ``(n, B)``, and the expected errors."""
        p_true = self.p_true(views[0], extra) if len(extra) else views[0]
        posterior = observe(p_true, self.transition, given)
        rows = np.flatnonzero(given >= 0)
        return p_true, posterior, np.array([(1 - posterior[rows, given[rows]]).sum()])

    def p_true(self, probs: Floats, extra: Sequence[Floats]) -> Floats:
        """P(true bin | x) and the other tasks' evidence, log-messages ``(n, B)``."""
        z = np.log(np.maximum(probs, FLOOR))
        for weight, message in zip(self.weights, extra, strict=True):
            z += weight * message
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(z / z.sum(axis=1, keepdims=True))

    def heed(self, probs: Floats, given: Ints, extra: list[Floats]) -> NumericModel:
        """The model with weights in [0, 1] for the messages, by maximum likelihood of the given bins."""
        from scipy.optimize import minimize

        if not extra or not len(given):
            return self
        logs, likelihood = np.log(np.maximum(probs, FLOOR)), self.transition.T[given]

        def loss(c: Floats) -> tuple[float, Floats]:
            z = logs + c[0] * extra[0] + c[1] * extra[1]
            p = np.exp(z - z.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            q = p * likelihood
            total = np.maximum(q.sum(axis=1, keepdims=True), 1e-300)
            slope = np.array([np.vdot(p - q / total, e) for e in extra])
            return -float(np.log(total).sum()) / len(given), slope / len(given)

        found = minimize(loss, self.weights, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * 2)
        return replace(self, weights=found.x)


def nodes(task: TaskArrays, fit_rows: Bools, max_fit: int, seed: int) -> list[Node]:
    """The task as one variable of the joint label model; none if there are too few labels, or all are equal."""
    known = np.isfinite(task.labels)
    rows = sample(np.flatnonzero(known & fit_rows), 1, max_fit, seed)
    given = task.labels
    if len(rows) < MIN_ROWS or not np.ptp(given[rows]):
        return []
    std, pred = task.std, np.asarray(task.probs, np.float64)
    density = fit_density(given[rows], pred[rows], None if std is None else std[rows])
    right, wrong = np.zeros(len(given)), np.ones(len(given))
    here = np.flatnonzero(known)
    for part in np.array_split(here, len(here) // CHUNK + 1):
        at = (given[part], pred[part], None if std is None else std[part])
        right[part], wrong[part] = density.right(*at), density.wrong(*at)
    right[rows], wrong[rows] = density.left_out
    inside = 1 - density.p_error(right[rows], wrong[rows])
    edges = bin_edges(given[rows])
    code = np.searchsorted(edges, given[rows], "right")
    count = np.bincount(code, inside, len(edges) + 1)
    centres = np.bincount(code, inside * given[rows], len(edges) + 1) / np.maximum(count, 1e-12)
    share = (count + 1) / (count + 1).sum()
    noise = max(density.share, 1e-3)
    shift = float(np.average(given[rows] - pred[rows], weights=inside + 1e-12))
    explained = _explained(given[rows], pred[rows] + shift, inside)
    model = NumericModel(
        density, edges, centres, noise, share, right, wrong, rows, explained, shift, np.array([0.1, 0.9])
    )
    probs = np.empty((len(given), len(share)))
    for start in range(0, len(given), CHUNK):
        chunk = slice(start, start + CHUNK)
        below = density.below(edges, pred[chunk], None if std is None else std[chunk])
        ends = np.zeros((len(below), 1))
        probs[chunk] = np.maximum(np.diff(np.concatenate([ends, below, ends + 1], axis=1)), FLOOR)
    probs /= probs.sum(axis=1, keepdims=True)
    return [Node(task.name, probs, model.code(given), model=model)]


def bin_edges(labels: Floats, bins: int = BINS) -> Floats:
    """Edges between quantile bins, midway between labels; a value of its own share stands alone.

    >>> bin_edges(np.repeat([0.0, 1.0, 2.0, 7.0], 100), 4)
    array([0.5, 1.5, 4.5])
    """
    values, count = np.unique(labels, return_counts=True)
    bins = int(np.clip(len(labels) // ROWS_PER_BIN, 2, bins))
    middle = (values[1:] + values[:-1]) / 2
    bounds = np.searchsorted(np.cumsum(count), len(labels) * np.arange(1, bins) / bins)
    heavy = (
        np.flatnonzero(count >= len(labels) / (2 * bins)) if len(values) > bins else np.arange(len(values))
    )
    cuts = np.concatenate([bounds, heavy, heavy - 1])
    return middle[np.unique(cuts[(cuts >= 0) & (cuts < len(middle))])]


def _explained(given: Floats, expected: Floats, inside: Floats) -> float:
    centre = np.average(given, weights=inside + 1e-12)
    spread = float((inside * (given - centre) ** 2).sum())
    left = float((inside * (given - expected) ** 2).sum())
    return float(np.clip(1 - left / spread, 0, 1)) if spread > 0 else 0.0


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the given labels by P(right) and flag as many as the expected precision allows.

    The suggestion is the expected label, shifted by what other tasks say. A numeric label is no class that
    could be hit: the confidence of a fill is the share of the labels' variance that is explained.
    """
    given, known = task.labels, np.isfinite(task.labels)
    n = len(given)
    if not fits:
        return _unjudged(task, precision)
    model: NumericModel = fits[0].node.model
    heeded = _heeded(fits[0])
    p_bin = fits[0].node.probs
    right, share = model.right.copy(), model.density.share
    suggested, certain = task.probs.astype(np.float64) + model.shift, np.full(n, model.explained)
    if heeded is not None:
        right[known] *= _gain(model, given[known], heeded[known], p_bin[known])
        suggested = suggested + (heeded - p_bin) @ model.centres
        certain = np.clip(
            1 - (1 - model.explained) * _variance(heeded, model) / _variance(p_bin, model).mean(), 0, 1
        )
        share = _share(right[model.rows], model.wrong[model.rows], share)
    odds = share * model.wrong / np.maximum((1 - share) * right, 1e-300)
    p_error = np.where(known, odds / (1 + odds), np.nan)
    flagged, promised = choose(p_error, 1 - p_error, flaggable(p_error, p_error > 0.5, precision), precision)
    return TaskAudit(
        task.name,
        "regression",
        given,
        flagged,
        1 - p_error,
        np.where(flagged | ~known, suggested, given),
        np.where(flagged, p_error, np.where(known, 1 - p_error, certain)),
        p_error,
        np.empty((n, 0)),
        np.empty((0, 0)),
        float(p_error[known].mean()) if known.any() else float("nan"),
        promised,
        precision=precision,
        interval=_interval(task, model, p_bin, heeded, precision),
    )


def _unjudged(task: TaskArrays, precision: float | None) -> TaskAudit:
    given, known = task.labels, np.isfinite(task.labels)
    n = len(given)
    few = known.sum() < MIN_ROWS or np.ptp(given[known]) > 0
    note = f"{int(known.sum())} labels are too few to judge residuals by ({MIN_ROWS} are needed)"
    p_error = np.where(known, 0.0, np.nan)
    return TaskAudit(
        task.name,
        "regression",
        given,
        np.zeros(n, bool),
        1 - p_error,
        np.where(known, given, task.probs),
        np.where(known, 1.0, 0.0),
        p_error,
        np.empty((n, 0)),
        np.empty((0, 0)),
        0.0,
        float("nan"),
        (note if few else "all labels are equal; nothing can be judged",),
        precision=precision,
        interval=np.full((n, 2), np.nan),
    )


def _heeded(fit: NodeFit) -> Floats | None:
    """P(bin | x, others' labels), without the own label; None where no task is related."""
    return fit.score(slice(None))[0] if fit.said else None


def _gain(model: NumericModel, labels: Floats, heeded: Floats, p_bin: Floats) -> Floats:
    """P(bin | x, others) / P(bin | x) at the labels, its logarithm interpolated between the bins' centres."""
    gain = np.log(np.maximum(heeded, FLOOR)) - np.log(np.maximum(p_bin, FLOOR))
    high = np.clip(np.searchsorted(model.centres, labels), 1, len(model.centres) - 1)
    gap = np.maximum(model.centres[high] - model.centres[high - 1], 1e-300)
    part = np.clip((labels - model.centres[high - 1]) / gap, 0, 1)
    rows = np.arange(len(labels))
    return np.asarray(np.exp(gain[rows, high - 1] * (1 - part) + gain[rows, high] * part))


def _share(right: Floats, wrong: Floats, share: float) -> float:
    """The share of wrong labels anew, now that other tasks tell more of them from right ones (EM)."""
    for _ in range(ROUNDS):
        p = share * wrong / np.maximum(share * wrong + (1 - share) * right, 1e-300)
        share = float((p.sum() + 0.5) / (len(p) + PRIOR))
    return share


def _variance(p_bin: Floats, model: NumericModel) -> Floats:
    mean = p_bin @ model.centres
    return np.asarray(p_bin @ model.centres**2 - mean**2)


def _interval(
    task: TaskArrays, model: NumericModel, p_bin: Floats, heeded: Floats | None, level: float | None
) -> Floats:
    """Central interval that holds the true label with probability ``level``, given x and the others' labels."""
    out, level = np.empty((len(task), 2)), LEVEL if level is None else level
    steps = np.sinh(np.linspace(-3.5, 3.5, 65))
    for start in range(0, len(task), CHUNK // 4):
        rows = slice(start, start + CHUNK // 4)
        pred, std = task.probs[rows], None if task.std is None else task.std[rows]
        _, expected, scale = model.density.place.at(pred, std)
        edges = expected[:, None] + scale[:, None] * steps
        below = model.density.below(edges, pred, std)
        if heeded is not None:
            bin_of = np.searchsorted(model.edges, (edges[:, 1:] + edges[:, :-1]) / 2, "right")
            ratio = np.take_along_axis(heeded[rows] / np.maximum(p_bin[rows], FLOOR), bin_of, axis=1)
            below = np.concatenate([below[:, :1], np.diff(below, axis=1) * ratio], axis=1).cumsum(axis=1)
        below /= np.maximum(below[:, -1:], 1e-300)
        for side, at in enumerate(((1 - level) / 2, (1 + level) / 2)):
            high = np.clip((below < at).sum(axis=1), 1, len(steps) - 1)[:, None]
            ends = [np.take_along_axis(x, i, axis=1)[:, 0] for x in (below, edges) for i in (high - 1, high)]
            part = np.clip((at - ends[0]) / np.maximum(ends[1] - ends[0], 1e-12), 0, 1)
            out[rows, side] = ends[2] + part * (ends[3] - ends[2])
    return out
