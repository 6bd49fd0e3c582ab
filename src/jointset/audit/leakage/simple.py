"""Simple features of media that a label should not follow from: style, size, loudness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.records import Floats

CHARACTERS = 60
SAMPLE = 5000


def simple_texts(texts: Sequence[Any]) -> dict[str, Floats]:
    """Length, and shares of kinds of characters and of the 60 commonest single ones, ``(n,)`` each.

    >>> simple_texts(["ab C", None])["length"].tolist()
    [4.0, 0.0]
    """
    plain = ["" if t is None else str(t) for t in texts]
    counts: Counter[str] = Counter()
    for text in plain[:SAMPLE]:
        counts.update(text)
    common = [c for c, _ in counts.most_common(CHARACTERS)]
    size = np.array([len(t) for t in plain], float)
    by = np.maximum(size, 1)
    out = {
        "length": size,
        "upper case": np.array([sum(map(str.isupper, t)) for t in plain]) / by,
        "lower case": np.array([sum(map(str.islower, t)) for t in plain]) / by,
        "digits": np.array([sum(map(str.isdigit, t)) for t in plain]) / by,
        "spaces": np.array([sum(map(str.isspace, t)) for t in plain]) / by,
        "beyond ASCII": np.array([0 if t.isascii() else sum(ord(c) > 127 for c in t) for t in plain]) / by,
    }
    return out | {f"share of {c!r}": np.array([t.count(c) for t in plain]) / by for c in common}


def simple_images(images: Iterable[NDArray[np.uint8] | None]) -> dict[str, Floats]:
    """Height, width, channels, brightness, contrast, saturation and the border's brightness, ``(n,)`` each; NaN without
    an image.

    >>> simple_images([np.zeros((2, 3), np.uint8), None])["width"].tolist()
    [3.0, nan]
    """
    names = ("height", "width", "channels", "brightness", "contrast", "saturation", "border")
    rows = [[np.nan] * len(names) if i is None else _of_image(np.asarray(i)) for i in images]
    return dict(zip(names, np.array(rows, float).reshape(-1, len(names)).T, strict=True))


def simple_sounds(
    sounds: Iterable[NDArray[Any] | None], rates: Sequence[float] | None = None
) -> dict[str, Floats]:
    """Length, rate, peak, loudness, offset, share of exact zeros and of silence at the start, ``(n,)`` each.

    >>> simple_sounds([np.zeros(4, np.float32), None])["zeros"].tolist()
    [1.0, nan]
    """
    names = ("samples", "peak", "loudness", "offset", "zeros", "silence at the start")
    rows = [
        [np.nan] * len(names) if s is None or not len(s) else _of_sound(np.asarray(s, float)) for s in sounds
    ]
    out = dict(zip(names, np.array(rows, float).reshape(-1, len(names)).T, strict=True))
    return out if rates is None else {**out, "rate": np.asarray(rates, float)}


def _of_image(image: NDArray[Any]) -> list[float]:
    values = image.astype(float) / 255
    grey = values.mean(axis=2) if values.ndim == 3 else values
    colour = (
        float(np.ptp(values[..., :3], axis=2).mean()) if values.ndim == 3 and values.shape[2] >= 3 else 0.0
    )
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean()
    channels = values.shape[2] if values.ndim == 3 else 1
    return [
        *map(float, grey.shape),
        float(channels),
        float(grey.mean()),
        float(grey.std()),
        colour,
        float(border),
    ]


def _of_sound(samples: NDArray[Any]) -> list[float]:
    size = np.abs(samples)
    peak = float(size.max())
    loud = np.flatnonzero(size > 0.02 * peak) if peak else np.empty(0, np.int64)
    start = float(loud[0]) / len(samples) if len(loud) else 1.0
    loudness = float(np.sqrt((samples**2).mean()))
    return [float(len(samples)), peak, loudness, float(samples.mean()), float((samples == 0).mean()), start]
