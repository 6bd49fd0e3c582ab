"""The files of a benchmark, and the example configurations that are written for them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import datasets
from jointset import config
from jointset.prepare import prepare, regime

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MADE_FROM = {
    "same-input-different-losses": "tox21",
    "different-inputs-different-losses": "digits-single",
    "different-inputs-same-loss": "fdu_mtl-flip20",
    "mixture": "digits-mixed",
    "cross-modal": "spoken-written",
    "sharing": "digits-mixed",
}
# the others are called after theirs
REGIME = {"cross-modal": "different-inputs-same-loss", "sharing": "mixture"}


def written(name, folder, seed=0):
    try:
        datasets.SETS[name](folder, seed)
    except SystemExit as reason:
        pytest.skip(str(reason))
    return pd.read_parquet(folder / "truth.parquet")


@pytest.mark.parametrize("name", MADE_FROM)
def test_every_example_parses_and_is_of_its_regime(name):
    found = regime(config.load(EXAMPLES / f"{name}.yaml"))
    assert found.replace(",", "").replace(" ", "-").startswith(REGIME.get(name, name))


def test_every_example_is_listed():
    assert {p.stem for p in EXAMPLES.glob("*.yaml")} == set(MADE_FROM)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"{name}.yaml" in readme and f"`{made}`" in readme for name, made in MADE_FROM.items())


@pytest.mark.parametrize("name", MADE_FROM)
def test_every_example_fits_its_files(name, tmp_path):
    written(MADE_FROM[name], tmp_path)
    shutil.copy(EXAMPLES / f"{name}.yaml", tmp_path)
    ours, theirs = (config.load(tmp_path / f"{n}.yaml") for n in (name, "jointset"))
    assert set(ours.datasets) == set(theirs.datasets)
    assert {n: t.labels for n, t in ours.tasks.items()} == {n: t.labels for n, t in theirs.tasks.items()}
    if name != "different-inputs-same-loss":  # reading thirty thousand reviews again takes its time
        prepare(ours, tmp_path / "cache")


@pytest.mark.parametrize("grid", datasets.DIGIT_GRIDS)
def test_digits_are_damaged_in_training_rows_only(grid, tmp_path):
    truth = written(f"digits-{grid}", tmp_path)
    parts = []
    for name, tasks in datasets.DIGIT_GRIDS[grid].items():
        frame = pd.read_parquet(tmp_path / f"{name}.parquet")
        parts += [
            frame.assign(dataset=name, task=t, given=frame[t])[["dataset", "id", "task", "split", "given"]]
            for t in tasks
        ]
    both = pd.concat(parts).merge(truth, on=["dataset", "id", "task"], validate="one_to_one")
    test = both[both["split"] == "test"]
    assert len(both) == len(truth) and (test["given"] == test["truth"]).all()
    train = both[both["split"] == "train"]
    known = train[train["given"].notna()]
    assert train["given"].isna().mean() == pytest.approx(datasets.DIGIT_WITHHELD, abs=0.04)
    assert (known["given"] != known["truth"]).mean() == pytest.approx(datasets.DIGIT_NOISE, abs=0.04)


def test_the_truth_is_never_named(tmp_path):
    for name in datasets.SETS:
        written(name, tmp_path / name)
        assert "truth" not in (tmp_path / name / "jointset.yaml").read_text(encoding="utf-8")
        for file in (tmp_path / name).glob("*.parquet"):
            assert file.stem == "truth" or "truth" not in pd.read_parquet(file).columns


@pytest.mark.parametrize(("damage", "share"), [("none", 0.0), ("flip20", 0.2), ("positives30", 0.15)])
def test_reviews_are_damaged_as_told(damage, share, tmp_path):
    truth = written(f"fdu_mtl-{damage}", tmp_path).set_index("id")["truth"]
    frame = pd.concat(pd.read_parquet(tmp_path / f"{d}.parquet") for d in ("books", "music", "MR"))
    wrong = frame["sentiment"].to_numpy() != truth.loc[frame["id"]].to_numpy()
    train = (frame["split"] == "train").to_numpy()
    assert not wrong[~train].any()
    assert wrong[train].mean() == pytest.approx(share, abs=0.03)
    if damage == "positives30":
        assert (frame["sentiment"].to_numpy()[wrong] == "negative").all()


def test_a_molecule_is_on_one_side_of_the_split(tmp_path):
    truth = written("tox21", tmp_path)
    frame = pd.read_parquet(tmp_path / "tox21.parquet")
    assert (frame.groupby("smiles")["split"].nunique() == 1).all()
    given = frame["NR-AR"].notna().sum()
    known = (truth["task"] == "NR-AR").sum()
    assert given / known == pytest.approx(1 - 0.8 * datasets.TOX_WITHHELD, abs=0.02)


def test_votes_that_tie_are_no_label(tmp_path):
    truth = written("youtube", tmp_path)
    frame = pd.read_parquet(tmp_path / "comments.parquet")
    assert list(frame.columns) == ["id", "text", "spam"]
    labelled = frame["spam"].notna().to_numpy()
    assert labelled.mean() == pytest.approx(0.745, abs=0.001)
    assert truth["voted"].to_numpy()[labelled].all()
    right = frame["spam"].to_numpy() == truth["truth"].to_numpy()
    assert right[labelled].mean() == pytest.approx(0.925, abs=0.001)


def test_the_same_seed_writes_the_same_files(tmp_path):
    for folder in ("a", "b"):
        datasets.digits(tmp_path / folder, 1)
    first, second = ((tmp_path / f / "bank.parquet").read_bytes() for f in ("a", "b"))
    assert first == second
    given = [
        datasets.damaged(np.zeros(9, int), 2, np.ones(9, bool), np.random.default_rng(s)) for s in (0, 0)
    ]
    assert (given[0] == given[1]).all()


def test_missing_data_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("JOINTSET_DATA", str(tmp_path))
    with pytest.raises(
        SystemExit, match=r"no such file; set JOINTSET_DATA to the folder that holds fdu_mtl/"
    ):
        datasets.SETS["fdu_mtl-none"](tmp_path, 0)
