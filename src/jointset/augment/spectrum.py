"""Sounds as spectrograms: SpecAugment (Park et al. 2019) without warping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from jointset.records import Floats

if TYPE_CHECKING:
    from torch import Tensor

MASKS = ("time_mask", "frequency_mask")


def masked(mel: Tensor, lengths: Tensor, strength: Mapping[str, Floats], rng: np.random.Generator) -> Tensor:
    """``mel (b, t, f)`` with a run of frames, or of bands, set to the clip's mean, ``lengths (b,)`` as they are.

    ``strength["time_mask"]`` (b,) is the share of the clip's frames, ``strength["frequency_mask"]`` that of the bands.

    >>> import torch
    >>> mel = torch.arange(8, dtype=torch.uint8).reshape(1, 4, 2)
    >>> masked(mel, torch.tensor([4]), {"time_mask": np.array([0.5])}, np.random.default_rng(0)).unique().numel() < 8
    True
    """
    import torch

    n, frames, bands = mel.shape
    size = lengths.numpy()
    inside = np.arange(frames) < size[:, None]  # (b, t)
    hidden = np.zeros((n, frames, bands), bool)
    if "time_mask" in strength:
        hidden |= _run(np.abs(strength["time_mask"]), size, frames, rng)[:, :, None] & inside[:, :, None]
    if "frequency_mask" in strength:
        width = np.full(n, bands)
        hidden |= _run(np.abs(strength["frequency_mask"]), width, bands, rng)[:, None, :] & inside[:, :, None]
    x = mel.to(torch.float32)
    mean = (x * torch.from_numpy(inside)[:, :, None]).sum((1, 2)) / (lengths * bands).clamp(min=1)
    return torch.where(torch.from_numpy(hidden), mean[:, None, None], x)


def _run(share: Floats, size: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """A run of ``share · size`` of ``size`` places, ``(b, most)``."""
    length = np.round(share * size)
    start = np.floor(rng.random(len(size)) * (size - length + 1))
    places = np.arange(most)
    return (places >= start[:, None]) & (places < (start + length)[:, None])
