"""Explanations of runs whose tasks have models of their own."""

import numpy as np
import pytest

from jointset.interpret import alignment, influence, task_features
from jointset.models.grouped import GroupedModel, TaskGroup
from jointset.records import TEST, TRAIN
from jointset.training.loop import fit
from jointset.workbench import set_up


@pytest.fixture(scope="module")
def grouped(make_folder, tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("grouped"))
    folder.settings["model"]["groups"] = [
        ["level", "kinds"],
        {"tasks": ["risky", "price"], "along": ["level"]},
    ]
    return folder.write().execute()


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
@pytest.mark.parametrize(
    ("task", "behind"), [("kinds", {"kinds", "level"}), ("price", {"price", "risky", "level"})]
)
def test_a_prediction_is_explained_by_the_model_that_serves_it(grouped, task, behind, method):
    found = grouped.explain("p5", dataset="people", task=task, method=method, rows=4)
    told = [*found.helpful, *found.harmful]
    assert found.attribution.units and told
    assert {r["task"] for r in told} <= behind
    assert all(len(r["label"]) < 12 for r in told)  # numbers too


def test_influence_stays_within_a_model(grouped):
    work = grouped.work
    problem = set_up(grouped.directory, work, lambda event: None).problem(grouped.overlay())
    train, held = (np.flatnonzero(work.pool.split == s) for s in (TRAIN, TEST))
    assert isinstance(grouped.model.network, GroupedModel)
    scores = influence([grouped.model.network], problem, train, held).scores
    apart = scores["price", "kinds"]
    assert (apart[~np.isnan(apart)] == 0).all() and (~np.isnan(apart)).any()
    assert np.nanmax(np.abs(scores["level", "price"])) > 0
    alone = influence([grouped.model.network.serving("kinds")],
                      problem.of_group(TaskGroup(("level", "kinds"))), train, held).scores  # fmt: skip
    np.testing.assert_allclose(alone["level", "kinds"], scores["level", "kinds"], equal_nan=True)


def test_features_are_those_of_the_serving_model(grouped):
    work, model = grouped.work, grouped.model.network
    problem = set_up(grouped.directory, work, lambda event: None).problem(grouped.overlay())
    rows = np.flatnonzero(work.pool.split == TRAIN)[:100]
    found = task_features(model, problem.inputs, rows)
    for task in ("kinds", "price"):
        own = task_features(model.serving(task), problem.inputs, rows)
        np.testing.assert_array_equal(found["heads' input"][task], own["heads' input"][task])
    told = alignment(found)
    assert told.tasks == tuple(t.name for t in model.tasks)
    place = {t: i for i, t in enumerate(told.tasks)}
    assert told.value[-1, place["level"], place["kinds"]] == pytest.approx(1.0)
    assert told.value[-1, place["level"], place["price"]] < 1 - 1e-6


def test_tasks_that_a_model_does_not_have_are_left_out(bench, problem):
    split = bench.work.pool.split
    train, held = np.flatnonzero(split == TRAIN), np.flatnonzero(split == TEST)
    own = problem.of_group(TaskGroup(("level", "risky")))
    model = fit(
        own, np.flatnonzero(own.usable() & (split == TRAIN)), train[:0], bench.settings, seed=0, epochs=1
    ).model
    wider = problem.of_group(TaskGroup(("level", "risky", "price")))
    found, wanted = (influence([model], p, train, held).scores for p in (wider, own))
    assert set(found) == set(wanted) == {(s, t) for s in ("level", "risky") for t in ("level", "risky")}
    for pair, score in wanted.items():
        np.testing.assert_array_equal(found[pair], score)
