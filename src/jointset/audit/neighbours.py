"""Votes of neighbours: what the labels near a row say about it, without a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.errors import ArrayError, MissingExtra
from jointset.records import Floats

EXACT = 50_000  # rows up to which every distance is computed; beyond, an index of nearest neighbours is used
LINKS = 32  # of a row in the index (Malkov and Yashunin 2018, section 4)


def neighbour_votes(
    embedding: ArrayLike,
    labels: ArrayLike,
    n_classes: int,
    *,
    k: int = 10,
    groups: ArrayLike | None = None,
    spaces: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Shares of the labels of the ``k`` nearest other rows by cosine, as probabilities ``(n, n_classes)``.

    A view for ``find_label_errors``, where its weight is learnt. ``embedding`` is ``(n, d)``, ``labels`` ``(n,)``
    codes with -1 where missing (no vote). Rows of one group (``groups`` ``(n,)``: copies, one patient's scans) do not
    vote for each other. ``spaces`` ``(n,)`` keeps rows apart whose embeddings come from different models: the held-out
    rows of a fold share one. A vote of strength one goes to the classes' shares, so that nothing is impossible. Beyond
    50,000 rows in a space the neighbours are approximate and need ``jointset[neighbours]``. Raises ``ArrayError``.

    >>> points = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> neighbour_votes(points, [0, 0, 1, 1], 2, k=1).round(2)
    array([[0.75, 0.25],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.25, 0.75]], dtype=float32)
    """
    points, given = np.asarray(embedding, np.float32), np.asarray(labels)
    n = len(given)
    if points.ndim != 2 or len(points) != n or not np.isfinite(points).all():
        raise ArrayError(f"embedding must be finite numbers ({n}, d) like the labels, found {points.shape}")
    if (
        given.ndim != 1
        or given.dtype.kind not in "iu"
        or (n and (given.max() >= n_classes or given.min() < -1))
    ):
        raise ArrayError(
            f"labels must be codes (n,) from -1 (missing) to {n_classes - 1}, found {given.dtype}"
        )
    if k < 1:
        raise ArrayError(f"k must be at least 1, found {k}")
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    own = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    room = np.zeros(n, int) if spaces is None else np.unique(np.asarray(spaces), return_inverse=True)[1]
    known = given >= 0
    share = np.bincount(given[known], minlength=n_classes) / max(int(known.sum()), 1)
    share = share if known.any() else np.full(n_classes, 1 / n_classes)
    out = np.tile(share.astype(np.float32), (n, 1))
    for space in range(int(room.max(initial=-1)) + 1):
        rows, voters = np.flatnonzero(room == space), np.flatnonzero((room == space) & known)
        if len(voters):
            out[rows] = _shares(points, given, own, rows, voters, share, k)
    return out


def _shares(
    points: Floats, given: Any, own: Any, rows: Any, voters: Any, share: Floats, k: int
) -> NDArray[np.float32]:
    """Votes of ``voters`` for ``rows``; rows of the same group are asked for in excess and left out."""
    largest = int(np.bincount(own[voters]).max())
    near = voters[_nearest(points[voters], points[rows], min(k + min(largest, 5 * k), len(voters)))]
    foreign = own[near] != own[rows][:, None]
    foreign &= np.cumsum(foreign, axis=1) <= k
    counts = np.zeros((len(rows), len(share)), np.float32)
    place = np.nonzero(foreign)
    np.add.at(counts, (place[0], given[near[place]]), 1)
    counts += share.astype(np.float32)
    counts /= counts.sum(axis=1, keepdims=True)
    return counts


def _nearest(base: Floats, asked: Floats, m: int) -> NDArray[np.int64]:
    """Positions in ``base`` of the m nearest rows, nearest first, ``(n, m)``."""
    if len(base) <= EXACT:
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=m).fit(base).kneighbors(asked, return_distance=False)
        return np.asarray(found, np.int64)
    try:
        import faiss
    except ModuleNotFoundError as error:
        purpose = f"a search for neighbours among more than {EXACT:,} rows"
        raise MissingExtra("faiss-cpu", "neighbours", purpose) from error
    index = faiss.IndexHNSWFlat(base.shape[1], LINKS)
    index.add(base)
    return np.maximum(index.search(asked, m)[1], 0).astype(np.int64)
