"""Linear centred kernel alignment: how alike two representations of the same rows are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.errors import ArrayError
from jointset.records import Floats


def linear_cka(x: ArrayLike, y: ArrayLike, *, debiased: bool = True) -> float:
    """CKA of features ``(n, p)`` and ``(n, q)`` of the same rows: 1 = equal up to rotation and scale, 0 = unrelated.

    HSIC(X, Y) / √(HSIC(X, X) HSIC(Y, Y)) with linear kernels (Kornblith et al. 2019, eq. 3). The plain form grows with
    p/n where nothing is shared; the ``debiased`` one uses the unbiased estimator of HSIC (Song et al. 2012, eq. 5, as
    in Nguyen et al. 2021, eq. 3) and may fall below 0. Constant features give 0. Raises ``ArrayError`` for shapes that
    do not meet, for fewer than 4 rows, and for NaN or infinite numbers.

    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(linear_cka(x, 2 * x[:, ::-1]), 6)
    1.0
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 4:
        raise ArrayError(
            f"expected features (n, p), (n, q) of the same 4 rows or more, found {a.shape}, {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        bad = int((~np.isfinite(a).all(1) | ~np.isfinite(b).all(1)).sum())
        raise ArrayError(
            f"features: {bad} rows hold NaN or infinite numbers; fill them, or leave the rows out"
        )
    a, b = a - a.mean(0), b - b.mean(0)
    hsic = _unbiased if debiased else _plain
    own = hsic(a, a) * hsic(b, b)
    return float(hsic(a, b) / np.sqrt(own)) if own > 0 else 0.0


def _plain(x: Floats, y: Floats) -> float:
    """‖Yᵀ X‖²_F, which is tr(K H L H) for linear kernels of centred features."""
    return float(np.square(y.T @ x).sum())


def _unbiased(x: Floats, y: Floats) -> float:
    """Song's estimator times n (n − 3), from features, without the n × n kernels.

    With K̃ = X Xᵀ less its diagonal k, tr(K̃ L̃) = ‖Yᵀ X‖² − k·l, K̃ 1 = X (Xᵀ 1) − k, and so on.
    """
    n = len(x)
    k, m = (x**2).sum(1), (y**2).sum(1)
    rows_k, rows_m = x @ x.sum(0) - k, y @ y.sum(0) - m
    trace = np.square(y.T @ x).sum() - k @ m
    return float(trace + rows_k.sum() * rows_m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_k @ rows_m))
