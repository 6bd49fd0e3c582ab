"""Sounds: log spectra in bands, over time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from jointset.audit.features.images import reduced

BANDS, PARTS, WINDOW = 24, 8, 256


def sound_features(sounds: Iterable[NDArray[np.floating] | None], *, width: int = 64) -> NDArray[np.float32]:
    """An embedding ``(n, ≤ width)`` of mono samples ``(m,)`` in [-1, 1] at one rate; ``None`` gives zeros.

    Energy in 24 bands that widen with the frequency, in dB below the loudest, in eight parts of the clip's time, with
    each band's mean and spread over the clip and the clip's length; then principal components.

    >>> tone = np.sin(np.arange(2000) / 5).astype(np.float32)
    >>> sound_features([tone, -tone, None, np.zeros(0, np.float32)], width=2).shape
    (4, 2)
    """
    rows = [None if s is None or not len(s) else describe(np.asarray(s, np.float32)) for s in sounds]
    known = np.array([r is not None for r in rows], bool)
    if not known.any():
        return np.zeros((len(rows), 1), np.float32)
    points = reduced(np.stack([r for r in rows if r is not None]), width)
    out = np.zeros((len(rows), points.shape[1]), np.float32)
    out[known] = points
    return out


def describe(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The description of one sound before principal components, ``(241,)``.

    >>> describe(np.zeros(1000, np.float32)).shape
    (241,)
    """
    padded = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: WINDOW // 2]
    power = (
        np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32))) ** 2
    )  # (frames, WINDOW / 2 + 1)
    edges = np.unique(np.round(np.geomspace(1, WINDOW // 2 + 1, 3 * BANDS)).astype(int))
    edges = edges[np.linspace(0, len(edges) - 1, BANDS + 1).round().astype(int)]
    bands = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    loud = 10 * np.log10(bands + 1e-10)
    loud = np.maximum(loud - loud.max(), -80.0) / 20
    part = np.arange(len(loud)) * PARTS // len(loud)
    slices = [loud[part == p].mean(0) if (part == p).any() else loud.mean(0) for p in range(PARTS)]
    return np.concatenate([*slices, loud.mean(0) * 2, loud.std(0) * 2, [np.log(len(samples))]]).astype(
        np.float32
    )
