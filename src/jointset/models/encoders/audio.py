"""Sounds: files, bytes or samples in, a small convolutional network over log-mel spectrograms out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.data.media.sounds import common_rate, enough_readable, holds_bare_samples, waveforms
from jointset.errors import ConfigError
from jointset.models.encoders.base import ROWS, Arrays, Encoder, State
from jointset.models.encoders.ngrams import concat_ragged, take_ragged
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

LOWEST, HIGHEST = 8000, 16000
WINDOW, HOP = 0.025, 0.010  # seconds


class MelCNN(Encoder):
    """A small convolutional network over log-mel spectrograms, pooled over time, trained from scratch.

    Spectrograms are made once and kept as bytes, a third of a decibel apart, so that a step of training reads a
    quarter of what the waveform takes and transforms nothing.

    Parameters
    ----------
    rate : every sound is brought to this rate, in Hz; ``None`` takes the median of a sample, between 8,000 and 16,000.
        Columns of plain samples say no rate, and need this one.
    seconds : a longer clip is cut to its middle ``seconds``.
    mels : mel bands.
    channels : those of the first layer, over time and frequency.
    widths : channels of the layers over time, each of which, after the first, halves it.
    dropout : share of the pooled features dropped while training, in [0, 1).
    max_unreadable : share of sounds that may be unreadable before reading stops with an error; those below it, and
        clips without samples, are treated as missing inputs.
    """

    name: ClassVar[str] = "melcnn"
    modality: ClassVar[str] = "audio"
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {"mel": {0: ROWS, 1: "frames"}, "lengths": {0: ROWS}}

    def __init__(
        self,
        *,
        rate: int | None = None,
        seconds: float = 10.0,
        mels: int = 40,
        channels: int = 16,
        widths: Sequence[int] = (96, 128),
        dropout: float = 0.2,
        max_unreadable: float = 0.01,
    ) -> None:
        for option, value, least in (("rate", rate, 1000), ("seconds", seconds, 0.01), ("mels", mels, 1)):
            if value is not None and value < least:
                raise ConfigError(f"model.audio.{option}: {value} is too little; give {least} or more")
        self.rate = rate
        self.seconds = seconds
        self.mels = mels
        self.channels = channels
        self.widths = tuple(widths)
        self.dropout = dropout
        self.max_unreadable = max_unreadable

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: the common rate."""
        for table in tables:
            if self.rate is None and holds_bare_samples(table):
                raise ConfigError(
                    f"model.audio.rate is missing: the samples of column {table.column_names[0]!r} say no rate; "
                    "give it in Hz, or structs of array and sampling_rate"
                )
        rate = self.rate or int(np.clip(common_rate(list(tables)) or HIGHEST, LOWEST, HIGHEST))
        return {"rate": rate}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``offsets (n + 1,) int64``, ``mel (frames, mels) uint8``, ``readable (n,)``."""
        import torch

        from jointset.models.encoders.log_mel import RANGE, log_mel, mel_filters, transform_size

        rate = state["rate"]
        window, hop = round(WINDOW * rate), round(HOP * rate)
        filters = mel_filters(rate, transform_size(window), self.mels)
        sizes, parts = np.zeros(table.num_rows, np.int64), [np.zeros((0, self.mels), np.uint8)]
        readable = np.zeros(table.num_rows, bool)
        for i, samples in enumerate(waveforms(table, rate, self.seconds)):
            readable[i] = samples is not None
            if samples is not None and len(samples):
                decibels = log_mel(torch.from_numpy(samples), filters, window, hop)
                parts.append(((decibels / RANGE + 1.0) * 255.0).round().to(torch.uint8).numpy())
                sizes[i] = len(parts[-1])
        enough_readable(table.column(0), readable, self.max_unreadable)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        return {"offsets": offsets, "mel": np.concatenate(parts), "readable": sizes > 0}

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        readable = np.concatenate([p["readable"] for p in parts])
        return {**concat_ragged(parts, ("mel",)), "readable": readable}

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`: ``mel (b, t, mels) uint8``, t of the longest clip, and ``lengths (b,)``."""
        import torch

        offsets, positions = take_ragged(arrays["offsets"], index)
        lengths = np.diff(offsets)
        inside = np.arange(max(int(lengths.max(initial=0)), 1)) < lengths[:, None]  # (b, t)
        mel = np.zeros((*inside.shape, arrays["mel"].shape[1]), np.uint8)
        mel[inside] = arrays["mel"][positions]
        return {"mel": torch.from_numpy(mel), "lengths": torch.from_numpy(lengths)}

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.audio_module import MelCNNModule

        return MelCNNModule(self.mels, self.channels, self.widths, self.dropout, width)

    def stages(self, state: State) -> tuple[str, ...]:
        """See :meth:`Encoder.stages`: the layer over time and frequency, then those over time."""
        return ("stem", *(f"stage{i}" for i in range(1, len(self.widths) + 1)))
