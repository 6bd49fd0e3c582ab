"""Leaked rows: dropping their copies passes the gate, and no score hides them."""

import json

import numpy as np
import pandas as pd
import pytest

from jointset import config as configs
from jointset import leaked, workbench
from jointset.ledger import Ledger
from jointset.prepare import prepare
from jointset.project import execute
from jointset.rundir import RunDirectory


def leaky(n=600, copies=150, seed=0):
    """Labels that are hard to learn, a third of the rows held out, 150 of these copied into train, twice."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).round(5)
    y = x[:, 0] + 1.2 * rng.normal(size=n) > 0
    rows = pd.DataFrame({f"x{i}": x[:, i] for i in range(6)})
    rows = rows.assign(
        y=np.where(y, "p", "n"),
        split=np.where(np.arange(n) % 3 == 0, "holdout", "train"),
        id=[f"r{i}" for i in range(n)],
    )
    copied = rows[rows.split == "holdout"].iloc[:copies]
    once, twice = (copied.assign(split="train", id=prefix + copied["id"]) for prefix in "cd")
    return pd.concat([rows, once, twice])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaky")
    leaky().to_csv(folder / "d.csv", index=False)
    settings = {
        "name": "leaky",
        "datasets": {
            "d": {
                "path": str(folder / "d.csv"),
                "id": "id",
                "inputs": {"tabular": [f"x{i}" for i in range(6)]},
                "split": {"column": "split"},
            }
        },
        "tasks": {"y": {"kind": "binary", "labels": {"d": "y"}}},
        "relatedness": "off",
        "improve": {"rounds": 1, "fixes": ["leaks"]},
        "training": {"epochs": 15, "folds": 2, "learning_rate": 0.01, "mixup": 0, "batch_size": 32},
    }
    return execute(configs.parse(settings, "test"), folder / "runs", emit=lambda event: None)


def test_dropping_the_copies_is_accepted(run):
    edits = run.summary["edits"]
    assert edits["proposed"] == edits["accepted"] == 300
    with Ledger(run.directory.ledger) as ledger:
        (verdict,) = ledger.verdicts()
    assert verdict["tasks"][0]["n"] == 50 and verdict["tasks"][0]["aside"] == 150
    assert (
        "y is not judged by 150 of 200 held-out rows, whose copies are in the training rows"
        in verdict["reason"]
    )


def test_scores_are_told_without_the_leaked_rows_and_with_them(run, cli):
    task = run.summary["tasks"]["y"]
    assert task["rows"] == 50
    both = task["with_leaks"]
    assert both["rows"] == 200 and "150 of 200" in both["note"]
    with np.load(run.directory.held_out) as stored:
        rows, said = stored["rows"], stored["after_decided.0"].argmax(axis=1)
    right = said == run.work.given["y"][rows]
    clean = ~leaked.read(run.directory).copies[rows]
    assert clean.sum() == 50
    assert task["metrics_after"]["accuracy"] == pytest.approx(right[clean].mean(), abs=1e-6)
    assert both["before"] > task["before"] + 0.1  # what leaked flatters
    assert task["after"] == task["metrics_after"]["accuracy"]
    noisy = task["corrected_for_noise"]  # cut off at 1, and beside the plain metric
    assert all(0 <= v <= 1 for v in (both["before"], both["after"], noisy["before"], noisy["after"]))
    assert "corrected for label noise" in run.directory.report.read_text()
    page = run.directory.report.read_text()
    assert "Held-out rows that leaked" in page and "150 of 200 held-out rows" in page
    done = cli("run", run.path / "config.yaml", "--runs", run.path.parent, "--json")
    assert json.loads(done.out)["tasks"]["y"]["with_leaks"] == both


def test_a_later_sitting_knows_what_leaked(run, tmp_path):
    directory = RunDirectory(run.path)
    bench = workbench.set_up(directory, prepare(directory.config(), directory.data), lambda event: None)
    assert bench.leaked.copies.sum() == 150 and not bench.leaked.groups.any()
    assert leaked.read(RunDirectory(tmp_path)) is None
