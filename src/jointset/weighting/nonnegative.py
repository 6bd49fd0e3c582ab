"""Quadratic problems over the nonnegative orthant, many of one matrix at once."""

from __future__ import annotations

import numpy as np

from jointset.records import Floats

Flags = np.ndarray  # bool
EXCHANGES = 12  # of whole sets; problems that are not done by then are badly conditioned
ROUNDING = 1e-12


def solve_nonnegative(matrix: Floats, linear: Floats) -> Floats:
    """The minimisers of ½ xᵀMx + qᵀx over x ≥ 0, exactly, for every row q of ``linear``.

    First by block principal pivoting (Kim & Park 2011, algorithm 2): the set of free variables is exchanged with
    whatever breaks x ≥ 0 or Mx + q ≥ 0, all at once, which takes a handful of exchanges unless M is close to singular.
    What is left then is solved by the active-set method of Lawson & Hanson (1974, chapter 23), which goes downhill at
    every step and so always ends. All problems take each step together.

    Parameters
    ----------
    matrix
        ``(k, k)``, symmetric and positive definite.
    linear
        ``(n, k)``.

    Returns
    -------
    ``(n, k)``.

    >>> solve_nonnegative(np.eye(2), np.array([[-1.0, 2.0], [-1.0, -3.0]])).tolist()
    [[1.0, 0.0], [1.0, 3.0]]
    """
    x = np.zeros(linear.shape)
    free = np.zeros(linear.shape, dtype=bool)
    todo = np.arange(len(linear))
    for _ in range(EXCHANGES):
        broken = np.where(free[todo], x[todo] < 0.0, _falling(matrix, linear[todo], x[todo]))
        open_ = broken.any(axis=1)
        todo = todo[open_]
        if not len(todo):
            return x
        free[todo] ^= broken[open_]
        x[todo] = _on_free(matrix, linear[todo], free[todo])
    x[todo] = _active_set(matrix, linear[todo], np.maximum(x[todo], 0.0))
    return x


def _falling(matrix: Floats, linear: Floats, x: Floats) -> Flags:
    """Where the objective falls as a variable grows from zero, beyond rounding."""
    rounding = ROUNDING * (np.abs(linear) + x.sum(axis=1, keepdims=True))
    return x @ matrix + linear < -np.abs(rounding)


def _active_set(matrix: Floats, linear: Floats, start: Floats) -> Floats:
    """Lawson & Hanson from a feasible ``start``: walk to the minimiser on the free set, drop what blocks, add one."""
    n, k = linear.shape
    x, free = start.copy(), start > 0.0
    todo = np.arange(n)
    for _ in range(20 * k):
        goal = _on_free(matrix, linear[todo], free[todo])
        step, blocks = _walk(x[todo], goal, free[todo])
        moved = x[todo] + step[:, None] * (goal - x[todo])
        moved[blocks] = 0.0
        x[todo], free[todo] = moved, free[todo] & ~blocks
        slack = moved @ matrix + linear[todo]
        slack[free[todo] | ~_falling(matrix, linear[todo], moved)] = 0.0
        steepest = slack.argmin(axis=1)
        grows = ~blocks.any(axis=1) & (slack.min(axis=1) < 0.0)
        free[todo[grows], steepest[grows]] = True
        todo = todo[blocks.any(axis=1) | grows]
        if not len(todo):
            break
    return x


def _walk(x: Floats, goal: Floats, free: Flags) -> tuple[Floats, Flags]:
    """How far one can go from x to the goal within x ≥ 0, ``(n,)``, and which variables end at zero."""
    against = free & (goal <= 0.0)
    ratio = np.where(against, x / np.where(against, np.maximum(x - goal, 1e-300), 1.0), np.inf)
    step = np.minimum(ratio.min(axis=1, initial=np.inf), 1.0)
    return step, against & (ratio <= step[:, None])


def _on_free(matrix: Floats, linear: Floats, free: Flags) -> Floats:
    """The unconstrained minimisers with all but the free variables at zero; sets are padded to the largest."""
    n, k = linear.shape
    size = int(free.sum(axis=1).max(initial=0))
    x = np.zeros((n, k))
    if size == 0:
        return x
    index = np.argsort(~free, axis=1, kind="stable")[:, :size]  # (n, size)
    used = np.take_along_axis(free, index, axis=1)
    blocks = matrix[index[:, :, None], index[:, None, :]]
    blocks = np.where(used[:, :, None] & used[:, None, :], blocks, np.eye(size))
    right = np.where(used, -np.take_along_axis(linear, index, axis=1), 0.0)
    np.put_along_axis(x, index, np.linalg.solve(blocks, right[:, :, None])[:, :, 0], axis=1)
    return x
