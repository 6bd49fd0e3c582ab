"""Label skew: rows in the order of their labels, cut into shards, a few shards per site."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import as_labels, check_sites, n_classes, place
from jointset.errors import DataError
from jointset.records import Floats, Ints


def shards(
    label: ArrayLike,
    sites: int,
    *,
    each: int = 2,
    least: int = 1,
    component: Ints | None = None,
    seed: int = 0,
) -> Ints:
    """Sort rows by label, cut them into ``sites × each`` shards, give a site ``each`` (McMahan et al. 2017, sec. 3).

    Most sites then hold ``each`` classes, some up to twice as many, where a shard holds the end of one class and the
    start of the next. ``label`` is ``(n,)`` class codes, -1 = unknown (sorted last). Returns the site of every row,
    ``(n,)``; rows of one ``component`` ``(n,)`` stay on one site, and shards are then kept as nearly as that allows.
    Raises ``DataError``.

    >>> site = shards(np.repeat([0, 1, 2, 3], 10), 4, each=1, seed=0)
    >>> np.bincount(site).tolist(), len(set(site[:10].tolist()))
    ([10, 10, 10, 10], 1)
    """
    if each < 1:
        raise DataError(f"each is {each}; a site has 1 shard at least")
    codes, k = as_labels(label), n_classes(label)
    check_sites(len(codes), sites, least, component)
    n = len(codes)
    if sites * each > n:
        raise DataError(
            f"{sites:,} sites × {each:,} shards are more than the {n:,} rows; ask for fewer of either"
        )
    counts = np.bincount(codes, minlength=k)

    def draw(rng: np.random.Generator) -> Floats:
        owner = rng.permutation(np.repeat(np.arange(sites), each))  # (shards,)
        shard = np.arange(n) * len(owner) // n  # of the sorted rows
        wanted = np.zeros((len(counts), sites))
        np.add.at(wanted, (np.repeat(np.arange(len(counts)), counts), owner[shard]), 1.0)
        return wanted

    return place(codes, draw, least=least, component=component, seed=seed)
