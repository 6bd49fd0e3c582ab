"""Images: small pictures, their edges and their colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 16
CELLS, TURNS = 4, 8


def image_features(images: Iterable[NDArray[np.uint8] | None], *, width: int = 64) -> NDArray[np.float32]:
    """An embedding ``(n, ≤ width)`` of images ``(h, w)`` or ``(h, w, 3)`` of 0 … 255; ``None`` gives zeros.

    Grey values at 16 × 16, histograms of edge directions in 4 × 4 cells (Dalal and Triggs 2005, one cell a block), and
    mean and spread of every colour, each standardised as a whole; then principal components.

    >>> rng = np.random.default_rng(0)
    >>> image_features([rng.integers(0, 255, (20, 30), dtype=np.uint8) for _ in range(9)], width=4).shape
    (9, 4)
    """
    rows = [None if image is None else describe(np.asarray(image)) for image in images]
    known = np.array([r is not None for r in rows], bool)
    if not known.any():
        return np.zeros((len(rows), 1), np.float32)
    points = np.stack([r for r in rows if r is not None])
    points = reduced(points, width)
    out = np.zeros((len(rows), points.shape[1]), np.float32)
    out[known] = points
    return out


def describe(image: NDArray[Any]) -> NDArray[np.float32]:
    """The description of one image before principal components, ``(390,)``.

    >>> describe(np.zeros((8, 8), np.uint8)).shape
    (390,)
    """
    grey = small(image, SIDE)
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    turn = ((np.arctan2(down, right) % np.pi) / np.pi * TURNS).astype(int) % TURNS
    cell = np.arange(SIDE) * CELLS // SIDE
    place = (cell[:, None] * CELLS + cell[None, :]) * TURNS + turn
    edges = np.bincount(place.ravel(), weights=strength.ravel(), minlength=CELLS * CELLS * TURNS)
    edges = np.sqrt(edges / (edges.sum() + 1e-3))
    colours = image.reshape(-1, image.shape[2])[:, :3] if image.ndim == 3 else image.reshape(-1, 1)
    tone = np.concatenate([np.broadcast_to(f(colours / 255.0, axis=0), 3) for f in (np.mean, np.std)])
    return np.concatenate([grey.ravel() / 16, edges, tone]).astype(np.float32)


def small(image: NDArray[Any], side: int) -> NDArray[np.float64]:
    """The mean grey values of ``side × side`` equal parts, in [0, 1].

    >>> small(np.array([[0, 255], [0, 255]], np.uint8), 1).tolist()
    [[0.5]]
    """
    grey = image.astype(np.float64) / 255.0
    if grey.ndim == 3:
        grey = grey[:, :, :3].mean(axis=2)
    return _pooled(_pooled(grey, side).T, side).T


def _pooled(values: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Means of ``parts`` equal stretches of the rows, fractions of a row included: differences of the running sum."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    edges = np.linspace(0, len(values), parts + 1)
    whole = np.minimum(edges.astype(int), len(values) - 1)
    at = total[whole] + (edges - whole)[:, None] * (total[whole + 1] - total[whole])
    return np.diff(at, axis=0) * parts / len(values)


def reduced(points: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The first principal components, at most ``width`` of them.

    >>> reduced(np.eye(3), 2).shape
    (3, 2)
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(
        centred.T @ centred
    )  # few columns, so the covariance is small; exact, and needs no seed
    axes = axes[:, ::-1][:, : min(width, *points.shape)]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return (centred @ (axes * signs)).astype(np.float32)
