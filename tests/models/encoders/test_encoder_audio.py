"""Sounds: what is read, how it is brought to one form, and what the spectrogram says."""

import io
import sys

import numpy as np
import pyarrow as pa
import pytest
import scipy.signal
import soundfile
import torch

from jointset.data.media.sounds import resampled, waveforms
from jointset.errors import ConfigError, DataError, MissingExtra
from jointset.models.encoders import audio_module
from jointset.models.encoders.audio import MelCNN
from jointset.models.encoders.log_mel import log_mel, mel_filters, power_spectra, transform_size

RATE = 8000


def encoded(samples, rate, kind, subtype):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def read(column, rate=RATE, seconds=10.0, root=None):
    table = pa.table({"audio": column})
    if root:
        table = table.replace_schema_metadata({"jointset.root": str(root)})
    return list(waveforms(table, rate, seconds))


# Files


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_of_every_width_is_read(wav, tone, width):
    samples = tone(440)
    if width == 1:  # eight bits have no sign
        found = read([encoded(samples, RATE, "WAV", "PCM_U8")])[0]
    else:
        found = read([wav(samples, width=width)])[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, samples, atol=0.01 if width == 1 else 1e-4)


@pytest.mark.parametrize(
    ("kind", "subtype", "near"),
    [("FLAC", "PCM_16", 1e-4), ("FLAC", "PCM_24", 1e-6), ("WAV", "FLOAT", 1e-6), ("AIFF", "PCM_16", 1e-4)],
)
def test_other_formats_are_read(tone, kind, subtype, near):
    np.testing.assert_allclose(read([encoded(tone(440), RATE, kind, subtype)])[0], tone(440), atol=near)


def test_ogg_is_read(tone):
    found = read([encoded(tone(440, 0.5), RATE, "OGG", "VORBIS")])[0]
    assert len(found) == pytest.approx(0.5 * RATE, abs=64)
    assert np.corrcoef(found[:4000], tone(440, 0.5)[: len(found)])[0, 1] > 0.9


def test_channels_are_averaged(wav, tone):
    both = np.stack([tone(440), np.zeros_like(tone(440))], 1)
    np.testing.assert_allclose(read([wav(both)])[0], tone(440) / 2, atol=1e-4)


