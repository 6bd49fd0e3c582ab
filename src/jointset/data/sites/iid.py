"""Sites of equal size and like distribution."""

from __future__ import annotations

import numpy as np

from jointset.data.sites.base import check_sites, place
from jointset.records import Ints


def iid(n: int, sites: int, *, least: int = 1, component: Ints | None = None, seed: int = 0) -> Ints:
    """Draw the site of each of ``n`` rows evenly, sizes equal to within a row; returns ``(n,)`` codes from 0.

    ``least`` is the fewest rows of a site; rows of one ``component`` ``(n,)`` stay on one site. Raises ``DataError``
    where the rows do not suffice.

    >>> np.bincount(iid(10, 3)).tolist()
    [4, 3, 3]
    """
    check_sites(n, sites, least, component)
    wanted = np.full((1, sites), n / sites)
    return place(np.zeros(n, np.int64), lambda rng: wanted, least=least, component=component, seed=seed)
