"""The benchmark of sharing: what it compares, in which order, and that it goes on where it was."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from bench.sharing import kept, runs, sets

from bench import sharing_quality as bench

DATA = Path(os.environ.get("JOINTSET_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_the_gain_is_relative_and_its_mean_is_delta():
    together, alone = ({"a": {"value": 0.9}, "b": {"value": 0.5}}, {"a": {"value": 0.8}, "b": {"value": 0.4}})
    gains = runs.gain(together, alone)
    assert gains == {"a": 12.5, "b": 25.0}
    assert runs.delta(gains) == 18.75


def test_variants_that_say_most_come_first():
    names = [v.name for v in runs.variants(("hard", "mmoe", "ple"), ("equal", "famo"))]
    assert names == ["hard-equal", "mmoe-equal", "ple-equal", "hard-famo", "mmoe-famo", "ple-famo"]


def test_a_set_keeps_its_settings():
    base = {"model": {"text": {"bits": 8}}, "training": {"sparse_learning_rate": 0.002}}
    assert runs.Variant("mmoe").settings(base)["model"] == {"text": {"bits": 8}, "sharing": "mmoe"}
    assert runs.Variant("ple", "famo").settings(base)["training"] == {
        "sparse_learning_rate": 0.002,
        "weighting": "famo",
    }


def test_few_rows_are_drawn_by_the_seed_and_test_rows_stay():
    table = pa.table({"split": ["train"] * 50 + ["test"] * 27 + ["holdout"] * 20, "x": list(range(97))})
    few, again, other = (sets.fewer(table, 10, seed) for seed in (0, 0, 1))
    assert few.equals(again) and not few.equals(other)
    kept = few.column("split").to_pylist()
    assert [kept.count(side) for side in ("train", "test", "holdout")] == [10, 27, 10]
    assert sets.fewer(table, 50, 0).equals(table) and sets.fewer(table, None, 0) is table


def test_a_spectrum_shows_where_a_tone_is():
    time = np.arange(4000) / 8000
    tones = [np.round(20000 * np.sin(2 * np.pi * f * time)).astype("<i2") for f in (300, 2500)]
    low, high = (sets.spectrum(t).mean(1).argmax() for t in tones)
    assert sets.spectrum(tones[0]).shape == (32, 32) and low < 12 < 20 < high
    assert sets.spectrum(np.zeros(10, "<i2")).max() == 0


def test_finished_runs_are_kept_in_one_file(tmp_path):
    scores = tmp_path / "work" / "adult" / "0" / "scores"
    scores.mkdir(parents=True)
    run = {"tasks": {"a": {"value": 0.123456, "auc": 1.0}}, "epochs": 3, "seconds": 1.5, "parameters": 9}
    (scores / "hard-equal.json").write_text(json.dumps(run))
    kept.pack(tmp_path / "work", tmp_path / "kept.json")
    (scores / "hard-equal.json").rename(scores / "mmoe-equal.json")
    kept.pack(tmp_path / "work", tmp_path / "kept.json")
    assert list(kept.read(tmp_path / "kept.json")) == ["adult/0/hard-equal", "adult/0/mmoe-equal"]
    kept.pack(tmp_path / "work", tmp_path / "few.json", "hard-*")
    assert not kept.read(tmp_path / "few.json")
    kept.pack(tmp_path / "work", tmp_path / "few.json", "mmoe-*")
    assert list(kept.read(tmp_path / "few.json")) == ["adult/0/mmoe-equal"]
    kept.unpack(tmp_path / "kept.json", tmp_path / "other")
    found = json.loads((tmp_path / "other" / "adult" / "0" / "scores" / "hard-equal.json").read_text())
    assert found == {"tasks": {"a": {"value": 0.12346}}, "epochs": 3, "seconds": 1.5, "parameters": 9}
    (scores / "mmoe-equal.json").write_text("mine")
    kept.unpack(tmp_path / "kept.json", tmp_path / "work")
    assert (scores / "mmoe-equal.json").read_text() == "mine"


def small(folder, seed, rows):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 2))
    split = np.where(np.arange(200) < 140, "train", "test")
    frame = pd.DataFrame({"u": x[:, 0], "v": x[:, 1], "split": split})
    frame["up"] = np.where(x[:, 0] + 0.3 * rng.normal(size=200) > 0, "y", "n")
    frame["right"] = np.where(x[:, 1] > 0, "y", "n")
    tasks = {n: sets._task("binary", {"points": n}, "accuracy") for n in ("up", "right")}
    model = {"width": 8, "tabular": {"hidden": 8}}
    sets.write_set(
        folder, {"points": frame}, {"points": {"tabular": ["u", "v"]}}, tasks, seed, rows, model=model
    )


ASKED = {
    "sets": ["small"],
    "seeds": [0],
    "sharings": ["hard", "mmoe"],
    "weightings": ["equal"],
    "rows": 100,
    "training": {"epochs": 3, "learning_rate": 0.02},
}


def test_a_set_is_run_once_and_the_table_reads_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(bench.SETS, "small", small)
    raw = bench.measured(tmp_path, **ASKED)
    found = raw["small"]
    assert set(found) == {"alone", "hard-equal", "mmoe-equal"}
    alone, hard, mmoe = (found[n]["0"] for n in ("alone", "hard-equal", "mmoe-equal"))
    assert alone["tasks"].keys() == hard["tasks"].keys() == {"up", "right"}
    assert all(t["on"] == "test" and t["metric"] == "accuracy" for t in hard["tasks"].values())
    assert hard["gains"] == runs.gain(hard["tasks"], alone["tasks"])
    assert mmoe["parameters"] > hard["parameters"] > alone["parameters"] / 2
    assert not any((tmp_path / "small" / "0" / "runs").iterdir())
    monkeypatch.setattr(runs, "execute", None)
    assert bench.measured(tmp_path, **ASKED) == raw
    capsys.readouterr()
    table = bench.markdown(bench.measured(tmp_path, **{**ASKED, "sharings": ["hard", "ple"]}, run=False))
    assert "| hard-equal | " in table and "ple" not in table
    assert json.loads((tmp_path / "small" / "0" / "scores" / "hard-equal.json").read_text())["epochs"] >= 1


def test_a_variant_that_cannot_be_run_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(bench.SETS, "small", small)
    raw = bench.measured(tmp_path, **{**ASKED, "sharings": ["lora", "hard"]})
    assert "pretrained backbone" in raw["small"]["lora-equal"]["0"]["error"]
    rows = bench.markdown(raw).splitlines()
    assert rows[2].startswith("| lora-equal | failed: ") and rows[3].startswith("| hard-equal | ")


def test_a_cell_is_the_mean_over_seeds_with_the_worst_task():
    found = {"0": {"gains": {"a": 2.0, "b": -3.0}}, "1": {"gains": {"a": 4.0, "b": -1.0}}}
    assert bench.cell(found) == "+0.50 [-0.50, +1.50]; worst b -2.00, 1 of 2 below −1"
    assert bench.cell({}) == ""


def test_a_quick_look_is_small():
    arguments = argparse.Namespace(
        only=None, seeds=None, sharings=None, weightings=None, rows=None, quick=True
    )
    chosen = bench.choices(arguments)
    assert chosen["seeds"] == [0] and chosen["rows"] and len(chosen["sets"]) == 2
    full = bench.choices(argparse.Namespace(**{**vars(arguments), "quick": False}))
    assert full["rows"] is None and set(full["sets"]) == set(sets.SETS) and "equal" in full["weightings"]


@pytest.mark.parametrize("name", list(sets.SETS))
def test_a_set_is_a_configuration_whose_test_rows_have_no_copies(name, tmp_path):
    if not DATA.is_dir():
        pytest.skip(f"no data at {DATA}: set JOINTSET_DATA")
    import pyarrow.parquet as pq

    from jointset import config

    sets.SETS[name](tmp_path, 0, 300)
    settings = yaml.safe_load((tmp_path / "set.yaml").read_text(encoding="utf-8"))
    parsed = config.parse({**settings, "name": name})
    seen, tested = set(), []
    for dataset, own in parsed.datasets.items():
        table = pq.read_table(tmp_path / f"{dataset}.parquet").to_pandas()
        (modality,) = own.inputs
        labels = {c for t in parsed.tasks.values() for d, c in t.labels.items() if d == dataset}
        assert labels <= set(table.columns) and not labels & set(own.columns(modality))
        assert {"train", "test"} <= set(table["split"]) and (table["split"] == "train").sum() <= 300
        keys = table[own.columns(modality)].apply(lambda row: "|".join(map(str, row)), axis=1)
        seen |= set(keys[table["split"] == "train"])
        tested += list(keys[table["split"] == "test"])
    copies = np.mean([key in seen for key in tested])
    assert copies < 0.01 if modality == "tabular" else copies == 0