def test_bytes_paths_structs_and_samples_give_the_same_sound(tmp_path, wav, tone):
    samples, data = tone(440), wav(tone(440))
    (tmp_path / "a.wav").write_bytes(data)
    plain = pa.array([{"array": samples.tolist(), "sampling_rate": RATE}])
    stereo = pa.array([{"array": [samples.tolist(), samples.tolist()], "sampling_rate": RATE}])
    forms = [
        pa.array([data]),
        pa.array(["a.wav"]),
        pa.array([{"bytes": data, "path": "gone.wav"}]),
        pa.array(
            [{"bytes": None, "path": "a.wav"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        ),
        plain,
        stereo,
        pa.array([samples.tolist()]),
        pa.FixedSizeListArray.from_arrays(pa.array(samples), len(samples)),
    ]
    for column in forms:
        np.testing.assert_allclose(read(column, root=tmp_path)[0], samples, atol=1e-4)


def test_what_cannot_be_read_is_none_and_what_is_empty_is_empty(wav):
    bad = [b"", b"RIFF", b"no sound", None, wav(np.zeros(100))[:20]]
    assert read(pa.array(bad, pa.binary())) == [None] * 5
    assert read(["gone.wav", "/", None]) == [None] * 3
    assert read(pa.array([{"array": [0.0], "sampling_rate": 0}])) == [None]
    assert [len(x) for x in read([wav(np.zeros(0)), wav(np.zeros(5))])] == [0, 5]


def test_values_that_are_no_numbers_become_silence():
    found = read([encoded(np.array([0.5, np.nan, np.inf, -0.5]), RATE, "WAV", "FLOAT")])[0]
    assert found.tolist() == [0.5, 0.0, 0.0, -0.5]


def test_without_soundfile_the_command_that_installs_it_is_named(monkeypatch, wav):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(
        MissingExtra, match=r'reading sounds needs soundfile.*pip install "jointset\[audio\]"'
    ):
        read([wav(np.zeros(10))])
    samples = pa.array([{"array": [0.0, 1.0], "sampling_rate": RATE}])
    assert len(read(samples)[0]) == 2  # plain samples need nothing


# One rate, one length


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_at_another_rate(rate, wav, tone):
    found = read([wav(tone(1000, 0.5, rate), rate)])[0]
    assert len(found) == pytest.approx(0.5 * RATE, abs=1)
    frequencies, power = scipy.signal.periodogram(found, RATE)
    assert frequencies[power.argmax()] == pytest.approx(1000, abs=3)


def test_what_is_above_half_the_new_rate_is_filtered_out():
    t = np.arange(4800) / 48000
    low, high = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (1000, 7000))
    assert np.abs(resampled(high, 48000, 8000)[50:-50]).max() < 0.02
    assert np.abs(resampled(low, 48000, 8000)[50:-50]).max() == pytest.approx(1, abs=0.02)


def test_a_long_clip_is_cut_to_its_middle_and_no_more_is_decoded(tmp_path, monkeypatch):
    n = 120 * 44100  # two minutes
    ramp = np.linspace(-1, 1, n, dtype=np.float32)
    soundfile.write(tmp_path / "long.wav", ramp, 44100, subtype="FLOAT")
    decoded, whole = [], soundfile.SoundFile.read

    def counted(self, frames=-1, **options):
        decoded.append(frames)
        return whole(self, frames, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    found = read(["long.wav"], 44100, 2.0, tmp_path)[0]
    assert decoded == [88200]
    np.testing.assert_allclose(found, ramp[(n - 88200) // 2 :][:88200])
    column = pa.array([{"array": ramp[: 10 * RATE], "sampling_rate": RATE}])
    assert len(read(column, seconds=2.0)[0]) == 2 * RATE


def test_the_rate_is_the_median_of_a_sample_within_bounds(wav):
    def rate_of(*rates, **options):
        return MelCNN(**options).fit([pa.table({"a": [wav(np.zeros(9), r) for r in rates]})])["rate"]

    assert rate_of(8000, 8000, 48000) == 8000
    assert rate_of(11025) == 11025
    assert rate_of(48000) == 16000
    assert rate_of(4000) == 8000
    assert rate_of(48000, rate=44100) == 44100
    assert MelCNN().fit([]) == {"rate": 16000}


# Spectrograms


def test_spectra_are_scipys(tone):
    samples, window, hop = tone(700, 0.3), 200, 80
    ours = power_spectra(torch.from_numpy(samples), window, hop).numpy()
    frames = scipy.signal.ShortTimeFFT(
        scipy.signal.get_window("hann", window), hop, RATE, mfft=256, scale_to=None, phase_shift=None
    )
    theirs = np.abs(frames.stft(samples, p0=0, p1=len(ours)).T) ** 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_tone_on_a_bin_has_the_power_of_the_closed_form():
    # a cosine of amplitude a on a bin, under a Hann window of sum w/2: |X|² = (a · w/2 / 2)²
    size, k, amplitude = 256, 32, 0.7
    samples = amplitude * torch.cos(2 * torch.pi * k * torch.arange(4096) / size)
    power = power_spectra(samples, size, 64)[20]
    assert power.argmax() == k
    assert float(power[k]) == pytest.approx((amplitude * size / 4) ** 2, rel=1e-4)


def test_filters_are_triangles_evenly_spaced_in_mel():
    filters = mel_filters(16000, 512, 40).double()
    assert filters.shape == (257, 40)
    assert filters.min() >= 0 and filters.max() <= 1
    step = 2595 * np.log10(1 + 8000 / 700) / 41
    centres = 700 * (10 ** (step * np.arange(1, 41) / 2595) - 1)  # Hz
    peaks = filters[:, 10:].argmax(0).numpy() * 16000 / 512
    np.testing.assert_allclose(peaks, centres[10:], atol=16000 / 512)
    inside = (np.arange(257) * 16000 / 512 >= centres[0]) & (np.arange(257) * 16000 / 512 <= centres[-1])
    np.testing.assert_allclose(filters.sum(1).numpy()[inside], 1, atol=1e-5)  # neighbours add up to one


def test_a_louder_clip_is_the_same_clip_and_silence_is_the_floor(tone):
    filters = mel_filters(RATE, transform_size(200), 40)
    quiet, loud = (log_mel(torch.from_numpy(a * tone(700)).float(), filters, 200, 80) for a in (1e-3, 1.0))
    torch.testing.assert_close(quiet, loud, atol=1e-2, rtol=0)
    assert loud.max() == 0 and loud.min() >= -80
    silent = log_mel(torch.zeros(1600), filters, 200, 80)
    assert silent.shape == (21, 40) and (silent == -80).all()


def test_prepared_bytes_are_decibels_a_third_apart(wav, tone):
    encoder = MelCNN()
    table = pa.table({"a": [wav(tone(700))]})
    arrays = encoder.prepare(table, encoder.fit([table]))
    assert arrays["mel"].dtype == np.uint8 and arrays["offsets"].tolist() == [0, 21]
    samples = torch.from_numpy(read(table["a"])[0])
    exact = log_mel(samples, mel_filters(RATE, 256, 40), 200, 80).numpy()
    np.testing.assert_allclose(arrays["mel"] / 255 * 80 - 80, exact, atol=0.16)


# The encoder


def test_silent_empty_and_very_short_clips(wav, tone):
    clips = [wav(np.zeros(800)), wav(np.zeros(0)), wav(tone(440)[:1]), None, wav(tone(440))]
    table = pa.table({"a": pa.array(clips, pa.binary())})
    encoder = MelCNN(widths=(4, 8))
    state = encoder.fit([table])
    arrays = encoder.prepare(table, state)
    assert arrays["readable"].tolist() == [True, False, True, False, True]
    assert np.diff(arrays["offsets"]).tolist() == [11, 0, 1, 0, 21]
    module = encoder.module(state, 6).eval()
    assert torch.isfinite(module(**encoder.batch(arrays, np.arange(5)))).all()


def test_padding_changes_nothing_while_training_either(wav, tone):
    table = pa.table({"a": [wav(tone(440, 0.1)), wav(tone(900, 0.1)), wav(tone(500, 2.0))]})
    encoder = MelCNN(widths=(4, 8), dropout=0.0)
    state = encoder.fit([table])
    arrays = encoder.prepare(table, state)
    module = encoder.module(state, 6).train()
    short = encoder.batch(arrays, np.array([0, 1]))
    padded = {"mel": torch.nn.functional.pad(short["mel"], (0, 0, 0, 190)), "lengths": short["lengths"]}
    torch.testing.assert_close(module(**padded), module(**short), atol=1e-4, rtol=1e-3)


def test_a_few_unreadable_sounds_are_missing_and_many_are_an_error(tmp_path, wav, tone):
    (tmp_path / "good.wav").write_bytes(wav(tone(440)))
    (tmp_path / "bad.wav").write_bytes(b"bad")
    names = ["bad.wav"] + ["good.wav"] * 9
    table = pa.table({"audio": names}).replace_schema_metadata({"jointset.root": str(tmp_path)})
    lenient = MelCNN(max_unreadable=0.1)
    assert lenient.prepare(table, lenient.fit([table]))["readable"].tolist() == [False] + [True] * 9
    with pytest.raises(DataError, match=r"1 of 10 sounds cannot be read, first 'bad\.wav'; at most 1%"):
        MelCNN().prepare(table, MelCNN().fit([table]))
    silent = pa.table({"audio": [wav(np.zeros(0))] * 2 + [wav(tone(440))]})
    assert MelCNN().prepare(silent, {"rate": RATE})["readable"].tolist() == [False, False, True]


def test_many_long_clips_are_predicted_in_parts(monkeypatch):
    module = MelCNN(channels=4, widths=(6, 8)).module({}, 6).eval()
    rng = torch.Generator().manual_seed(0)
    mel = torch.randint(0, 256, (9, 50, 40), generator=rng, dtype=torch.uint8)
    lengths = torch.tensor([50, 3, 0, 20, 21, 1, 50, 7, 30])
    whole, stages = module.staged(["stem", "stage2"], mel, lengths)
    assert torch.equal(module(mel, lengths), whole)
    monkeypatch.setattr(audio_module, "FRAMES", 60)
    torch.testing.assert_close(module(mel, lengths), whole)
    torch.testing.assert_close(module.staged(["stem", "stage2"], mel, lengths)[1], stages)


def test_a_stage_is_what_lies_within_the_clip_and_below_it():
    encoder = MelCNN(channels=4, widths=(6, 8), mels=8, dropout=0.0)
    module = encoder.module({}, 5).train()
    mel = torch.randint(0, 256, (2, 20, 8), dtype=torch.uint8)
    lengths = torch.tensor([20, 9])
    found = module.staged(encoder.stages({}), mel, lengths)[1]
    mel[1, 9:] = 255  # beyond its end
    torch.testing.assert_close(module.staged(["stage1"], mel, lengths)[1]["stage1"], found["stage1"])
    torch.testing.assert_close(module.out(found["stage2"]), module(mel, lengths))
    found["stage1"].sum().backward()
    assert module.first.weight.grad.any() and module.convolutions[0].weight.grad.any()
    assert module.convolutions[1].weight.grad is None


def test_samples_without_a_rate_ask_for_it_and_impossible_options_are_named():
    table = pa.table({"clip": [[0.0, 1.0]]})
    with pytest.raises(
        ConfigError, match=r"model.audio.rate is missing: the samples of column 'clip' say no rate"
    ):
        MelCNN().fit([table])
    assert MelCNN(rate=8000).fit([table]) == {"rate": 8000}
    for option in ({"seconds": 0}, {"rate": 0}, {"mels": 0}):
        with pytest.raises(ConfigError, match=f"model.audio.{next(iter(option))}: 0 is too little"):
            MelCNN(**option)
