"""Quantity skew: sizes by a log-normal draw."""

from __future__ import annotations

import numpy as np

from jointset.data.sites.base import check_sites, place, positive
from jointset.records import Floats, Ints


def lognormal(
    n: int, sites: int, *, sigma: float, least: int = 1, component: Ints | None = None, seed: int = 0
) -> Ints:
    """Share out ``n`` rows in proportion to exp(σ z), z standard normal: a long tail, as in many federations.

    Draws that leave a site with fewer than ``least`` rows are repeated. Returns the site of every row, ``(n,)``; rows
    of one ``component`` ``(n,)`` stay on one site. Raises ``ArrayError`` for σ ≤ 0, ``DataError``.

    >>> np.bincount(lognormal(100, 4, sigma=1.0)).tolist()
    [23, 17, 38, 22]
    """
    positive("sigma", sigma)
    check_sites(n, sites, least, component)

    def draw(rng: np.random.Generator) -> Floats:
        size = np.exp(sigma * rng.normal(size=(1, sites)))
        return np.asarray(n * size / size.sum())

    return place(
        np.zeros(n, np.int64),
        draw,
        least=least,
        component=component,
        seed=seed,
        hint=", or a smaller sigma",
    )
