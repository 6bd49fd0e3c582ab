"""Sounds as samples: noise, gain, shift, stretch and pitch with audiomentations; arrays in, arrays out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from jointset.errors import MissingExtra
from jointset.records import Floats

SHORT = 0.02  # seconds


def changed(samples: Floats, rate: int, name: str, strength: float, seed: int | list[int]) -> Floats:
    """``(n,)`` samples at ``rate`` Hz after one operation of signed ``strength``; the same seed gives the same samples.

    >>> wave = np.sin(np.arange(4000) / 5).astype(np.float32)
    >>> np.allclose(changed(wave, 8000, "gain", -20.0, seed=0), wave / 10, atol=1e-4)
    True
    """
    if len(samples) < SHORT * rate or name not in CHANGES:
        return samples
    numbers = np.random.default_rng(seed).integers(0, 2**31, 2)
    kept, kept_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        # audiomentations draws from the global generators; they are put back as they were
        random.seed(int(numbers[0]))
        np.random.seed(int(numbers[1]))  # noqa: NPY002
        found = CHANGES[name](_audiomentations(), strength, len(samples), rate)(
            np.ascontiguousarray(samples, np.float32), sample_rate=rate
        )
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)  # noqa: NPY002
    return np.asarray(found, np.float32)


def _noise(lib: Any, m: float, n: int, rate: int) -> Any:
    quiet = 60.0 - abs(m)  # a larger magnitude is a louder noise
    return lib.AddGaussianSNR(min_snr_db=quiet, max_snr_db=quiet, p=1.0)


def _gain(lib: Any, m: float, n: int, rate: int) -> Any:
    return lib.Gain(min_gain_db=m, max_gain_db=m, p=1.0)


def _shift(lib: Any, m: float, n: int, rate: int) -> Any:
    return lib.Shift(min_shift=m, max_shift=m, shift_unit="fraction", rollover=False, p=1.0)


def _stretch(lib: Any, m: float, n: int, rate: int) -> Any:
    speed = 1.0 + m if m > 0 else 1.0 / (1.0 - m)
    return lib.TimeStretch(min_rate=speed, max_rate=speed, leave_length_unchanged=False, p=1.0)


def _pitch(lib: Any, m: float, n: int, rate: int) -> Any:
    return lib.PitchShift(min_semitones=m, max_semitones=m, p=1.0)


def _audiomentations() -> Any:
    try:
        import audiomentations
    except ImportError:
        raise MissingExtra("audiomentations", "audio", "augmenting sounds") from None
    return audiomentations


CHANGES: dict[str, Callable[[Any, float, int, int], Any]] = {
    "noise": _noise,
    "gain": _gain,
    "shift": _shift,
    "stretch": _stretch,
    "pitch": _pitch,
}
