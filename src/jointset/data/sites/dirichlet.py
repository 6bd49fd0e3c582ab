"""Label skew: each class is shared out among the sites by a Dirichlet draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import as_labels, check_sites, n_classes, place, positive, with_unknown
from jointset.records import Floats, Ints


def dirichlet(
    label: ArrayLike,
    sites: int,
    *,
    alpha: float,
    least: int = 1,
    component: Ints | None = None,
    seed: int = 0,
) -> Ints:
    """Share out the rows of every class k by p_k ~ Dir(α 1) over the sites, independently of the other classes.

    The way of Yurochkin et al. (2019, sec. 4) and of Li et al. (2022, NIID-Bench). Sizes differ as well; draws that
    leave a site with fewer than ``least`` rows are repeated, which narrows the law a little where ``least`` is large.
    See :func:`~jointset.data.sites.expected.dirichlet_share` for what is to be expected.

    Parameters
    ----------
    label : ``(n,)`` class codes, -1 = unknown; rows without a label follow the sizes of the sites.
    sites : how many, 2 or more.
    alpha : concentration, above 0: small is skewed, large is even.
    least : fewest rows of a site.
    component : ``(n,)``; rows of one component stay on one site.

    Returns the site of every row, ``(n,)`` codes from 0. Raises ``ArrayError`` and ``DataError``.

    >>> site = dirichlet(np.repeat([0, 1], 50), 4, alpha=0.3, seed=1)
    >>> np.bincount(site).tolist(), np.bincount(site[:50], minlength=4).tolist()
    ([3, 54, 37, 6], [3, 45, 1, 1])
    """
    positive("alpha", alpha)
    codes, k = as_labels(label), n_classes(label)
    check_sites(len(codes), sites, least, component)
    counts = np.bincount(codes, minlength=k)
    unknown = int(counts[k:].sum())

    def draw(rng: np.random.Generator) -> Floats:
        return with_unknown(counts[:k, None] * rng.dirichlet(np.full(sites, alpha), size=k), unknown)

    return place(codes, draw, least=least, component=component, seed=seed, hint=", or a larger alpha")
