"""Feature shift: sites are clusters of the rows' features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import check_sites, keep_together
from jointset.errors import ArrayError, DataError
from jointset.records import Floats, Ints


def clusters(
    features: ArrayLike, sites: int, *, least: int = 1, component: Ints | None = None, seed: int = 0
) -> Ints:
    """Put every row of ``features`` ``(n, d)`` on the site of its cluster, found by k-means on standardised columns.

    Sites then differ in what their rows look like, and in their labels only as far as those follow. Columns without
    spread count for nothing, missing values (NaN) stand at the mean. Returns ``(n,)``, the largest site first; a
    ``component`` ``(n,)`` goes where most of its rows are. Raises ``ArrayError`` and ``DataError``, the latter also
    where a cluster has fewer than ``least`` rows.

    >>> x = np.r_[np.zeros(6), np.ones(4)][:, None]
    >>> clusters(x, 2).tolist()
    [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    """
    x = standardised(features)
    check_sites(len(x), sites, least, component)
    distinct = len(np.unique(x, axis=0))
    if distinct < sites:
        raise DataError(f"{sites} sites, and only {distinct} distinct rows in the columns; name more columns")
    from sklearn.cluster import KMeans

    found = KMeans(sites, n_init=10, random_state=seed).fit(x).labels_.astype(np.int64)
    site = keep_together(found, component)
    sizes = np.bincount(site, minlength=sites)
    if sizes.min() < least:
        raise DataError(
            f"the smallest of {sites} clusters has {int(sizes.min()):,} rows, and {least:,} are asked for; "
            "ask for fewer sites, a smaller least size or other columns"
        )
    rank = np.empty(sites, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sites)
    return rank[site]


def standardised(features: ArrayLike) -> Floats:
    """Columns ``(n, d)`` of mean 0 and deviation 1, NaN at 0; those without spread are 0 throughout."""
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or not x.size:
        raise ArrayError(f"features must be (n, d), found shape {x.shape}")
    known = np.isfinite(x)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, x, 0).sum(0) / count
    spread = np.sqrt(np.where(known, (x - mean) ** 2, 0).sum(0) / count)
    kept = spread > 1e-12 * np.where(known, np.abs(x), 0).max(0)
    return np.asarray(np.where(known & kept, (x - mean) / np.where(kept, spread, 1), 0))
