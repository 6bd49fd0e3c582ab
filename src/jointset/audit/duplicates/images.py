"""Near-copies of images: a perceptual hash finds candidates, the small pictures decide."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from jointset.audit.duplicates.base import Pairs, distinct, together
from jointset.audit.features.images import small
from jointset.records import Ints

SIDE, LOW = 32, 8
BANDS = 8  # a pair of at most 7 different bits shares at least one band of 8


def near_images(images: Iterable[NDArray[np.uint8] | None], *, threshold: float = 0.99) -> Pairs:
    """Pairs of images that look the same: scaled, re-encoded or slightly retouched copies.

    Candidates have perceptual hashes (signs of the 64 lowest frequencies of the cosine transform at 32 × 32, against
    their median; Zauner 2010) that differ in at most 7 bits; a pair is kept when the correlation of the 32 × 32 grey
    pictures is at least ``threshold`` and their mean grey differs by less than a tenth. Images of one colour resemble
    nothing.

    >>> rng = np.random.default_rng(0)
    >>> picture = rng.integers(0, 255, (40, 40), dtype=np.uint8)
    >>> near_images([picture, np.repeat(picture, 2, 0), picture.T]).first.tolist()
    [0]
    """
    pictures, known = [], []
    for i, image in enumerate(images):
        if image is not None and image.size and np.ptp(image) > 2:
            pictures.append(small(np.asarray(image), SIDE).astype(np.float32))
            known.append(i)
    if len(pictures) < 2:
        return Pairs.empty()
    grey, rows = np.stack(pictures), np.array(known)
    codes = perceptual_hashes(grey)
    a, b = _candidates(codes)
    flat = grey.reshape(len(grey), -1)
    mean = flat.mean(axis=1)
    flat = flat - mean[:, None]
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    likeness = np.einsum("ij,ij->i", flat[a], flat[b])
    near = (likeness >= threshold) & (np.abs(mean[a] - mean[b]) < 0.1)
    return Pairs.of(rows[a[near]], rows[b[near]], np.minimum(likeness[near], 1.0))


def perceptual_hashes(grey: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Hashes ``(n,)`` of 64 bits of grey pictures ``(n, 32, 32)``.

    >>> perceptual_hashes(np.random.default_rng(0).random((2, 32, 32))).shape
    (2,)
    """
    from scipy.fft import dctn

    low = dctn(grey, axes=(1, 2))[:, :LOW, :LOW].reshape(len(grey), -1)
    low[:, 0] = 0  # brightness
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def _candidates(codes: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    left: list[Ints] = [np.empty(0, np.int64)]
    right: list[Ints] = [np.empty(0, np.int64)]
    for band in range(BANDS):
        part = (codes >> np.uint64(8 * band)) & np.uint64(0xFF)
        next_part = (codes >> np.uint64(8 * ((band + 1) % BANDS))) & np.uint64(0xFF)
        a, b = together(part * np.uint64(256) + next_part)  # two bands, as one of 8 bits holds n / 256 rows
        close = np.bitwise_count(codes[a] ^ codes[b]) <= BANDS - 1
        left.append(a[close])
        right.append(b[close])
    return distinct(np.concatenate(left), np.concatenate(right))
