"""Joint against single: verdicts, models of their own for hurt tasks, and groups that the configuration names."""

import json

import numpy as np
import pytest

from jointset import apart
from jointset.config import load
from jointset.data import apply
from jointset.errors import ConfigError
from jointset.models.grouped import GroupedModel, TaskGroup
from jointset.prepare import prepare
from jointset.records import TRAIN, Edits, TaskVerdict
from jointset.rundir import RunDirectory
from jointset.stages import stopping_rows
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.workbench import set_up

GROUPS = [["level", "price"], {"tasks": ["risky"], "along": ["level"]}, ["kinds"]]


def begun(folder):
    folder.settings["training"] |= {"epochs": 3}
    folder.write()
    work = prepare(load(folder.config), folder.path / "data")
    bench = set_up(RunDirectory(folder.path / "run"), work, lambda event: None)
    return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)


def hurting(monkeypatch, names):
    """A gate that finds the tasks ``names`` worse."""

    def judge(tasks, *_, **__):
        made = tuple(
            TaskVerdict(t.name, t.metric, 0.8, 0.7, -0.2, -0.05, "worse" if t.name in names else "same", 50)
            for t in tasks
        )
        return type("Found", (), {"tasks": made})()

    monkeypatch.setattr(apart, "judge", judge)


def test_groups_are_models_of_their_own_and_predict_what_they_serve(folder):
    folder.settings["model"]["groups"] = GROUPS
    bench, overlay = begun(folder)
    problem = bench.problem(overlay)
    rows = problem.trained_on(bench.work.pool.split == TRAIN)
    valid = stopping_rows(bench, overlay)
    events = []
    whole = fit(problem, rows, valid, bench.settings, seed=0, track_margin=True, report=events.append)
    assert isinstance(whole.model, GroupedModel) and {tuple(e["group"]) for e in events} == {
        ("level", "price"), ("risky",), ("kinds",),
    }  # fmt: skip
    found, embedding = predict(whole.model, bench.inputs, np.arange(50))
    assert list(found) == [t.name for t in bench.work.tasks] and embedding.shape == (50, bench.plan.width)
    own = problem.of_group(TaskGroup(("risky",), ("level",)))
    usable = own.trained_on(np.ones(own.rows, bool))
    alone = fit(
        own,
        np.intersect1d(rows, usable),
        np.intersect1d(valid, usable),
        bench.settings,
        seed=0,
        track_margin=True,
    )
    assert np.array_equal(found["risky"], predict(alone.model, bench.inputs, np.arange(50))[0]["risky"])
    np.testing.assert_array_equal(whole.margin["risky"], alone.margin["risky"])
    assert not np.array_equal(
        found["level"], predict(alone.model, bench.inputs, np.arange(50))[0]["level"]
    ), "another group serves it"
    names = {p.tasks for p in whole.model.parts() if p.what == "head"}
    assert names == {("level",), ("price",), ("risky",), ("kinds",)}
    assert not {("risky", "kinds"), ("level", "kinds")} & {p.tasks for p in whole.model.parts()}


def test_a_run_with_groups_saves_a_model_that_predicts_the_same(folder):
    folder.settings["model"]["groups"] = GROUPS
    folder.settings["improve"]["rounds"] = 1
    run = folder.write().execute()
    table = run.work.pool.datasets[0].table
    rows = np.flatnonzero(run.work.pool.split != TRAIN)
    outputs = run.model.outputs(table, dataset="people")
    with np.load(run.directory.held_out) as stored:
        mine = run.work.pool.dataset_names[stored["rows"]] == "people"
        for i, task in enumerate(run.work.tasks):
            here = stored["rows"][mine] - run.work.pool.rows_of("people").start
            np.testing.assert_allclose(outputs[task.name][here], stored[f"after.{i}"][mine], atol=2e-6)
    assert len(rows) and "risky" in run.model.describe()


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([["level"], ["risky", "kinds"]], "every task is predicted by one group, 'price' by none"),
        ([["level", "price", "kinds", "risky"], ["risky"]], "'risky' by 2 of them"),
        ([["level", "prise"]], "no task is called 'prise' (did you mean 'price'?)"),
        ([{"tasks": ["level"], "along": ["level"]}], "'level' is predicted by the group already"),
    ],
)
def test_mistaken_groups_are_one_line(folder, groups, told):
    folder.settings["model"]["groups"] = groups
    with pytest.raises(ConfigError) as caught:
        load(folder.write().config)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_groups_and_joint_inference_exclude_each_other(folder):
    folder.settings["model"] |= {"groups": GROUPS, "joint_inference": "labels"}
    with pytest.raises(ConfigError, match="joint_inference"):
        load(folder.write().config)


