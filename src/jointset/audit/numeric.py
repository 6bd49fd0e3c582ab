"""The conditional density of a numeric label given its prediction, seen through label errors.

A given label is right with density ``f(y | m)`` and wrong with density ``b(y | m)``, ``m`` the prediction:

- ``f`` is a stack of densities (Smyth and Wolpert 1999): two-piece Student t residuals (Fernandez and Steel
  1998) of several tails, widths and skews around a smooth centre with a smooth scale, and kernel estimates of
  the residual and of the label itself given the rank of the prediction, which hold what no such curve does
  (several modes, whole numbers, a spike of zeros). Their weights maximise the leave-one-out likelihood.
- ``b`` is half another row's label (the marginal) and half broad about the prediction.

``P(error) = e b / ((1 - e) f + e b)`` (Banfield and Raftery 1993). The share ``e`` is fitted by EM with the
curves and the spikes only: were the kernels free to explain it, errors would count as one more mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jointset.records import Floats, Ints

LEVELS, CELLS, REACH = 40, 200, 4.5  # of the prediction's rank; of label and residual, on an arcsinh scale
CENTRES = (np.arange(LEVELS) + 0.5) / LEVELS
EDGES = np.linspace(-REACH, REACH, CELLS + 1)
KERNELS = 0.02  # weight of the kernels at the start: they have to earn more
SMOOTH = 0.1  # bandwidth of centre and scale in ranks of the prediction
RANKS = (
    0.05,
    0.15,
    0.5,
)  # bandwidths of the kernels; labels take the first two: the third is nearly the marginal
NARROW = (0.08, 0.2, 0.5)
CURVES = tuple((d, w, a) for d in (3, 6, 30) for w in (0.7, 1.0, 1.4) for a in (0.5, 0.7, 1.0, 1.4, 2.0))
DISTINCT = 100  # at most so many distinct labels, each held by five rows or more, are whole cells
BROAD = 2.0  # width of wrong labels in spreads of all labels
ANYWHERE = (
    0.1  # of these as a Cauchy: were its tail lighter than a curve's, the farthest label would pass as right
)
NEGLIGIBLE = 1e-4
PRIOR = 20.0  # pseudo-labels, nearly all right
PASSES, KERNEL_PASSES, STEPS = 2, 2, 60
TINY = 1e-300


@dataclass(frozen=True)
class Cells:
    """Cells of the labels: their distinct values if these are few (``step`` > 0), else arcsinh-spaced."""

    values: Floats
    width: Floats
    step: float
    middle: float
    spread: float

    def code(self, labels: Floats) -> Ints:
        """The cell of every label, the nearest one."""
        if not self.step:
            place = np.searchsorted(EDGES, np.arcsinh(2 * (labels - self.middle) / self.spread), "right") - 1
            return np.clip(place, 0, CELLS - 1)
        return np.searchsorted((self.values[1:] + self.values[:-1]) / 2, labels)

    def density(self, labels: Floats, mass: Floats) -> Floats:
        """Density at the labels from the masses ``(n,)`` of their cells; no cell holds a label far from all values."""
        code = self.code(labels)
        out = mass / self.width[code]
        return (
            np.where(np.abs(labels - self.values[code]) <= 0.5001 * self.step, out, 0) if self.step else out
        )

    @property
    def scaled(self) -> Floats:
        """Positions for the kernels, in spreads."""
        return self.values / self.spread if self.step else (EDGES[1:] + EDGES[:-1]) / 2


def make_cells(labels: Floats) -> Cells:
    """Cells that fit the labels."""
    low, high = np.quantile(labels, [0.01, 0.99])
    spread = float(np.clip(labels, low, high).std()) or float(labels.std())
    values = np.unique(labels)
    if 1 < len(values) <= min(DISTINCT, len(labels) / 5):
        step = float(np.median(np.diff(values)))
        return Cells(values, np.full(len(values), step), step, 0.0, spread)
    middle = float(np.median(labels))
    edges = middle + np.sinh(EDGES) * spread / 2
    return Cells((edges[1:] + edges[:-1]) / 2, np.diff(edges), 0.0, middle, spread)


def kernel(position: Floats, width: float) -> Floats:
    """Gaussian weights ``(to, from)``; the identity for no width."""
    if not width:
        return np.eye(len(position))
    return np.exp(-0.5 * ((position[:, None] - position[None]) / width) ** 2)


def _spread_out(position: Floats, width: float) -> Floats:
    """A kernel that keeps the mass of every cell."""
    near = kernel(position, width)
    return near / near.sum(axis=0)


@dataclass(frozen=True)
class Place:
    """Where labels are expected: sorted fitted predictions, and centre and scale ``(LEVELS,)`` by rank."""

    order: Floats
    centre: Floats
    scale: Floats

    def rank(self, pred: Floats) -> Floats:
        """Rank of predictions in [0, 1]."""
        ends = [np.searchsorted(self.order, pred, side) for side in ("left", "right")]
        return np.asarray((ends[0] + ends[1]) / (2 * len(self.order)))

    def at(self, pred: Floats, std: Floats | None) -> tuple[Ints, Floats, Floats]:
        """Level, centre and scale of every row."""
        rank = self.rank(pred)
        unit = 1.0 if std is None else std
        level = np.clip((rank * LEVELS).astype(np.int64), 0, LEVELS - 1)
        centre = np.interp(rank, CENTRES, self.centre) * unit
        return level, pred + centre, np.interp(rank, CENTRES, self.scale) * unit


def _placed(residual: Floats, level: Ints, keep: Floats) -> tuple[Floats, Floats]:
    """Weighted median and median deviation of the residuals, smooth in the rank of the prediction."""
    near = kernel(CENTRES, SMOOTH)

    def median(values: Floats, at: int) -> float:
        order = np.argsort(values)
        total = (near[at, level[order]] * keep[order]).cumsum()
        return float(values[order][np.searchsorted(total, total[-1] / 2)])

    centre = np.array([median(residual, i) for i in range(LEVELS)])
    scale = np.array([1.4826 * median(np.abs(residual - centre[i]), i) for i in range(LEVELS)])
    return centre, scale


def curve(z: Floats, freedom: float, width: float, skew: float) -> Floats:
    """Density of the two-piece Student t: scale ``width * skew`` above 0, ``width / skew`` below."""
    from scipy.stats import t

    above, below = width * skew, width / skew
    return np.asarray(2 / (above + below) * t.pdf(z / np.where(z > 0, above, below), freedom))


def curve_below(z: Floats, freedom: float, width: float, skew: float) -> Floats:
    """Its distribution function.

    >>> curve_below(np.array([-np.inf, 0.0, np.inf]), 3, 1.0, 2.0).round(3)
    array([0. , 0.2, 1. ])
    """
    from scipy.special import stdtr

    above, below = width * skew, width / skew
    part = np.where(
        z > 0, below / 2 + above * (stdtr(freedom, z / above) - 0.5), below * stdtr(freedom, z / below)
    )
    return np.asarray(2 / (above + below) * part)


def _curve(shape: tuple[float, float, float], at: tuple[Floats, Floats, Floats], step: float) -> Floats:
    """Density by one curve ``at`` labels, their expectations and scales; of whole cells mass over step."""
    labels, expected, scale = at
    if not step:
        return curve((labels - expected) / scale, *shape) / scale
    low, high = (curve_below((labels + h - expected) / scale, *shape) for h in (-step / 2, step / 2))
    return np.asarray((high - low) / step)


Estimate = tuple[Floats, Floats]  # masses (LEVELS, cells), and every row's without itself (n,)


def _kernels(
    level: Ints,
    cell: Ints,
    position: Floats,
    widths: Sequence[float],
    keep: Floats,
    by: Sequence[float] = RANKS,
) -> Iterator[Estimate]:
    """P(cell | level) by several bandwidths; one pseudo-row of the marginal keeps thin places finite."""
    seen = np.zeros((LEVELS, len(position)))
    np.add.at(seen, (level, cell), keep)
    for ranks in by:
        near = kernel(CENTRES, ranks)
        for width in widths:
            blur = _spread_out(position, width)
            total, mass = (near @ seen).sum(axis=1), near @ seen @ blur.T
            margin = seen.sum(axis=0) @ blur.T / max(keep.sum(), TINY)
            own = np.maximum(mass[level, cell] - keep * blur[cell, cell], 0) + margin[cell]
            yield (mass + margin) / (total + 1)[:, None], own / (np.maximum(total[level] - keep, 0) + 1)


def _spiked(level: Ints, cell: Ints, spike: Floats, keep: Floats) -> tuple[Floats, Floats, Floats]:
    """P(spike cell | level) ``(LEVELS, cells)``, every row's without itself, and that of any spike, ``(n,)``."""
    seen = np.zeros((LEVELS, len(spike)))
    np.add.at(seen, (level, cell), keep)
    near = kernel(CENTRES, RANKS[1])
    total, mass = (near @ seen).sum(axis=1), near @ (seen * spike)
    own = keep * spike[cell]
    rest = np.maximum(total[level] - keep, 0) + 1
    alone = np.maximum(mass[level, cell] * spike[cell] - own, 0) / rest
    return mass / (total + 1)[:, None], alone, np.maximum(mass.sum(axis=1)[level] - own, 0) / rest


