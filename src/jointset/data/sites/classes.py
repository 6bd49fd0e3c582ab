"""Label skew: every site has the same number of classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import as_labels, check_sites, n_classes, place, with_unknown
from jointset.errors import DataError
from jointset.records import Bools, Floats, Ints


def classes(
    label: ArrayLike,
    sites: int,
    *,
    each: int = 2,
    least: int = 1,
    component: Ints | None = None,
    seed: int = 0,
) -> Ints:
    """Give every site ``each`` classes and share out a class evenly among its sites (Li et al. 2022, "#C = k").

    Each class has a site where ``sites × each`` is at least the number of classes, which is required: no row is left
    over. ``label`` is ``(n,)`` class codes, -1 = unknown, spread as the labelled rows are. Returns the site of every
    row, ``(n,)``; rows of one ``component`` ``(n,)`` stay on one site, which may bring further classes to a site where
    such rows have several labels. Raises ``DataError``.

    >>> site = classes(np.repeat([0, 1, 2, 3], 10), 4, each=2)
    >>> [len(np.unique(np.repeat([0, 1, 2, 3], 10)[site == j])) for j in range(4)]
    [2, 2, 2, 2]
    """
    codes, k = as_labels(label), n_classes(label)
    check_sites(len(codes), sites, least, component)
    counts = np.bincount(codes, minlength=k)
    present = np.flatnonzero(counts[:k])
    if not 1 <= each <= len(present):
        raise DataError(f"each is {each}; a site can have 1 to {len(present)} of the {len(present)} classes")
    if sites * each < len(present):
        raise DataError(
            f"{sites} sites × {each} classes are fewer than the {len(present)} classes, so rows would be left over; "
            f"ask for at least {-(-len(present) // each)} sites"
        )
    unknown = int(counts[k:].sum())

    def draw(rng: np.random.Generator) -> Floats:
        owns = np.zeros((k, sites), bool)
        owns[present] = owners(len(present), sites, each, rng)
        return with_unknown(counts[:k, None] * owns / np.maximum(owns.sum(1), 1)[:, None], unknown)

    return place(codes, draw, least=least, component=component, seed=seed)


def owners(n: int, sites: int, each: int, rng: np.random.Generator) -> Bools:
    """Which site has which of ``n`` classes, ``(n, sites)``: ``each`` per site, and every class about equally often.

    >>> owners(4, 6, 2, np.random.default_rng(0)).sum(0).tolist()
    [2, 2, 2, 2, 2, 2]
    """
    owns = np.zeros((n, sites), bool)
    for j in rng.permutation(sites):
        order = np.lexsort((rng.random(n), owns.sum(1)))  # the classes that fewest sites have, first
        owns[order[:each], j] = True
    return owns
