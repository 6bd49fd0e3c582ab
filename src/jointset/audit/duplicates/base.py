"""Pairs of rows that are alike, and the groups they make."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jointset.records import Columns, Floats, Ints


@dataclass(frozen=True)
class Pairs(Columns):
    """Pairs of rows, ``first < second``, and how alike they are, 1 = equal."""

    first: Ints = field(metadata={"dtype": np.int64})
    second: Ints = field(metadata={"dtype": np.int64})
    similarity: Floats = field(metadata={"dtype": np.float64})

    @classmethod
    def of(cls, a: Ints, b: Ints, similarity: Floats) -> Pairs:
        """Distinct pairs, whichever way round they come, in the order of their rows.

        >>> Pairs.of(np.array([2, 1]), np.array([1, 2]), np.array([0.9, 0.9])).first.tolist()
        [1]
        """
        first, second = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((-similarity, second, first))
        first, second, similarity = first[order], second[order], similarity[order]
        new = np.ones(len(first), bool)
        new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        new &= first != second
        return cls(
            first[new].astype(np.int64), second[new].astype(np.int64), similarity[new].astype(np.float64)
        )


def grouped(n: int, first: Ints, second: Ints) -> Ints:
    """The group of every row, ``(n,)``, when pairs are joined, in the order of first rows.

    >>> grouped(4, np.array([0]), np.array([2])).tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    return in_order(connected_components(edges.tocsr(), directed=False)[1])


def in_order(codes: NDArray[np.integer]) -> Ints:
    """The same groups, numbered in the order of their first rows.

    >>> in_order(np.array([5, 2, 5])).tolist()
    [0, 1, 0]
    """
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def together(buckets: NDArray[np.uint64], most: int = 40) -> tuple[Ints, Ints]:
    """Pairs of rows of one bucket; in a bucket of more than ``most`` rows, every row with the ``most`` after it.

    >>> together(np.array([7, 8, 7], np.uint64))
    (array([0]), array([2]))
    """
    order = np.argsort(buckets, kind="stable")
    ordered = buckets[order]
    left, right = [], []
    for step in range(1, min(most, len(order) - 1) + 1):
        same = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(same):
            break
        left.append(order[same])
        right.append(order[same + step])
    if not left:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(left), np.concatenate(right)


def distinct(a: Ints, b: Ints) -> tuple[Ints, Ints]:
    """Pairs without repetition, the smaller row first.

    >>> distinct(np.array([2, 1]), np.array([1, 2]))
    (array([1]), array([2]))
    """
    pairs = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]
