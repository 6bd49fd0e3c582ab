"""Trainings of sets of tasks: the same held-out rows every time, and gains through the command."""

import json

import numpy as np
import pytest

from jointset.cli.relate import render
from jointset.config import load
from jointset.data import apply
from jointset.prepare import prepare
from jointset.records import Edits
from jointset.relating import relate
from jointset.rundir import RunDirectory
from jointset.task_sets import Trainer
from jointset.workbench import set_up


def test_a_task_is_scored_on_the_same_rows_in_every_set(bench):
    work = bench.work
    train = Trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)
    alone, both = train(("level",)), train(("level", "price"))
    assert set(alone) == {"level"} and set(both) == {"level", "price"}
    assert alone["level"][1].shape == both["level"][1].shape
    for score, rows in both.values():
        assert np.isclose(score, rows.mean()) and score < 1
    again = Trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)(("level",))
    assert again["level"][0] == alone["level"][0]


def test_a_task_that_is_trained_alone_is_asked_whether_it_tells_the_held_out_labels(folder):
    people = folder.with_people(1200).frames["people"]
    people["coin"] = np.random.default_rng(3).choice(["heads", "tails"], len(people))
    folder.settings["tasks"]["coin"] = {"kind": "binary", "labels": {"people": "coin"}}
    work = prepare(load(folder.write().config), folder.path / "data")
    bench = set_up(RunDirectory(folder.path / "run"), work, lambda event: None)
    train = Trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)
    train(("coin", "price"))
    assert train.worthless == {}, "only alone"
    for name in ("level", "coin"):
        train((name,))
    assert train.worthless == {"level": False, "coin": True}


def test_the_command_measures_gains_within_a_budget(folder, cli):
    folder.settings["training"]["epochs"] = 2
    done = cli("relate", folder.write().config, "--measure", "leep", "--budget", 6, "--groups", 2, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    gain = found["affinity"]["transfer_gain"]
    assert np.array(gain["support"]).max() >= 2 and gain["seconds"] > 0
    assert sorted(t for g in found["groups"]["groups"] for t in g["serves"]) == sorted(gain["tasks"])


def test_trainings_that_are_left_check_auxiliaries_and_the_text_shows_intervals(bench):
    """Gains planted in a callable: of level, price with risky; by the pair alone nothing else is sure."""
    asked = []

    def train(tasks):
        asked.append(tasks)
        rng = np.random.default_rng(len(asked))
        lift = {"level": 0.1 * ("price" in tasks) + 0.1 * ("risky" in tasks)}
        rows = {t: 0.5 + lift.get(t, 0.0) + rng.normal(0, 0.02, 200) for t in tasks}
        return {t: (float(r.mean()), r) for t, r in rows.items()}

    names = [t.name for t in bench.work.tasks]
    pairs = len(names) * (len(names) - 1) // 2
    budget = len(names) + 1 + pairs + 2
    found = relate(bench.work, measures=["association"], targets=["level"], train=train, budget=budget)
    assert found.choices["level"].measure == "transfer_gain" and len(asked) <= budget
    assert set(found.choices["level"].chosen) == {"price", "risky"}
    assert any(set(t) == {"level", "price", "risky"} for t in asked[len(names) + 1 + pairs :])
    shown = [line for line in render(found) if line.startswith("    ") and "price: " in line]
    assert "transfer_gain +0.1" in shown[0] and "[+0." in shown[0]
    noise = relate(bench.work, measures=["association"], targets=["kinds"], train=train, budget=budget)
    assert noise.choices["kinds"].measure == "consensus"
    assert "no measured gain is surely above 0" in noise.choices["kinds"].reason


def planted(folder, held="holdout", late=False):
    """Rows of which every third is held out, two tasks of drawn labels, and a ``late`` one without held-out labels."""
    rng = np.random.default_rng(0)
    people = folder.with_people(120).frames["people"]
    out = np.arange(len(people)) % 3 == 0
    people["split"] = np.where(out, held, "train")
    source = {**folder.settings["datasets"]["people"], "split": {"column": "split", "holdout": 0.0}}
    folder.settings["datasets"], folder.settings["tasks"] = {"people": source}, {}
    for name in ("a", "b", *(["late"] if late else [])):
        people[name] = rng.choice(["yes", "no"], len(people))
        folder.settings["tasks"][name] = {"kind": "binary", "labels": {"people": name}}
    if late:
        people.loc[out, "late"] = None
    folder.settings["training"]["epochs"] = 1
    return folder.write()


@pytest.mark.parametrize(
    "asked",
    [("--budget", "4"), ("--leave-out-tasks",), ("--linearise",), ("--budget", "4", "--leave-out-tasks")],
    ids=" ".join,
)
def test_without_held_out_labels_nothing_is_trained(folder, cli, monkeypatch, asked):
    monkeypatch.setattr("jointset.cli.relate._trained", lambda *given: pytest.fail("trained"))
    done = cli("relate", planted(folder, held="test").config, "--measure", "association", *asked)
    assert done.code == 2 and done.out == ""
    assert done.err.count("\n") == 1 and "compared on held-out labels" in done.err
    assert "raise split.holdout" in done.err


def test_rows_of_the_test_are_not_held_out_labels(folder, cli):
    shown = cli("check", planted(folder, held="test").config, "--no-estimate")
    assert "a: 0 held-out labels" in shown.out


def test_a_task_without_held_out_labels_is_not_scored(folder, cli):
    """The gain of the others is measured, and for itself nothing is claimed."""
    one = planted(folder, late=True)
    work = prepare(load(one.config), folder.path / "data")
    bench = set_up(RunDirectory(folder.path / "run"), work, lambda event: None)
    found = Trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)(("a", "late"))
    assert np.isnan(found["late"][0]) and not len(found["late"][1]) and np.isfinite(found["a"][0])
    done = cli("relate", one.config, "--measure", "association", "--budget", 7, "--groups", 2, "--json")
    assert done.code == 0, done.err
    assert "late: no two held-out labels differ" in done.err
    told = json.loads(done.out)
    names = told["affinity"]["transfer_gain"]["tasks"]
    values = np.array(told["affinity"]["transfer_gain"]["values"], float)
    assert np.isnan(values[:2, names.index("late")]).all() and np.isfinite(values[:, :2]).all()
    assert "no gain was measured, for want of held-out labels" in told["targets"]["late"]["reason"]
    assert told["tasks"]["late"]["action"] in ("keep", "alone")
    written = folder.path / "advised.yaml"
    done = cli("relate", one.config, "--measure", "association", "--budget", 7, "--write", written)
    assert done.code == 0 and "nan" not in done.out + written.read_text()
    done = cli("relate", one.config, "--measure", "association", "--leave-out-tasks", "--json")
    assert {o["task"] for o in json.loads(done.out)["tasks_left_out"]} == {"a", "b"}
