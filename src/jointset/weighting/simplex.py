"""The probability simplex: projection onto it, and the point of least norm over it."""

from __future__ import annotations

import numpy as np

from jointset.records import Floats
from jointset.weighting.cosines import Cosines
from jointset.weighting.nonnegative import solve_nonnegative


def project_simplex(point: Floats) -> Floats:
    """The point of the simplex nearest to ``point`` ``(k,)`` (Duchi et al. 2008, fig. 1).

    >>> project_simplex(np.array([0.5, 0.9, -1.0])).round(3).tolist()
    [0.3, 0.7, 0.0]
    """
    down = np.sort(point)[::-1]
    excess = (np.cumsum(down) - 1.0) / np.arange(1, len(point) + 1)
    return np.maximum(point - excess[np.nonzero(down > excess)[0][-1]], 0.0)


def least_norm(gradients: Cosines) -> Floats:
    """The weights ``(k,)`` ≥ 0 with sum 1 of the shortest Σ w_i g_i; a gradient of zero takes no part.

    Over the cone instead of the simplex the problem is min ½ xᵀGx − Σ x, and w = x / Σ x. If zero lies in the hull, x
    is as large as the rounding error allows, and w is the limit.
    """
    linear = np.where(gradients.zero, 0.0, -1.0 / gradients.norms)
    linear /= max(np.abs(linear).max(), 1e-300)
    x = gradients.rows(solve_nonnegative(gradients.raised(), linear[None])[0])
    total = x.sum()
    return x / total if total > 0 else np.full(len(x), 1.0 / len(x))
