"""Images that are dark, bright, blurred, of one colour, or of an odd size or shape."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import Checked
from jointset.audit.media.base import told
from jointset.records import Floats

DARK, BRIGHT = 0.1, 0.9
FLAT = 0.02  # standard deviation of the grey values
BLURRED = 8.0  # times less detail than usual
ODD_SHAPE, ODD_SIZE = 3.0, 4.0  # times the usual ratio of sides, times the usual length of a side


def broken_images(images: Iterable[NDArray[np.uint8] | None], *, given: ArrayLike | None = None) -> Checked:
    """Find images that cannot be read or seen.

    ``images`` are ``(h, w)`` or ``(h, w, 3)`` of 0 … 255, ``None`` where missing or not readable; ``given`` ``(n,)``
    says which there should be. Codes: ``unreadable``; ``image_flat`` (one colour: spread of the greys below 0.02);
    ``image_dark`` and ``image_bright`` (the brightest 1 % below 0.1, the darkest 1 % above 0.9); ``image_blurred`` (the
    variance of the Laplacian, Pech-Pacheco et al. 2000, as a share of that of the greys, eight times below the median);
    ``image_odd_shape`` and ``image_odd_size`` (three and four times off the median ratio and side).

    >>> rng = np.random.default_rng(0)
    >>> pictures = [rng.integers(0, 255, (16, 16), dtype=np.uint8) for _ in range(9)]
    >>> broken_images([*pictures, np.zeros((16, 16), np.uint8), None], given=[True] * 11).findings.code.tolist()
    ['unreadable', 'image_flat']
    """
    rows = [_measure(i) for i in images]
    table = np.array([r if r is not None else [np.nan] * 6 for r in rows]).reshape(-1, 6)
    n, readable = len(rows), np.array([r is not None for r in rows], bool)
    there = readable if given is None else np.asarray(given, bool)
    height, width, spread, low, high, detail = table.T
    shape, side = np.log(width / height), np.log(np.sqrt(width * height))
    if readable.any():
        shape, side = shape - np.nanmedian(shape), side - np.nanmedian(side)
    flat = readable & (spread < FLAT)
    seen = readable & ~flat
    usual = float(np.median(detail[seen])) if seen.any() else 0.0
    off = np.zeros(n)
    marks = {
        "unreadable": (there & ~readable, off, off),
        "image_flat": (flat, spread, spread / FLAT / 2),
        "image_dark": (seen & (high < DARK), high, high / DARK / 2),
        "image_bright": (seen & (low > BRIGHT), low, (1 - low) / (1 - BRIGHT) / 2),
        "image_blurred": (seen & (detail < usual / BLURRED), detail, _ratio(detail, usual / BLURRED)),
        "image_odd_shape": (
            readable & (np.abs(shape) > np.log(ODD_SHAPE)),
            np.exp(shape),
            _odd(shape, ODD_SHAPE),
        ),
        "image_odd_size": (readable & (np.abs(side) > np.log(ODD_SIZE)), np.exp(side), _odd(side, ODD_SIZE)),
    }
    return told(marks, n, "images", there)


def _measure(image: NDArray[np.uint8] | None) -> list[float] | None:
    if image is None or not image.size:
        return None
    grey = image.astype(np.float64) / 255
    grey = grey[..., :3].mean(axis=2) if grey.ndim == 3 else grey
    low, high = np.quantile(grey, [0.01, 0.99])
    return [*map(float, grey.shape), float(grey.std()), float(low), float(high), _detail(grey)]


def _detail(grey: NDArray[np.float64]) -> float:
    """Variance of the Laplacian over that of the greys."""
    if min(grey.shape) < 3:
        return float("inf")
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / max(grey.var(), 1e-9))


def _ratio(value: Floats, bound: float) -> Floats:
    return value / max(bound, 1e-12) / 2


def _odd(log: Floats, bound: float) -> Floats:
    return np.log(bound) / np.maximum(np.abs(log), 1e-9) / 2
