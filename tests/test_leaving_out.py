"""Trainings without a dataset: one that is wrong hurts, one that is like the others helps, and tasks may go with it."""

import json

import numpy as np
import pytest

from jointset import config
from jointset.data import apply
from jointset.errors import ConfigError
from jointset.leaving_out import LeftOut, leave_out
from jointset.prepare import prepare
from jointset.records import Edits
from jointset.rundir import RunDirectory
from jointset.workbench import set_up


def made(folder, sources, tasks, labels):
    columns = [c for c in next(iter(sources.values())) if c.startswith("p")]
    settings = {
        "datasets": {n: {"inputs": {"tabular": columns}, "split": {"holdout": 0.4}} for n in sources},
        "tasks": {t: {"kind": k, "labels": dict.fromkeys(labels[t], t)} for t, k in tasks.items()},
        "model": {"width": 32, "tabular": {"hidden": 32}},
        "training": {"epochs": 12},
    }
    work = prepare(config.parse(settings), folder / "data", sources)
    bench = set_up(RunDirectory(folder), work, lambda event: None)
    return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)


@pytest.fixture(scope="module")
def sites(digits):
    """Digits at three sites; those of the second are wrong, and only the third knows whether they are round."""
    images, labels = digits
    rng = np.random.default_rng(0)
    x = images.reshape(len(images), -1)[:1200] / 255
    given = labels[:1200].copy()
    given[1::3] = (given[1::3] + rng.integers(1, 10, 400)) % 10
    sources = {
        n: {
            **{f"p{i}": x[j::3, i].astype(float) for i in range(64) if x[:, i].std() > 0},
            "digit": given[j::3],
        }
        for j, n in enumerate(("bank", "post", "school"))
    }
    sources["school"]["round"] = np.isin(labels[2:1200:3], (0, 6, 8, 9)).astype(int)
    return sources


def test_a_wrong_dataset_hurts_and_a_right_one_helps(sites, tmp_path):
    kinds = {"digit": "multiclass", "round": "binary"}
    bench, overlay = made(tmp_path, sites, kinds, {"digit": list(sites), "round": ["school"]})
    found = {(o.dataset, o.task): o for o in leave_out(bench, overlay, seed=0)}
    assert found["post", "digit"].verdict == "hurt" and found["post", "digit"].gain < -0.1
    assert found["bank", "digit"].verdict == found["school", "digit"].verdict == "helped"
    assert ("school", "round") not in found  # without the school nobody knows the task
    rows = {d.name: len(d) for d in bench.work.pool.datasets}
    assert 0 < found["post", "digit"].rows < rows["bank"] + rows["school"]
    only = leave_out(bench, overlay, ["post"], seed=0)
    assert {o.dataset for o in only} == {"post"} and only[0] == found["post", only[0].task]


def test_one_dataset_or_an_unknown_one(sites, tmp_path):
    bench, overlay = made(tmp_path, {"bank": sites["bank"]}, {"digit": "multiclass"}, {"digit": ["bank"]})
    with pytest.raises(ConfigError, match="there is one dataset"):
        leave_out(bench, overlay, seed=0)
    with pytest.raises(ConfigError, match=r"no dataset 'bnak' \(did you mean 'bank'\?\)"):
        leave_out(bench, overlay, ["bnak"], seed=0)


def test_the_command_says_so_before_anything_is_trained(folder, cli, monkeypatch):
    monkeypatch.setattr("jointset.cli.relate._measured", lambda *given: pytest.fail("trained"))
    del folder.settings["datasets"]["posts"]
    folder.settings["tasks"]["level"]["labels"] = {"people": "grade"}
    done = cli("relate", folder.write().config, "--leave-out", "--budget", 9)
    assert done.code == 2 and done.out == ""
    assert done.err.count("\n") == 1 and "there is one dataset" in done.err


def test_verdicts():
    told = [LeftOut("t", 0, *bounds, 9, "d").verdict for bounds in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1))]
    assert told == ["helped", "hurt", "same"]


def test_the_command_tells(folder, cli):
    done = cli("relate", folder.write().config, "--leave-out", "--measure", "association", "--json")
    assert done.code == 0, done.err
    left = json.loads(done.out)["left_out"]
    assert {(o["dataset"], o["task"]) for o in left} == {
        ("people", "level"), ("posts", "level"), *(("posts", t) for t in ("risky", "kinds", "price"))
    }  # fmt: skip
    done = cli("relate", folder.config, "--leave-out", "--measure", "association")
    assert "datasets, by training without each" in done.out and " posts for risky: " in done.out
