"""Views of sounds: decoded, changed as samples, and prepared like the sounds themselves."""

import numpy as np
import pyarrow as pa
import pytest

from jointset.config import parse
from jointset.data import apply
from jointset.prepare import prepare
from jointset.records import TRAIN, Edits
from jointset.rundir import RunDirectory
from jointset.training.views import make_views
from jointset.workbench import set_up


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, wav, tone):
    """A bench of sixty tones, high and low; every seventh clip is missing."""
    pitch = np.tile([300, 900], 30)
    clips = [None if i % 7 == 0 else wav(tone(p, seed=i)) for i, p in enumerate(pitch)]
    table = pa.table(
        {"clip": pa.array(clips, pa.binary()), "high": ["yes" if p > 500 else "no" for p in pitch]}
    )
    config = parse(
        {
            "datasets": {"d": {"inputs": {"audio": "clip"}}},
            "tasks": {"high": {"kind": "binary", "labels": {"d": "high"}}},
            "model": {"width": 8, "audio": {"mels": 8, "channels": 2, "widths": [4]}},
        }
    )
    folder = tmp_path_factory.mktemp("sounds")
    work = prepare(config, folder / "data", {"d": table})
    return set_up(RunDirectory(folder), work, lambda event: None)


def test_sounds_are_stretched_and_stay_aligned_with_their_rows(sounds):
    rows = np.flatnonzero(sounds.work.pool.split == TRAIN)
    own = make_views(sounds.work.pool, sounds.inputs, {"audio.stretch": 0.4}, rows, number=1, seed=0)["audio"]
    there = rows[sounds.inputs.row["audio"][rows] >= 0]
    place, strength = own.chosen(there, np.zeros(len(there), np.int64), np.random.default_rng(0))
    assert (place >= 0).all() and set(rows) - set(there), "clips that are missing have no view"
    frames = np.diff(own.arrays["offsets"])
    ratio = frames[place] / frames[sounds.inputs.row["audio"][there]]
    speed = np.where(strength > 0, 1 + strength, 1 / (1 - strength))
    np.testing.assert_allclose(ratio, 1 / speed, rtol=0.15)


def test_training_on_changed_sounds(sounds):
    from jointset.augment import Policy, Step
    from jointset.augment_trial import train_under

    overlay = apply(sounds.work.given, Edits.empty(), sounds.work.by_name, sounds.work.pool)
    policy = Policy({"audio.shift": Step(0.1), "audio.time_mask": Step(0.2)})
    scored, _ = train_under(sounds, overlay, policy, 0)
    assert np.isfinite(scored.skill["high"])
