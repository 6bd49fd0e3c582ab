"""Label skew: each site has a mixture of classes of its own, drawn by Dirichlet, and all sites one size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import as_labels, check_sites, n_classes, place, positive, with_unknown
from jointset.records import Floats, Ints


def mixture(
    label: ArrayLike,
    sites: int,
    *,
    alpha: float,
    least: int = 1,
    component: Ints | None = None,
    seed: int = 0,
) -> Ints:
    """Draw every site's shares of the classes, q ~ Dir(α p), and fill all to one size (Hsu et al. 2019, sec. 3).

    ``p`` are the shares of the classes among all rows. Rows are drawn without replacement; a class that has run out
    is taken out and the shares of the others grow, as in the paper's data. As everything is handed out, the sites
    that are filled last get what is left over. Parameters, returns and errors are those of
    :func:`~jointset.data.sites.dirichlet.dirichlet`.

    >>> site = mixture(np.repeat([0, 1, 2], 40), 4, alpha=0.2)
    >>> np.bincount(site).tolist()
    [30, 30, 30, 30]
    """
    positive("alpha", alpha)
    codes, k = as_labels(label), n_classes(label)
    check_sites(len(codes), sites, least, component)
    counts = np.bincount(codes, minlength=k)
    unknown = int(counts[k:].sum())

    def draw(rng: np.random.Generator) -> Floats:
        return with_unknown(mixed_counts(counts[:k], sites, alpha, rng).astype(float), unknown)

    return place(codes, draw, least=least, component=component, seed=seed)


def mixed_counts(counts: Ints, sites: int, alpha: float, rng: np.random.Generator) -> Ints:
    """Rows of each class at each site, ``(K, P)``; rows sum to ``counts`` ``(K,)``, columns are equal to within one.

    >>> mixed_counts(np.array([6, 4]), 2, 1.0, np.random.default_rng(0)).sum(0).tolist()
    [5, 5]
    """
    left = counts.astype(np.int64)
    found = np.zeros((len(counts), sites), np.int64)
    prior = counts / counts.sum()
    sizes = np.full(sites, left.sum() // sites)
    sizes[: left.sum() % sites] += 1
    for j, size in enumerate(sizes):
        shares = np.zeros(len(counts))
        shares[prior > 0] = rng.dirichlet(alpha * prior[prior > 0] + 1e-9)
        while (short := size - found[:, j].sum()) > 0:
            open_ = np.where(left > 0, shares, 0.0)
            if open_.sum() <= 1e-12:
                open_ = left / left.sum()
            taken = np.minimum(rng.multinomial(short, open_ / open_.sum()), left)
            found[:, j] += taken
            left -= taken
    return found