def spikes(cells: Cells, count: Floats) -> Floats:
    """1 for the cells that hold far more labels than their neighbourhood (zeros, caps), else 0.

    >>> count = np.array([40, 3, 5, 9, 12, 11, 8, 6])
    >>> spikes(make_cells(np.repeat(np.arange(8.0), count)), count)
    array([1., 0., 0., 0., 0., 0., 0., 0.])
    """
    near = kernel(cells.scaled, 0.25)
    np.fill_diagonal(near, 0)
    around = near @ count / np.maximum(near.sum(axis=1), TINY)
    return ((count > 2 * around + 4 * np.sqrt(around + 1)) & (count >= max(5, 0.01 * count.sum()))).astype(
        float
    )


@dataclass(frozen=True)
class LabelDensity:
    """Fitted densities of right and wrong labels given the prediction; ``fit_density`` makes it.

    ``share`` is e, the share of wrong labels. ``curves`` ``(len(CURVES),)`` weighs the curves, ``beside``
    ``(LEVELS,)`` is what the spikes leave them; ``residual`` ``(LEVELS, CELLS)`` and ``label`` ``(LEVELS, cells)``
    hold the weighed kernels' masses; ``margin`` the masses of all given labels. ``left_out`` ``(2, n)`` are f and
    b of the fitted rows without their own label.
    """

    cells: Cells
    place: Place
    share: float
    curves: Floats
    beside: Floats
    residual: Floats
    label: Floats
    margin: Floats
    left_out: Floats

    def right(self, labels: Floats, pred: Floats, std: Floats | None = None) -> Floats:
        """Density f of labels, were they right, ``(n,)``."""
        level, expected, scale = self.place.at(pred, std)
        cell, width = _residual_cell((labels - expected) / scale)
        out = self.residual[level, cell] / width / scale
        out += self.cells.density(labels, self.label[level, self.cells.code(labels)])
        for weight, shape in zip(self.curves, CURVES, strict=True):
            if weight > NEGLIGIBLE:
                out += weight * self.beside[level] * _curve(shape, (labels, expected, scale), self.cells.step)
        return out

    def wrong(self, labels: Floats, pred: Floats, std: Floats | None = None) -> Floats:
        """Density b of labels, were they wrong, ``(n,)``."""
        _, expected, scale = self.place.at(pred, std)
        return _wrong(self.cells, self.margin, labels, expected, scale)

    def p_error(self, right: Floats, wrong: Floats) -> Floats:
        """P(error) from the two densities."""
        return self.share * wrong / np.maximum(self.share * wrong + (1 - self.share) * right, TINY)

    def below(self, edges: Floats, pred: Floats, std: Floats | None = None) -> Floats:
        """P(true label < edge | prediction) for edges ``(E,)`` or ``(n, E)``: ``(n, E)``."""
        level, expected, scale = self.place.at(pred, std)
        edges = np.broadcast_to(edges, (len(pred), np.shape(edges)[-1]))
        z = (edges - expected[:, None]) / scale[:, None]
        grid = np.sinh(EDGES)
        curves = sum(
            w * curve_below(grid, *s) for w, s in zip(self.curves, CURVES, strict=True) if w > NEGLIGIBLE
        )
        table = np.concatenate([np.zeros((LEVELS, 1)), self.residual.cumsum(axis=1)], axis=1)
        table += self.beside[:, None] * curves
        at = (np.arcsinh(z) + REACH) / (2 * REACH) * CELLS
        low = np.clip(at.astype(np.int64), 0, CELLS - 1)
        part = np.clip(at - low, 0, 1)
        out = table[level[:, None], low] * (1 - part) + table[level[:, None], low + 1] * part
        inside = np.concatenate([np.zeros((LEVELS, 1)), self.label.cumsum(axis=1)], axis=1)
        out += inside[level[:, None], np.searchsorted(self.cells.values, edges)]
        return np.clip(out, 0, 1)


