"""The whole loop over sounds, over sounds and images together, and over rows that lack some of their inputs."""

import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

import jointset as js

PITCH = {"low": 300.0, "high": 1500.0}
FAST = {
    "model": {
        "width": 16,
        "audio": {"mels": 16, "channels": 8, "widths": [16, 16]},
        "image": {"widths": [4, 8]},
    },
    "training": {"epochs": 12, "folds": 2, "batch_size": 16, "learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def clips(wav, tone):
    """WAV files of low and high tones, of several lengths, rates and numbers of channels, and their names."""

    def make(n, seed=0):
        rng = np.random.default_rng(seed)
        names = np.array(list(PITCH))[np.arange(n) % 2]
        files = []
        for i, name in enumerate(names):
            rate = (8000, 16000)[i % 3 == 0]
            sound = tone(PITCH[name] * rng.uniform(0.8, 1.25), rng.uniform(0.1, 0.3), rate, seed=i)
            files.append(wav(np.stack([sound, sound], 1) if i % 5 == 0 else sound, rate, width=2 + i % 2))
        return files, names

    return make


@pytest.fixture(scope="module")
def heard(clips, tmp_path_factory):
    """A folder of sounds by class, and the configuration that ``jointset init`` writes for it, made fast."""
    folder = tmp_path_factory.mktemp("heard")
    for i, (file, name) in enumerate(zip(*clips(90), strict=True)):
        path = folder / "tones" / name / f"{i:03d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    return folder


def test_a_folder_of_sounds_from_init_to_predictions(heard, cli, clips, tmp_path):
    config = heard / "jointset.yaml"
    assert cli("init", heard / "tones", "--out", config).code == 0
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    assert settings["datasets"]["tones"]["inputs"] == {"audio": "audio"}
    assert settings["tasks"]["label"]["labels"] == {"tones": "label"}
    settings |= {"improve": {"rounds": 1}, **FAST}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = cli("check", config)
    assert done.code == 0, done.err
    assert "every file, column and label can be read" in done.out
    assert cli("run", config, "--runs", tmp_path).code in (0, 1)
    run = js.Run(tmp_path / settings["name"])
    assert run.summary["tasks"]["label"]["metrics_after"]["accuracy"] > 0.9

    fresh = tmp_path / "fresh"
    for i, (file, name) in enumerate(zip(*clips(10, seed=9), strict=True)):
        (fresh / name).mkdir(parents=True, exist_ok=True)
        (fresh / name / f"{i}.wav").write_bytes(file)
    assert cli("predict", run.path, fresh, "--out", tmp_path / "out.csv").code == 0
    assert cli("evaluate", run.path, fresh, "--json").code == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert len(found) == 10
    assert (found["audio"].str.split("/").str[0] == found["label"]).mean() > 0.8


@pytest.fixture(scope="module")
def mixed(clips, tmp_path_factory):
    """One task over sounds (bytes) and images (arrays); one sound cannot be read, one row has no sound."""
    files, names = clips(100)
    files[3], files[5] = b"no sound", None
    rng = np.random.default_rng(0)
    bright = np.array(list(PITCH))[np.arange(100) % 2]
    images = rng.integers(0, 90, (100, 8, 8)) + 120 * (bright == "high")[:, None, None]
    project = js.Project("mixed", root=tmp_path_factory.mktemp("mixed"))
    split = {"holdout": 0.2, "test": 0.2}
    sounds = pa.table({"clip": pa.array(files, pa.binary()), "pitch": names.tolist()})
    project.add_dataset("sounds", sounds, inputs={"audio": "clip"}, split=split)
    pictures = {"scan": images.astype(np.uint8), "shade": bright}
    project.add_dataset("pictures", pictures, inputs={"image": "scan"}, split=split)
    project.add_task("level", "binary", labels={"sounds": "pitch", "pictures": "shade"})
    model = {**FAST["model"], "audio": {**FAST["model"]["audio"], "max_unreadable": 0.02}}
    project.configure(model=model, training=FAST["training"])
    return project.run(rounds=1)


def test_one_task_over_sounds_and_images(mixed):
    assert mixed.summary["tasks"]["level"]["metrics_after"]["accuracy"] > 0.85
    assert set(mixed.model.inputs["sounds"]) == {"audio"}
    assert len(mixed.datasets["sounds"]) == len(mixed.datasets["pictures"]) == 100


def test_the_saved_model_hears_as_the_trained_one(mixed, clips):
    files, names = clips(20, seed=4)
    table = pa.table({"clip": pa.array([*files[:-1], None], pa.binary())})
    found = mixed.model.predict_table(table, dataset="sounds").to_pandas()
    assert (found["level"][:-1] == names[:-1]).mean() > 0.8
    assert np.isfinite(found["level__confidence"]).all()


def test_an_export_of_sounds_reads_back_with_its_feature(mixed, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    folder = mixed.export(tmp_path / "out")
    for name in ("sounds", "task-level"):
        found = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))["train"]
        if name == "sounds":
            assert isinstance(found.features["clip"], datasets.Audio)
            raw = found.cast_column("clip", datasets.Audio(decode=False))
            assert raw[0]["clip"]["bytes"] == mixed.datasets["sounds"].to_arrow()["clip"][0].as_py()
        assert len(found)
    again = js.Project("again", root=tmp_path)
    whole = datasets.load_dataset(str(folder), "sounds", cache_dir=str(tmp_path / "cache"))["train"]
    whole = whole.select_columns(["clip", "level__given"])
    again.add_dataset("d", whole, inputs={"audio": "clip"}, split={"holdout": 0.2})
    again.add_task("heard", "binary", labels={"d": "level__given"})
    again.configure(**FAST)
    again.configure(model={"audio": {"max_unreadable": 0.02}}, training={"epochs": 1})
    assert again.run(rounds=0).summary["tasks"]["heard"]["rows"]


def test_rows_that_lack_an_input_are_trained_on_and_predicted(tmp_path):
    rng = np.random.default_rng(0)
    level = rng.integers(0, 2, 200)
    words = np.array(["calm quiet", "loud wild"])[level]
    text = [None if i % 3 == 0 else f"{w} {i}" for i, w in enumerate(words)]
    number = np.where(np.arange(200) % 3 == 1, np.nan, level + rng.normal(0, 0.2, 200))
    frame = pd.DataFrame({"note": text, "x": number, "y": np.array(["a", "b"])[level]})
    frame.loc[4, ["note", "x"]] = None  # a row without any input
    project = js.Project("lacking", root=tmp_path)
    inputs = {"text": "note", "tabular": "x"}
    project.add_dataset("d", frame, inputs=inputs, split={"holdout": 0.2, "test": 0.2})
    project.add_task("t", "binary", labels={"d": "y"})
    project.configure(
        model={"width": 16, "modality_dropout": 0.3, "text": {"bits": 10}, "tabular": {"hidden": 16}},
        training={"epochs": 20, "folds": 2, "batch_size": 16, "learning_rate": 0.01},
    )
    run = project.run(rounds=1)
    assert run.summary["tasks"]["t"]["metrics_after"]["accuracy"] > 0.9
    plan = json.loads((run.directory.model / "config.json").read_text(encoding="utf-8"))["plan"]
    assert plan["modality_dropout"] == 0.3
    new = pd.DataFrame({"note": ["loud wild", None, "loud wild", None], "x": [1.0, 1.0, np.nan, np.nan]})
    found = run.model.predict(new)
    assert found["t"].tolist()[:3] == ["b", "b", "b"]
    assert found["t__confidence"][3] < found["t__confidence"][:3].min()
