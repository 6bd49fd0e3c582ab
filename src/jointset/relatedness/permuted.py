"""What chance says of two tasks: the labels of one, permuted among the rows that both carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from jointset.records import Bools, Floats, Ints
from jointset.relatedness.columns import Array, known, varied
from jointset.relatedness.pairs import best_per_part, level

PERMUTATIONS = 19

Drawn = Callable[[Sequence[Array], Sequence[Array], Ints], Floats]
"""Parts of the source and of the target on shared rows, orders ``(B, n)`` → the measure ``(B, parts, parts)``."""


def shared(source: Sequence[Array], target: Sequence[Array]) -> Bools:
    """The rows ``(n,)`` on which both tasks have any label."""
    there = [np.any([known(p) for p in parts], axis=0) for parts in (source, target)]
    return np.asarray(there[0] & there[1])


def permuted_level(
    source: Sequence[Array], target: Sequence[Array], drawn: Drawn, permutations: int, seed: int
) -> float:
    """The level that one in twenty permutations of the target's shared rows exceeds; a label set's go together."""
    rows = shared(source, target)
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(int(rows.sum())) for _ in range(permutations)])
    found = drawn([p[rows] for p in source], [p[rows] for p in target], orders)
    return level(np.array([best_per_part(d) for d in found]))


def blocks(
    source: Sequence[Array], target: Sequence[Array], orders: Ints
) -> Iterator[tuple[int, int, Floats]]:
    """For each part of the source and of the target the counts ``(B, K_source, K_target)`` when the target's rows are
    put in each of the orders ``(B, n)``; of a number its presence, sum and sum of squares stand for classes.

    One product of matrices gives those of all parts and orders.
    """
    (left, a), (right, b) = _encoded(source), _encoded(target)
    product = np.stack([left.T @ right[order] for order in orders])  # (B, columns, columns)
    for i, j in np.ndindex(len(source), len(target)):
        yield i, j, product[:, a[i], b[j]]


def _encoded(columns: Sequence[Array]) -> tuple[Floats, list[slice]]:
    """Parts side by side ``(n, d)`` with the place of each: indicators of classes, or of a number its presence, value
    and square."""
    made = []
    for column in columns:
        there = known(column)
        if column.dtype.kind == "f":
            value = np.zeros(len(column))
            if there.any() and varied(column[there, None])[0]:
                value[there] = (column[there] - column[there].mean()) / column[there].std()
            made.append(np.stack([there.astype(float), value, value**2], axis=1))
        else:
            made.append((column[:, None] == np.unique(column[there])).astype(float))
    ends = np.cumsum([0, *(m.shape[1] for m in made)])
    return np.concatenate(made, axis=1), [slice(a, b) for a, b in pairwise(ends)]
