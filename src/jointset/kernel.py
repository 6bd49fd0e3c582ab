"""A Gaussian kernel between rows, and the maximum mean discrepancy of groups of them."""

from __future__ import annotations

import numpy as np

from jointset.records import Floats


def gaussian(x: Floats) -> Floats:
    """The kernel ``(n, n)`` of rows ``(n, d)``, as wide as their median squared distance; zeros on the diagonal.

    >>> gaussian(np.array([[0.0], [1.0]])).round(2)
    array([[0.  , 0.37],
           [0.37, 0.  ]])
    """
    squared = (x**2).sum(axis=1)
    distance = np.maximum(squared[:, None] + squared[None, :] - 2 * x @ x.T, 0)
    width = float(np.median(distance[np.triu_indices(len(x), 1)])) or 1.0
    kernel = np.exp(-distance / width)
    np.fill_diagonal(kernel, 0)
    return np.asarray(kernel)


def discrepancies(kernel: Floats, members: Floats) -> Floats:
    """The unbiased square of the maximum mean discrepancy (Gretton et al. 2012, eq. 3) of every way ``(b, n)`` of
    parting the rows, 1 = in the second group; each way must have as many of them. ``(b,)``

    >>> discrepancies(gaussian(np.array([[0.0], [0.0], [9.0], [9.0]])), np.array([[0.0, 0, 1, 1]])).round(2)
    array([1.26])
    """
    m = members[0].sum()
    n = members.shape[1] - m
    inside = members @ kernel  # (b, n): kernel mass of every row to the second group
    one_one = (inside * members).sum(axis=1)
    one_two = inside.sum(axis=1) - one_one
    two_two = kernel.sum() - one_one - 2 * one_two
    return np.asarray(one_one / (m * (m - 1)) + two_two / (n * (n - 1)) - 2 * one_two / (m * n))
