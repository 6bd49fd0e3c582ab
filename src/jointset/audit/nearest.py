"""The nearest rows of every row: faiss where it is installed, else scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import as_points
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

EXACT = 20_000  # rows up to which every distance is computed
PROBED = 0.03  # share of the cells that are searched, beyond
SAMPLE = 64  # rows per cell that the cells are learnt from


def nearest(
    embedding: ArrayLike, k: int = 10, *, asked: ArrayLike | None = None, seed: int = 0
) -> tuple[Floats, Ints]:
    """Euclidean distances to the ``k`` nearest rows and their positions, ``(n, k)`` each, nearest first.

    Without ``asked`` the rows are those of ``embedding`` itself and no row is its own neighbour. Beyond 20,000 rows and
    with faiss (``pip install "jointset[neighbours]"``) the search is approximate: an inverted file of √n cells, of
    which 3 % are searched (Jégou et al. 2011); without faiss it is exact and takes longer. Raises ``ArrayError``.

    >>> nearest([[0.0], [1.0], [3.0]], 1)[1].ravel().tolist()
    [1, 0, 1]
    """
    base = as_points(embedding, least=2)
    own = asked is None
    rows = base if asked is None else as_points(asked, "asked")
    if rows.shape[1] != base.shape[1]:
        raise ArrayError(f"asked has {rows.shape[1]} columns, the embedding {base.shape[1]}")
    if k < 1:
        raise ArrayError(f"k must be at least 1, found {k}")
    most = min(k + own, len(base))
    distance, place = _search(base, rows, most, seed)
    if own:
        distance, place = _others(distance, place)
    return distance[:, :k], place[:, :k]


def _others(distance: Floats, place: Ints) -> tuple[Floats, Ints]:
    """Take every row out of its own list, or, where copies stood before it, the last of the list."""
    n, m = place.shape
    own = place == np.arange(n)[:, None]
    own[~own.any(axis=1), m - 1] = True
    keep = ~own
    return distance[keep].reshape(n, m - 1), place[keep].reshape(n, m - 1)


def _search(base: NDArray[np.float32], rows: NDArray[np.float32], k: int, seed: int) -> tuple[Floats, Ints]:
    if len(base) > EXACT:
        faiss = _faiss()
        if faiss is not None:
            return _cells(faiss, base, rows, k, seed)
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k).fit(base).kneighbors(rows)
    return found[0].astype(np.float32), found[1].astype(np.int64)


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError:
        return None
    return faiss


def _cells(
    faiss: Any, base: NDArray[np.float32], rows: NDArray[np.float32], k: int, seed: int
) -> tuple[Floats, Ints]:
    cells = int(np.sqrt(len(base)))
    quantiser = faiss.IndexFlatL2(base.shape[1])
    index = faiss.IndexIVFFlat(quantiser, base.shape[1], cells)
    index.cp.seed, index.cp.niter = seed + 1, 8
    sample = np.random.default_rng(seed).permutation(len(base))[: cells * SAMPLE]
    index.train(np.ascontiguousarray(base[np.sort(sample)]))
    index.add(np.ascontiguousarray(base))
    index.nprobe = max(8, round(PROBED * cells))
    squared, place = index.search(np.ascontiguousarray(rows), k)
    absent = place < 0  # fewer rows than k in the cells that were searched
    place[absent] = np.broadcast_to(place[:, :1], place.shape)[absent]
    last = np.where(absent, 0, squared).max(axis=1, keepdims=True)
    squared = np.where(absent, last, np.maximum(squared, 0))
    return np.sqrt(squared), place.astype(np.int64)
