"""Operations on samples, spectrograms and tables."""

import numpy as np
import pytest
import torch

from jointset.augment import spectrum, tables, waves
from jointset.operations import names

RATE = 8000
TONE = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)


def loudest(samples):
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / RATE)[spectrum.argmax()]


def test_every_named_operation_is_there():
    assert {*waves.CHANGES, *spectrum.MASKS} == set(names("audio"))
    assert {*tables.CHANGES, "mixup"} == set(names("tabular"))


@pytest.mark.parametrize("name", sorted(waves.CHANGES))
def test_the_same_seed_gives_the_same_sound_and_global_generators_stay(name):
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (waves.changed(TONE, RATE, name, 0.3, [1, 2]) for _ in range(2))
    assert np.array_equal(first, again) and np.isfinite(first).all()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    short = np.zeros(10, np.float32)
    assert waves.changed(short, RATE, name, 0.3, 0) is short


def test_pitch_moves_the_tone_and_stretch_does_not():
    octave = waves.changed(TONE, RATE, "pitch", 12.0, 0)
    assert loudest(octave) == pytest.approx(880, rel=0.03) and len(octave) == len(TONE)
    faster = waves.changed(TONE, RATE, "stretch", 0.25, 0)
    assert len(faster) == pytest.approx(len(TONE) / 1.25, rel=0.02)
    assert loudest(faster) == pytest.approx(440, rel=0.03)
    slower = waves.changed(TONE, RATE, "stretch", -0.25, 0)
    assert len(slower) == pytest.approx(len(TONE) * 1.25, rel=0.02)


def test_noise_is_as_loud_as_asked():
    noise = waves.changed(TONE, RATE, "noise", 40.0, 0) - TONE
    decibels = 10 * np.log10(np.mean(TONE**2) / np.mean(noise**2))
    assert decibels == pytest.approx(20, abs=1.5)


def test_masks_hide_their_share_inside_the_clip():
    mel = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 40, 20), np.uint8))
    lengths = torch.tensor([40, 30, 20, 10, 40, 30, 20, 10])
    mel *= (torch.arange(40) < lengths[:, None])[:, :, None]
    share = np.array([0, 0.5] * 4)
    hidden = spectrum.masked(mel, lengths, {"time_mask": share}, np.random.default_rng(0))
    changed = (hidden != mel.float()).any(2).sum(1)
    assert changed.tolist() == [0, 15, 0, 5, 0, 15, 0, 5]
    assert (hidden[1, 30:] == 0).all()
    bands = spectrum.masked(mel, lengths, {"frequency_mask": share}, np.random.default_rng(0))
    assert (bands != mel.float()).any(1).sum(1).tolist() == [0, 10] * 4


def table(n=400, d=6, c=4, seed=0):
    rng = np.random.default_rng(seed)
    numbers = np.concatenate([rng.normal(size=(n, d)), rng.random((n, d)) < 0.1], 1).astype(np.float32)
    numbers[:, :d] *= numbers[:, d:] == 0
    return torch.from_numpy(numbers), torch.from_numpy(rng.integers(1, 9, (n, c)))


def test_swapped_cells_come_from_the_other_row_whole():
    numbers, categories = table()
    other = table(seed=1)
    got = tables.augmented(numbers, categories, other, {"swap": np.full(400, 0.3)}, np.random.default_rng(0))
    for place in (0, 3):
        pair, own, theirs = ((x[:, place], x[:, place + 6]) for x in (got[0], numbers, other[0]))
        is_own, is_theirs = ((pair[0] == p[0]) & (pair[1] == p[1]) for p in (own, theirs))
        assert (is_own | is_theirs).all() and 0.2 < float((~is_own).float().mean()) < 0.4
    assert ((got[1] == categories) | (got[1] == other[1])).all()


def test_noise_has_its_deviation_and_spares_what_is_missing():
    numbers, categories = table()
    got, kept = tables.augmented(
        numbers, categories, (numbers, categories), {"noise": np.full(400, 0.5)}, np.random.default_rng(0)
    )
    added = (got - numbers)[:, :6]
    missing = numbers[:, 6:] == 1
    assert (added[missing] == 0).all() and torch.equal(kept, categories)
    assert float(added[~missing].std()) == pytest.approx(0.5, rel=0.1)
