"""Trainings without a dataset, or a task: what is wrong hurts, and what is like the others helps."""

import json

import numpy as np
import pytest

from jointset import config
from jointset.cli.relate import _datasets, _tasks
from jointset.data import apply
from jointset.errors import ConfigError
from jointset.leaving_out import LeftOut, TaskLeftOut, leave_out, leave_out_tasks, needed
from jointset.prepare import prepare
from jointset.records import HOLDOUT, Edits
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


def test_a_task_left_out_is_judged_by_the_rows_of_the_others():
    """Planted: b helps a, c harms b, and nothing else is anything but noise."""

    def train(tasks):
        rng = np.random.default_rng(len(tasks) + 10 * ("a" in tasks))
        lift = {"a": 0.05 * ("b" in tasks), "b": -0.05 * ("c" in tasks)}
        rows = {t: 0.5 + lift.get(t, 0.0) + rng.normal(0, 0.02, 150) for t in tasks}
        return {t: (float(r.mean()), r) for t, r in rows.items()}

    found = {(c.source, c.task): c for c in leave_out_tasks(train, ("a", "b", "c"))}
    assert len(found) == 6 and all(c.rows == 150 and c.low < c.gain < c.high for c in found.values())
    assert {pair: c.verdict for pair, c in found.items() if c.verdict != "same"} == {
        ("b", "a"): "helped",
        ("c", "b"): "hurt",
    }


def test_intervals_hold_for_all_sources_of_a_task_at_once():
    """Tasks that do nothing to one another: of 200 draws of six, at most one side in twenty is wrong for a target."""
    rng, wrong, names = np.random.default_rng(0), 0, tuple("abcdef")
    for _ in range(200):
        rows = {(): rng.normal(size=(6, 40)), **{n: rng.normal(size=(6, 40)) for n in names}}

        def train(tasks, rows=rows):
            gone = [n for n in names if n not in tasks]
            drawn = rows[gone[0] if gone else ()]
            return {t: (0.0, drawn[names.index(t)]) for t in tasks}

        wrong += any(c.verdict != "same" for c in leave_out_tasks(train, names) if c.task == "a")
    assert wrong / 200 <= 0.16  # .1 expected for both sides; more comes once in 500


def test_the_only_task_is_not_left_out(folder, cli, monkeypatch):
    monkeypatch.setattr("jointset.cli.relate._trained", lambda *given: pytest.fail("trained"))
    folder.settings["tasks"] = {"level": folder.settings["tasks"]["level"]}
    done = cli("relate", folder.write().config, "--leave-out-tasks")
    assert done.code == 2 and done.out == ""
    assert done.err.count("\n") == 1 and "there is one task" in done.err


def test_the_command_leaves_tasks_out_and_says_first_what_it_costs(folder, cli):
    folder.settings["training"]["epochs"] = 2
    done = cli("relate", folder.write().config, "--leave-out-tasks", "--measure", "association", "--json")
    assert done.code == 0, done.err
    left = json.loads(done.out)["tasks_left_out"]
    names = list(folder.settings["tasks"])
    assert [(o["source"], o["task"]) for o in left] == [(s, t) for s in names for t in names if t != s]
    assert "leaving each task out costs 5 joint trainings" in done.err.splitlines()[0]
    shown = "\n".join(
        _tasks(tuple(TaskLeftOut("t", g, g - 0.1, g + 0.1, 9, s) for s, g in (("s", 0.2), ("r", 0.0))))
    )
    assert "✔ s for t: +0.200 [+0.100, +0.300], 9 rows: helped" in shown and "the other 1 pairs" in shown


def test_a_dataset_that_carries_all_labels_is_not_left_out(sites, tmp_path, monkeypatch):
    """Digits at a bank; a post without labels, then with some that nobody holds out."""
    post = {k: v for k, v in sites["post"].items() if k != "digit"}
    bare = {"bank": sites["bank"], "post": {**post, "digit": np.full(400, None, object)}}
    bench, overlay = made(tmp_path, bare, {"digit": "multiclass"}, {"digit": ["bank", "post"]})
    assert needed(bench.work.pool, overlay.labels) == {"bank": "no other dataset has labels to train on"}
    assert {o.dataset for o in leave_out(bench, overlay, seed=0)} == {"post"}
    monkeypatch.setattr("jointset.leaving_out.fit", lambda *given, **more: pytest.fail("trained"))
    with pytest.raises(
        ConfigError, match=r"no dataset can be left out \(bank: no other dataset has labels to train on"
    ):
        leave_out(bench, overlay, ["bank"], seed=0)
    held = np.flatnonzero((bench.work.pool.split == HOLDOUT) & (bench.work.pool.dataset_of == 1))
    labels = {"digit": overlay.labels["digit"].copy()}
    labels["digit"][bench.work.pool.dataset_of == 1] = 3
    assert set(needed(bench.work.pool, labels)) == {"bank"}, "held-out labels that are all the same"
    labels["digit"][held] = np.arange(len(held)) % 10
    assert needed(bench.work.pool, labels) == {}


def test_the_command_says_which_datasets_are_not_left_out(folder, cli):
    folder.settings["training"]["epochs"] = 1
    folder.settings["tasks"] = {"level": folder.settings["tasks"]["level"]}
    folder.settings["tasks"]["level"]["labels"] = {"people": "grade"}
    done = cli("relate", folder.write().config, "--leave-out", "--measure", "association", "--json")
    assert done.code == 0, done.err
    assert "leaving each dataset out costs 2 joint trainings" in done.err
    told = json.loads(done.out)
    assert told["not_left_out"] == {"people": "no other dataset has labels to train on"}
    assert {o["dataset"] for o in told["left_out"]} == {"posts"}
    shown = list(_datasets((), told["not_left_out"]))
    assert shown[-1] == "· people: not left out, no other dataset has labels to train on"