def _residual_cell(z: Floats) -> tuple[Ints, Floats]:
    cell = np.clip(np.searchsorted(EDGES, np.arcsinh(z), "right") - 1, 0, CELLS - 1)
    return cell, np.diff(np.sinh(EDGES))[cell]


def _wrong(cells: Cells, margin: Floats, labels: Floats, expected: Floats, scale: Floats) -> Floats:
    width = BROAD * np.hypot(cells.spread, scale)
    z2 = ((labels - expected) / width) ** 2
    broad = (1 - ANYWHERE) * np.exp(-z2 / 2) / np.sqrt(2 * np.pi) + ANYWHERE / (np.pi * (1 + z2))
    other = cells.density(labels, margin[cells.code(labels)])
    return np.asarray(0.5 * other + 0.5 * broad / width)


def fit_density(labels: Floats, pred: Floats, std: Floats | None = None) -> LabelDensity:
    """Fit to rows that carry a label: ``labels``, ``pred`` and, if known, its standard error ``std``, ``(n,)``.

    >>> rng = np.random.default_rng(0)
    >>> pred = rng.normal(size=2000)
    >>> given = pred + 0.3 * rng.normal(size=2000)
    >>> given[:100] += 5
    >>> 0.04 < fit_density(given, pred).share < 0.08
    True
    """
    n, unit = len(labels), 1.0 if std is None else std
    cells = make_cells(labels)
    code = cells.code(labels)
    count = np.bincount(code, minlength=len(cells.values)).astype(float)
    margin = (count if cells.step else _spread_out(cells.scaled, NARROW[1]) @ count) / n
    spike, keep, share = spikes(cells, count), np.ones(n), 0.05
    place = Place(np.sort(pred), np.zeros(LEVELS), np.ones(LEVELS))
    level = place.at(pred, None)[0]
    for turn in range(PASSES + KERNEL_PASSES):
        centre, scale = _placed((labels - pred) / unit, level, keep)
        floor = max(1e-3 * cells.spread, 0.3 * cells.step) / float(np.median(unit))
        place = Place(place.order, centre, np.maximum(scale, floor))
        _, expected, width = place.at(pred, std)
        peaks, peak, any_peak = _spiked(level, code, spike, keep)
        members = [
            (1 - any_peak) * _curve(s, (labels, expected, width), cells.step) + peak / cells.width[code]
            for s in CURVES
        ]
        residual: list[Estimate] = []
        label: list[Estimate] = []
        if turn >= PASSES:
            residual, label = _kernel_members(cells, level, code, (labels - expected) / width, _surer(keep))
            members += [d / width for _, d in residual] + [d / cells.width[code] for _, d in label]
        wrong = _wrong(cells, margin, labels, expected, width)
        weights, share = _weigh(np.array(members), wrong, share, free=turn < PASSES)
        right = weights @ np.array(members)
        keep = 1 - share * wrong / np.maximum(share * wrong + (1 - share) * right, TINY)
    curves, *parts = np.split(weights, np.cumsum([len(CURVES), len(residual)]))
    in_residual = _mixed(parts[0], residual, CELLS)
    in_label = _mixed(parts[1], label, len(cells.values)) + curves.sum() * peaks
    share = float(((1 - keep).sum() + 0.5) / (n + PRIOR))
    beside = 1 - peaks.sum(axis=1)
    return LabelDensity(
        cells, place, share, curves, beside, in_residual, in_label, margin, np.stack([right, wrong])
    )


