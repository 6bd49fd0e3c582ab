"""Task weights as points: K weights of mean 1 are K − 1 free numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np

from jointset.records import Floats


def basis(k: int) -> Floats:
    """Orthonormal rows ``(k - 1, k)``, each summing to 0: the isometric log-ratio basis (Egozcue et al. 2003, eq. 18).

    >>> basis(3).round(3).tolist()
    [[0.707, -0.707, 0.0], [0.408, 0.408, -0.816]]
    """
    rows = np.tril(np.ones((k - 1, k)))
    rows[np.arange(k - 1), np.arange(1, k)] = -np.arange(1, k)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def to_weights(point: Floats) -> Floats:
    """Weights ``(..., k)`` of mean 1 at coordinates ``(..., k - 1)``; the origin is equal weights.

    >>> to_weights(np.array([0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0]
    """
    point = np.asarray(point, float)
    logs = point @ basis(point.shape[-1] + 1)  # (..., k)
    weights = np.exp(logs - logs.max(-1, keepdims=True))
    return weights / weights.mean(-1, keepdims=True)


def to_point(weights: Floats) -> Floats:
    """Coordinates ``(..., k - 1)`` of positive weights ``(..., k)``, whatever their mean.

    >>> to_point(np.array([2.0, 2.0])).tolist()
    [0.0]
    """
    weights = np.asarray(weights, float)
    return np.log(weights) @ basis(weights.shape[-1]).T


def from_cube(cube: Floats, span: float) -> Floats:
    """Weights ``(..., k)`` of mean 1 at points ``(..., k - 1)`` of the cube from −1 to 1.

    Each ray from the centre is stretched so that the cube covers the weights whose largest is at most ``span`` times
    the smallest, each once: no two points are the same weights, and those on the surface have the ratio ``span``.

    >>> from_cube(np.array([1.0]), 3.0).round(6).tolist(), from_cube(np.array([0.0, 0.0]), 3.0).tolist()
    ([1.5, 0.5], [1.0, 1.0, 1.0])
    """
    cube = np.asarray(cube, float)
    return to_weights(cube * _safe_ratio(np.abs(cube).max(-1, keepdims=True), _reach(cube, span)))


def to_cube(weights: Floats, span: float) -> Floats:
    """The point ``(..., k - 1)`` of the cube at which weights ``(..., k)`` stand.

    >>> to_cube(np.array([1.5, 0.5]), 3.0).round(6).tolist()
    [1.0]
    """
    point = to_point(weights)
    return point * _safe_ratio(_reach(point, span), np.abs(point).max(-1, keepdims=True))


def _reach(point: Floats, span: float) -> Floats:
    """The log of the largest ratio of weights at ``point`` over that of ``span``, ``(..., 1)``."""
    return np.ptp(point @ basis(point.shape[-1] + 1), axis=-1, keepdims=True) / math.log(span)


def _safe_ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.ones_like(a), where=b > 0)


def lattice_size(k: int, levels: int) -> int:
    """Points of :func:`lattice`.

    >>> lattice_size(2, 5), lattice_size(3, 3), lattice_size(4, 2)
    (9, 19, 15)
    """
    return int(levels**k - (levels - 1) ** k)


def lattice(k: int, levels: int, span: float) -> Floats:
    """Every distinct set of weights ``(n, k)`` of mean 1 whose ratios are powers of one step, equal weights first.

    A task's weight before normalisation is ``step ** l`` with l in 0 … levels − 1. Two patterns that differ by a
    factor common to all tasks are one point, so only those with a task at level 0 are kept. ``levels`` steps cover
    ``span``, and two levels its root, as a grid of the two extremes would tell nothing.

    >>> lattice(2, 3, 100.0).round(2).tolist()
    [[1.0, 1.0], [0.18, 1.82], [1.82, 0.18], [0.02, 1.98], [1.98, 0.02]]
    """
    step = span ** (1.0 / max(levels - 1, 2))
    patterns = [p for p in itertools.product(range(levels), repeat=k) if min(p) == 0]
    found = step ** np.array(sorted(patterns, key=lambda p: (max(p), sum(p), p)), float)
    return found / found.mean(1, keepdims=True)


def star(k: int, ratio: float) -> Floats:
    """``(k, k)`` weights of mean 1, where each task in turn weighs ``ratio`` times the others.

    >>> star(2, 3.0).tolist()
    [[1.5, 0.5], [0.5, 1.5]]
    """
    found = np.where(np.eye(k, dtype=bool), ratio, 1.0)
    return found / found.mean(1, keepdims=True)
