"""Quantity skew: sizes by a Dirichlet draw."""

from __future__ import annotations

import numpy as np

from jointset.data.sites.base import check_sites, place, positive
from jointset.records import Ints


def quantity(
    n: int, sites: int, *, alpha: float, least: int = 1, component: Ints | None = None, seed: int = 0
) -> Ints:
    """Share out ``n`` rows by q ~ Dir(α 1) over the sites, whatever their labels (Li et al. 2022, sec. IV).

    Draws that leave a site with fewer than ``least`` rows are repeated. Returns the site of every row, ``(n,)``; rows
    of one ``component`` ``(n,)`` stay on one site. Raises ``ArrayError`` for α ≤ 0, ``DataError``.

    >>> np.bincount(quantity(100, 4, alpha=0.5, seed=2)).tolist()
    [5, 67, 26, 2]
    """
    positive("alpha", alpha)
    check_sites(n, sites, least, component)
    return place(
        np.zeros(n, np.int64),
        lambda rng: n * rng.dirichlet(np.full(sites, alpha), size=1),
        least=least,
        component=component,
        seed=seed,
        hint=", or a larger alpha",
    )