@pytest.mark.parametrize("hurt", [["risky"], [], ["level", "risky", "kinds", "price"]])
def test_hurt_tasks_start_from_what_they_learnt_alone(folder, monkeypatch, hurt):
    folder.settings["relatedness"] = {"mode": "auto", "budget": 10}
    hurting(monkeypatch, hurt)
    bench, overlay = begun(folder)
    settled = apart.settled(bench, overlay)
    assert {t for g in settled.groups if not g.along and len(g.serves) == 1 for t in g.serves} == set(hurt)
    joint, alone = apart.kept_outputs(settled)
    first = apart.train(settled, overlay, settled.start)
    for task in bench.work.tasks:
        expected = alone[task.name] if task.name in hurt else joint
        np.testing.assert_array_equal(first.held_out[task.name], expected.held_out[task.name])
    told = json.loads(bench.run.relatedness.read_text())
    assert {n: t["verdict"] for n, t in told["tasks"].items()} == {
        t.name: "hurt" if t.name in hurt else "same" for t in bench.work.tasks
    }
    before = bench.run.relatedness.read_bytes()
    assert apart.settled(bench, overlay).groups == settled.groups
    assert bench.run.relatedness.read_bytes() == before, "nothing is compared twice"


def test_a_verdict_alone_changes_nothing_and_a_budget_is_kept(folder, monkeypatch):
    folder.settings["relatedness"] = {"mode": "verdict", "budget": 1.0}
    hurting(monkeypatch, ["risky", "kinds", "level", "price"])
    bench, overlay = begun(folder)
    settled = apart.settled(bench, overlay)
    told = json.loads(bench.run.relatedness.read_text())
    assert settled.groups == () and told["groups"] == []
    assert told["not_compared"] and told["tasks"]


def test_the_tasks_whose_labels_say_most_are_compared_within_the_budget(bench):
    work = bench.work
    problem = bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))
    every = apart.affordable(problem, work, 60.0)
    assert set(every) == {t.name for t in work.tasks} and max(every.values()) <= 1
    few = apart.affordable(problem, work, every["kinds"] + every["price"])
    assert set(few) == {"kinds", "price"}, "three labels, and a number; three classes, and two, say less"
    assert set(apart.affordable(problem, work, every["price"], among=["risky", "price"])) == {"price"}
    assert set(apart.affordable(problem, work, every["risky"] + 1e-3, among=["level", "risky"])) == {
        "risky"
    }, "what is dearer than the rest of the budget is passed over"
    for budget in (0.3, 1.0, 2.0):
        assert sum(apart.affordable(problem, work, budget).values()) <= budget + 1e-9


def test_a_run_tells_what_joint_training_is_to_every_task(folder):
    folder.settings["relatedness"] = {"mode": "auto", "budget": 10}
    folder.settings["improve"]["rounds"] = 1
    run = folder.write().execute()
    for name, task in run.summary["tasks"].items():
        single = task["single"]
        assert (
            single["verdict"] in ("helped", "same", "hurt", "not judged")
            and single["metric"] == task["metric"]
        )
        assert single["own_model"] == (
            json.loads(run.directory.relatedness.read_text())["tasks"][name]["verdict"] == "hurt"
        )


def test_named_groups_are_left_as_they_are_and_copies_are_known_all_the_same(folder):
    folder.settings["model"]["groups"] = [["level", "price"], ["risky", "kinds", "again"]]
    folder.settings["tasks"]["again"] = {"kind": "binary", "labels": {"people": "mirrored"}}
    people = folder.frames["people"]
    people["mirrored"] = people["risk"].map({0: "safe", 1: "not"})
    bench, overlay = begun(folder)
    settled = apart.settled(bench, overlay)
    assert settled.copies == (("risky", "again"),) and settled.groups == ()
    assert settled.plan.groups == bench.plan.groups
    assert json.loads(bench.run.relatedness.read_text())["tasks"] == {}


def test_off_and_one_task_compare_nothing(folder):
    folder.settings["relatedness"] = "off"
    bench, overlay = begun(folder)
    assert apart.settled(bench, overlay) is bench and not bench.run.relatedness.exists()


@pytest.mark.parametrize(
    "weighting",
    [
        {"method": "uncertainty", "squared": ["price", "level"]},
        {"method": "graddrop", "leak": {"price": 0.5, "risky": 0.2}},
        {"method": "stch", "ideal": {"price": 0.0, "kinds": 0.1}},
        {"method": "famo", "minimum": {"risky": 0.0}},
    ],
)
def test_groups_take_what_options_say_of_their_tasks(folder, weighting):
    folder.settings["model"]["groups"] = GROUPS
    folder.settings["training"]["weighting"] = weighting
    bench, overlay = begun(folder)
    problem = bench.problem(overlay)
    rows = problem.trained_on(bench.work.pool.split == TRAIN)
    found = fit(problem, rows, rows[:0], bench.settings, seed=0, epochs=1)
    assert isinstance(found.model, GroupedModel)
