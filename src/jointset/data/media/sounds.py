"""Sounds of a column: files, encoded bytes or plain samples in, mono waveforms at one rate out."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.errors import DataError, MissingExtra
from jointset.records import Floats

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 200
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError)  # soundfile's own are RuntimeErrors


def waveforms(table: pa.Table, rate: int, seconds: float) -> Iterator[Floats | None]:
    """Each sound of the first column, ``(samples,) float32``: ``None`` where it is null or cannot be read.

    A longer clip is cut to its middle ``seconds``; no more of its file than that is decoded. A clip without
    samples gives an empty array.
    """
    root = _root(table)
    for scalar in table.column(0):
        try:
            found = _middle(scalar, root, rate, seconds)
        except UNREADABLE:
            found = None
        yield None if found is None else resampled(found[0], found[1], rate)


def wav(samples: Floats, rate: int) -> bytes:
    """A sound as a 16-bit WAV file."""
    return wav_of((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), rate)


def wav_of(samples: bytes, rate: int) -> bytes:
    """Samples of 16 bits, little-endian, one channel, as a WAV file."""
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return out.getvalue()


def holds_bare_samples(table: pa.Table) -> bool:
    """Whether the first column holds samples without their rate."""
    import pyarrow as pa

    kind = table.schema.field(0).type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def common_rate(tables: list[pa.Table]) -> int | None:
    """The median rate of the first sounds of every table, in Hz; ``None`` when none says its rate."""
    rates = []
    for table in tables:
        root = _root(table)
        for scalar in table.column(0).slice(0, SAMPLE):
            try:
                rate = _rate(scalar, root)
            except UNREADABLE:
                continue
            rates += [rate] if rate else []
    return int(np.median(rates)) if rates else None


def resampled(samples: Floats, rate: int, wanted: int) -> Floats:
    """Samples at ``rate`` Hz brought to ``wanted`` Hz by a polyphase filter.

    >>> resampled(np.zeros(48000, np.float32), 48000, 16000).shape
    (16000,)
    """
    if rate == wanted or not len(samples):
        return samples
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, wanted)
    return np.asarray(resample_poly(samples, wanted // divisor, rate // divisor), np.float32)


def _root(table: pa.Table) -> str | None:
    root = (table.schema.metadata or {}).get(b"jointset.root")
    return root.decode() if root else None


def _rate(scalar: Any, root: str | None) -> int | None:
    samples, rate = _plain(scalar)
    if samples is not None:
        return rate
    source = _encoded(scalar, root)
    return None if source is None else int(_soundfile().info(source).samplerate)


def _middle(scalar: Any, root: str | None, wanted: int, seconds: float) -> tuple[Floats, int] | None:
    """The middle of a sound in mono, and its rate; plain samples without a rate have the wanted one."""
    samples, rate = _plain(scalar)
    if samples is not None:
        rate = wanted if rate is None else rate
        start, count = _part(len(samples), rate, seconds)
        return _finite(samples[start : start + count]), rate
    source = _encoded(scalar, root)
    if source is None:
        return None
    with _soundfile().SoundFile(source) as file:
        start, count = _part(file.frames, file.samplerate, seconds)
        if start:
            file.seek(start)
        found = file.read(count, dtype="float32", always_2d=True)  # (frames, channels)
        return _finite(found.mean(1)), int(file.samplerate)


def _part(frames: int, rate: int, seconds: float) -> tuple[int, int]:
    if rate <= 0:
        raise ValueError(f"a rate of {rate} Hz")
    count = min(frames, max(round(seconds * rate), 1))
    return (frames - count) // 2, count


def _finite(samples: Any) -> Floats:
    return np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _plain(scalar: Any) -> tuple[Floats | None, int | None]:
    """Samples that are stored as numbers, in mono, with their rate where it stands beside them."""
    import pyarrow as pa

    rate = None
    if scalar.is_valid and pa.types.is_struct(scalar.type):
        if "array" not in scalar or not scalar["array"].is_valid:
            return None, None
        scalar, rate = scalar["array"], int(scalar["sampling_rate"].as_py())
    if not scalar.is_valid or not hasattr(scalar, "values"):
        return None, rate
    values = scalar.values
    if hasattr(values, "flatten") and pa.types.is_nested(values.type):
        channels = np.asarray(values.to_pylist(), np.float32)  # (channels, samples) or the other way round
        return channels.mean(int(np.argmin(channels.shape))), rate
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float32), rate


def _encoded(scalar: Any, root: str | None) -> Any:
    """What soundfile opens: a path, or a file in memory; ``None`` where there is nothing."""
    value = scalar.as_py()
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return io.BytesIO(value)
    return os.path.join(root, value) if root and value is not None else value


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: without the C library beside it
        raise MissingExtra("soundfile", "audio", "reading sounds") from error
    return soundfile


def enough_readable(column: Any, readable: Any, share: float) -> None:
    """Raise a :class:`DataError` when more than ``share`` of the sounds that are given cannot be read."""
    given = column.is_valid().to_numpy()
    bad = np.flatnonzero(given & ~readable)
    if len(bad) <= share * max(int(given.sum()), 1):
        return
    first = column[int(bad[0])].as_py()
    shown = repr(first) if isinstance(first, str) else f"row {int(bad[0]) + 1}"
    raise DataError(
        f"{len(bad)} of {int(given.sum())} sounds cannot be read, first {shown}; at most {share:.0%} may be: "
        "mend the files (WAV, FLAC, OGG, MP3 or AIFF), or raise model.audio.max_unreadable"
    )
