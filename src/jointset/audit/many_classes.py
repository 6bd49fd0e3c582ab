"""The noise posterior with many classes: T as a sparse matrix of counts, worked on in one pass over the rows.

With thousands of classes T has more entries than there are labels. Its estimate is still that of
:mod:`jointset.audit.noise_fit`: rows counted where the model is sure, shrunk towards uniform noise,
``T = D (C + a 1 1' + b I)`` with D diagonal, C the sparse counts and a, b the shares of the shrinkage, so that every
product with T is one with C plus two sums. T stays at its anchors, and one share of rows anchors it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit import posterior
from jointset.audit.chunks import over_slices, row_sum
from jointset.audit.noise_fit import RIDGE, SHRINK, calibrate
from jointset.audit.posterior import FLOOR, NoiseModel, log, softmax
from jointset.records import Floats, Ints

MANY = 64  # more classes than that: T is sparse
FIT_CELLS, FIT_ROWS = 1 << 20, 2000  # that temperature and weights are fitted on, few parameters as they are
LABELS_A_BIAS = 20  # with fewer, the biases of the classes follow the wrong labels
FILLED = 0.05  # share of non-zero counts from which a dense matrix is the faster one
SHARE = 0.6
TURNS = 2
STEPS = 5


@dataclass(frozen=True)
class SparseNoise:
    """T = D (counts + spread + own I) with rows of ``counts`` ``(K, K)`` = true class, float32, sparse or dense."""

    counts: Any
    scale: Floats  # (K,), the diagonal of D
    spread: float
    own: float

    @cached_property
    def dense(self) -> Floats:
        """T ``(K, K)``, which saves the sums where the counts are dense anyway."""
        out: Floats = self.counts + np.float32(self.spread)
        out[np.diag_indices(len(out))] += np.float32(self.own)
        out *= self.scale[:, None]
        return out

    def forward(self, p: Floats) -> Floats:
        """``p @ T``, ``(n, K)``."""
        scaled = p * self.scale
        out: Floats = scaled @ self.counts
        out += self.spread * row_sum(scaled)
        scaled *= self.own
        out += scaled
        return out

    def backward(self, r: Floats) -> Floats:
        """``r @ T.T``, ``(n, K)``."""
        out: Floats = r @ self.counts.T
        out += self.spread * row_sum(r)
        out += self.own * r
        out *= self.scale
        return out

    def observe(self, p_true: Floats, given: Ints) -> Floats:
        """``p_true * T[:, given]`` normalised; rows without a label as they are. Overwrites ``p_true``."""
        rows = np.flatnonzero(given >= 0)
        labels, here = given[rows], np.arange(len(rows))
        mine = p_true[rows] * self.scale
        plus = mine[here, labels] * self.own
        if isinstance(self.counts, np.ndarray):
            mine *= self.counts.T[labels] + self.spread
        else:
            seen = self.counts.T.tocsr()[labels].tocoo()  # (n, K), the column of the given label
            counted = mine[seen.row, seen.col] * seen.data
            mine *= self.spread
            mine[seen.row, seen.col] += counted
        mine[here, labels] += plus
        mine /= np.maximum(row_sum(mine), np.finfo(np.float32).tiny)
        p_true[rows] = mine
        return p_true

    def to_sparse(self) -> Any:
        """T without the uniform part, ``(K, K)`` sparse: counts and diagonal, each row scaled."""
        from scipy.sparse import csr_matrix, diags, identity

        return (diags(self.scale) @ (csr_matrix(self.counts) + self.own * identity(len(self.scale)))).tocsr()


@dataclass(frozen=True)
class ManyClasses:
    """A calibrated model and its sparse noise; the counterpart of ``posterior.Mixture``."""

    base: NoiseModel
    noise: SparseNoise

    @property
    def transition(self) -> Any:
        """T ``(K, K)``, sparse, without its uniform part."""
        return self.noise.to_sparse()

    @property
    def informative(self) -> bool:
        """Whether the predictions say more about the given labels than the class shares do."""
        return self.base.informative

    def score(
        self, views: Sequence[NDArray[Any]], given: Ints, extra: Sequence[Floats] = ()
    ) -> tuple[Floats, Floats, Floats]:
        """P(true | x) and P(true | x, given), ``(n, K)`` float32, and the expected number of errors."""
        p_given, log_given = _pooled(self.base, views)
        first = deconvolve(p_given, self.noise)
        first += np.float32(FLOOR)
        p_true = link(self.base.weights, [np.log(first, out=first), log_given])
        after = self.noise.observe(p_true.copy(), given)
        known = np.flatnonzero(given >= 0)
        errors = len(known) - after[known, given[known]].sum(dtype=np.float64)
        return p_true, after, np.array([errors])


def deconvolve(p_given: Floats, noise: SparseNoise, steps: int = STEPS) -> Floats:
    """``posterior.deconvolve`` with a sparse T, ``(n, K)``."""
    if isinstance(noise.counts, np.ndarray):
        return posterior.deconvolve(p_given, noise.dense, steps)
    p = np.full(p_given.shape, 1 / p_given.shape[1], p_given.dtype)
    for step in range(steps):
        ratio = noise.backward(p_given / np.maximum(noise.forward(p), 1e-12))
        p *= ratio
        if step < steps - 1:
            p *= ratio
        p /= np.maximum(row_sum(p), np.finfo(p.dtype).tiny)
    return p


def link(weights: Floats, features: Sequence[Floats]) -> Floats:
    """Softmax of the weighted features, ``(n, K)``."""
    z = features[0] * features[0].dtype.type(weights[0])
    z += features[1] * features[1].dtype.type(weights[1])
    return softmax(z)


def fit_many(views: Sequence[NDArray[Any]], given: Ints, rows: Ints) -> ManyClasses:
    """Fit temperature, sparse T and weights on the labelled ``rows`` of memory maps or arrays ``(n, K)``."""
    k = views[0].shape[1]
    few = rows[:: max(1, len(rows) // max(FIT_ROWS, FIT_CELLS // k))]
    sampled = [np.asarray(v[few], np.float64) for v in views]
    base = calibrate(sampled, given[few], biased=len(few) >= LABELS_A_BIAS * k)
    if not base.informative:
        return ManyClasses(
            replace(base, weights=np.array([0.0, 1.0])), _shrunk(np.empty(0, int), np.empty(0, int), k)
        )
    noise = _anchored(base, views, given, rows)
    p_given = base.p_given(sampled).astype(np.float32)
    features = [np.log(deconvolve(p_given, noise) + np.float32(FLOOR)), log(p_given)]
    return ManyClasses(replace(base, weights=_weights(features, given[few], noise)), noise)


def _pooled(base: NoiseModel, views: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
    return base.pooled([log(np.asarray(v, np.float32)) for v in views])


def _anchored(base: NoiseModel, views: Sequence[NDArray[Any]], given: Ints, rows: Ints) -> SparseNoise:
    """Confident joint, then the surest rows of the deconvolved probabilities, counted in passes over the rows."""
    k = views[0].shape[1]
    own = np.empty(len(rows), np.float32)

    def sliced(function: Any) -> None:
        def work(part: slice) -> None:
            function(part, _pooled(base, [v[rows[part]] for v in views])[0])

        over_slices(len(rows), k, work)

    def labelled(part: slice, p: Floats) -> None:
        own[part] = p[np.arange(len(p)), given[rows[part]]]

    sliced(labelled)
    seen = np.bincount(given[rows], minlength=k)
    mean = np.bincount(given[rows], own, minlength=k) / np.maximum(seen, 1)
    mean[seen == 0] = 2.0
    best, top = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)

    def confident(part: slice, p: Floats) -> None:
        over = np.where(p >= mean.astype(np.float32), p, np.float32(-1))
        best[part], top[part] = over.argmax(axis=1), over.max(axis=1)

    sliced(confident)
    sure = top >= 0
    noise = _shrunk(best[sure], given[rows][sure], k)
    for _ in range(TURNS):

        def deconvolved(part: slice, p: Floats, noise: SparseNoise = noise) -> None:
            p = deconvolve(p, noise)
            best[part], top[part] = p.argmax(axis=1), p.max(axis=1)

        sliced(deconvolved)
        surest = _surest(best, top, k)
        noise = _shrunk(best[surest], given[rows][surest], k)
    return noise


def _surest(best: Ints, top: Floats, k: int) -> Ints:
    """Positions of the surest ``SHARE`` of the rows of every class, at least 20."""
    order = np.lexsort((-top, best))
    count = np.bincount(best, minlength=k)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    keep = np.maximum(np.ceil(SHARE * count), np.minimum(count, 20))
    rank = np.arange(len(best)) - start[best[order]]
    return order[rank < keep[best[order]]]


def _shrunk(true: Ints, given: Ints, k: int) -> SparseNoise:
    """``noise_fit.shrink`` of sparse counts."""
    from scipy.sparse import coo_matrix

    counts = coo_matrix((np.ones(len(true), np.float32), (true, given)), (k, k)).tocsr()
    total = counts.sum() + 1.0
    rate = (total - 1.0 - counts.diagonal().sum()) / total if len(true) else 0.05
    spread = SHRINK * rate / max(k - 1, 1)
    row = np.asarray(counts.sum(axis=1)).ravel() + SHRINK
    kept = counts.toarray() if counts.nnz > FILLED * k * k else counts
    return SparseNoise(kept, (1 / row).astype(np.float32), spread, SHRINK * (1 - rate) - spread)


def _weights(features: Sequence[Floats], given: Ints, noise: SparseNoise) -> Floats:
    """c1, c2 by maximum likelihood of the given labels, with the ridge of ``noise_fit``."""
    from scipy.optimize import minimize

    rows, centre = np.arange(len(given)), np.array([1.0, 0.0])

    def loss(c: Floats) -> float:
        seen = noise.forward(link(c, features))[rows, given]
        return float(
            -np.log(np.maximum(seen, 1e-30)).sum() + 0.5 * RIDGE * (c - centre) @ (c - centre)
        ) / len(given)

    found = minimize(loss, centre, method="Nelder-Mead", options={"maxfev": 40, "xatol": 0.02, "fatol": 1e-5})
    return np.asarray(found.x)
