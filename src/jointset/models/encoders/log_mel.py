"""Log-mel spectrograms: short-time Fourier transform, mel filters, decibels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RANGE = 80.0  # decibels below the loudest value of a clip that are told apart


def mel_filters(rate: int, size: int, mels: int) -> Tensor:
    """Triangular filters that are evenly spaced in mel, ``(size // 2 + 1, mels)``.

    Mel is 2595 log₁₀(1 + f / 700) (O'Shaughnessy 1987); a filter rises from its left neighbour's centre to one at its
    own, and falls to zero at its right neighbour's (Davis & Mermelstein 1980), from 0 Hz to half the rate.

    >>> mel_filters(8000, 256, 40).shape
    torch.Size([129, 40])
    """
    top = 2595.0 * math.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (torch.linspace(0.0, top, mels + 2, dtype=torch.float64) / 2595.0) - 1.0)
    bins = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * (rate / size)  # (bins, 1) in Hz
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rise, fall).clamp(min=0.0).float()


def power_spectra(samples: Tensor, window: int, hop: int) -> Tensor:
    """``|STFT|²`` of ``(n,)`` samples under Hann windows, ``(1 + n // hop, size // 2 + 1)``.

    Windows are centred at multiples of ``hop``, with zeros beyond the ends; the transform's ``size`` is the power of
    two from ``window`` up.
    """
    size = transform_size(window)
    padded = torch.nn.functional.pad(samples, (window // 2, window - window // 2 + hop))
    frames = padded.unfold(0, window, hop)[: 1 + len(samples) // hop]  # (frames, window)
    return torch.fft.rfft(frames * torch.hann_window(window), size).abs().square()


def log_mel(samples: Tensor, filters: Tensor, window: int, hop: int) -> Tensor:
    """Decibels below the clip's loudest value, in [-80, 0], ``(1 + n // hop, mels)``; a silent clip is -80 throughout.

    How loud a clip was recorded is thereby not looked at.
    """
    power = power_spectra(samples, window, hop) @ filters  # (frames, mels)
    loudest = power.max()
    if loudest <= 0:
        return torch.full_like(power, -RANGE)
    return 10.0 * torch.log10((power / loudest).clamp(min=10.0 ** (-RANGE / 10)))


def transform_size(window: int) -> int:
    """The power of two from ``window`` up."""
    return 1 << max(window - 1, 1).bit_length()