def _surer(keep: Floats) -> Floats:
    """P(right) sharpened for the kernels, lest errors that are nearly sure hold up one another.

    >>> _surer(np.array([0.1, 0.5, 1.0])).round(3)
    array([0.012, 0.5  , 1.   ])
    """
    return np.asarray(keep**2 / (keep**2 + (1 - keep) ** 2))


def _mixed(weights: Floats, estimates: Sequence[Estimate], size: int) -> Floats:
    out = np.zeros((LEVELS, size))
    for weight, (table, _) in zip(weights, estimates, strict=True):
        out += weight * table
    return out


def _kernel_members(
    cells: Cells, level: Ints, code: Ints, z: Floats, keep: Floats
) -> tuple[list[Estimate], list[Estimate]]:
    """Kernel estimates over scaled residuals (densities of z) and over labels (masses of cells)."""
    if cells.step:
        return [], list(_kernels(level, code, cells.scaled, (0.0, 0.15, 0.4), keep, RANKS[:2]))
    cell, width = _residual_cell(z)
    residual = _kernels(level, cell, (EDGES[1:] + EDGES[:-1]) / 2, NARROW, keep)
    label = _kernels(level, code, cells.scaled, (0.0, *NARROW[::2]), keep, RANKS[:2])
    return [(table, mass / width) for table, mass in residual], list(label)


def _weigh(members: Floats, wrong: Floats, share: float, *, free: bool) -> tuple[Floats, float]:
    """EM for the weights of the stack and, if ``free``, the share of wrong labels."""
    n = len(wrong)
    curves = len(CURVES)
    extra = len(members) - curves
    weights = np.r_[
        np.full(curves, (1 - KERNELS * (extra > 0)) / curves), np.full(extra, KERNELS / max(extra, 1))
    ]
    for _ in range(STEPS):
        total = np.maximum((1 - share) * (weights @ members) + share * wrong, TINY)
        weights = weights * (members @ (1 / total))
        weights /= max(weights.sum(), TINY)
        if free:
            share = float((share * (wrong / total).sum() + 0.5) / (n + PRIOR))
    return weights, share
