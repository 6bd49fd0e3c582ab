"""Feature shift: every site measures with its own noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jointset.data.sites.base import positive
from jointset.records import Floats, Ints


def levels(sites: int, sigma: float) -> Floats:
    """Noise of every site, ``(P,)``: from 0 at the first in equal steps to ``sigma`` at the last.

    The scheme of Li et al. (2022, sec. IV), with the first site left clean. Raises ``ArrayError`` for σ ≤ 0.

    >>> levels(3, 0.5).tolist()
    [0.0, 0.25, 0.5]
    """
    return np.linspace(0.0, positive("sigma", sigma), sites)


def noisy(values: Floats, site: Ints, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Values ``(n, …)`` with Gaussian noise of each row's site; NaN stays NaN.

    ``sigma`` ``(P,)`` is in standard deviations of a column.

    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> noisy(x, np.array([0, 0, 1]), np.array([0.0, 1.0]), np.random.default_rng(0))[:2].tolist()
    [[1.0], [2.0]]
    """
    spread = np.nanstd(values, axis=0) if len(values) else 0.0
    scale = sigma[site].reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(values + scale * spread * rng.normal(size=values.shape))


def noisy_pixels(pixels: NDArray[np.uint8], level: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pixels with Gaussian noise of deviation ``level``, a share of white, clipped to 0…255.

    >>> noisy_pixels(np.zeros((2, 2), np.uint8), 0.0, np.random.default_rng(0)).max().item()
    0
    """
    if level == 0:
        return pixels
    changed = pixels + rng.normal(0.0, 255 * level, size=pixels.shape)
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)
