"""Sounds that are silent, clipped, off centre, or of an odd length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import Checked
from jointset.audit.media.base import told
from jointset.records import Floats

SILENT = 1e-3  # root mean square, 60 dB below full scale
CLIPPED = 0.005  # share of the samples that stand at the peak, side by side
OFFSET = 0.1
ODD = 8.0  # times the usual length


def broken_sounds(
    sounds: Iterable[NDArray[np.floating] | None], *, given: ArrayLike | None = None
) -> Checked:
    """Find sounds that cannot be read or heard.

    ``sounds`` are mono samples ``(m,)`` in [-1, 1], ``None`` where missing or not readable; ``given`` ``(n,)`` says
    which there should be. Codes: ``unreadable``; ``audio_empty`` (no sample); ``audio_silent`` (below -60 dB of full
    scale); ``audio_clipped`` (0.5 % of the samples or more are at the peak beside another that is); ``audio_offset``
    (mean beyond a tenth); ``audio_odd_length`` (eight times the median or an eighth).

    >>> tone = np.sin(np.arange(800) / 9)
    >>> broken_sounds([tone, tone * 1e-5, np.clip(tone * 4, -1, 1)]).findings.code.tolist()
    ['audio_silent', 'audio_clipped']
    """
    rows = [_measure(s) for s in sounds]
    table = np.array([r if r is not None else [np.nan] * 4 for r in rows]).reshape(-1, 4)
    n, readable = len(rows), np.array([r is not None for r in rows], bool)
    there = readable if given is None else np.asarray(given, bool)
    size, loud, clipped, offset = table.T
    heard = readable & (size > 0)
    length = np.log(np.maximum(size, 1))
    if heard.any():
        length = length - np.median(length[heard])
    off: Floats = np.zeros(n)
    marks = {
        "unreadable": (there & ~readable, off, off),
        "audio_empty": (readable & (size == 0), off, off),
        "audio_silent": (heard & (loud < SILENT), loud, loud / SILENT / 2),
        "audio_clipped": (heard & (clipped >= CLIPPED), clipped, CLIPPED / np.maximum(clipped, 1e-9) / 2),
        "audio_offset": (
            heard & (np.abs(offset) > OFFSET),
            offset,
            OFFSET / np.maximum(np.abs(offset), 1e-9) / 2,
        ),
        "audio_odd_length": (
            heard & (np.abs(length) > np.log(ODD)),
            np.exp(length),
            np.log(ODD) / np.maximum(np.abs(length), 1e-9) / 2,
        ),
    }
    return told(marks, n, "sounds", there)


def _measure(samples: NDArray[np.floating] | None) -> list[float] | None:
    if samples is None:
        return None
    if not len(samples):
        return [0.0, 0.0, 0.0, 0.0]
    x = np.asarray(samples, np.float64)
    size = np.abs(x)
    peak = size.max()
    at = size >= 0.999 * peak
    beside = at[1:] & at[:-1] & (np.sign(x[1:]) == np.sign(x[:-1]))
    clipped = float(beside.mean()) if len(x) > 1 and peak > 0.05 else 0.0
    return [float(len(x)), float(np.sqrt((x**2).mean())), clipped, float(x.mean())]
