"""Gradients and losses watched while training: what they say, and that nothing trained depends on them."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from jointset.config import load
from jointset.data import apply
from jointset.models.grouped import TaskGroup
from jointset.prepare import prepare
from jointset.records import TRAIN, Edits
from jointset.rundir import RunDirectory
from jointset.training import affinity as running
from jointset.training.affinity import Watch, joined
from jointset.training.loop import fit
from jointset.weighting.gramian.look import by_task, look
from jointset.weighting.gramian.memory import Memory
from jointset.workbench import set_up

SETTINGS = {
    "the plain sum": {},
    "a weighting of losses": {"weighting": "uncertainty"},
    "a weighting of the Gramian": {"weighting": "upgrad"},
    "a weighting of the gradients": {"weighting": "graddrop"},
    "no structure": {"depth": 0},
    "a mixture of experts": {"sharing": "mmoe"},
    "columns": {"sharing": "cross_stitch"},
}


@pytest.fixture
def problem(folder, monkeypatch):
    monkeypatch.setattr(running, "FEWEST_STEPS", 1)
    monkeypatch.setattr(running, "A_TASK", 0)

    def made(**changed):
        model = {k: changed.pop(k) for k in ("depth", "sharing") if k in changed}
        folder.settings["model"] |= model
        folder.settings["training"] |= {"epochs": 5, "patience": 9, **changed}
        folder.write()
        work = prepare(load(folder.config), folder.path / "data")
        bench = set_up(RunDirectory(folder.path / "run"), work, lambda event: None)
        found = bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))
        return found, found.trained_on(work.pool.split == TRAIN), bench.settings

    return made


@pytest.mark.parametrize("changed", SETTINGS.values(), ids=SETTINGS)
def test_watching_changes_no_weight(problem, changed):
    found, rows, settings = problem(**changed)
    plain, watched = (fit(found, rows, rows[:0], settings, seed=3, watch=w) for w in (False, True))
    assert plain.running is None
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, watched.model.state_dict()[name]), name
    found = watched.running.affinities()
    cosine, conflict = found["gradient_cosine"], found["conflict_rate"]
    assert cosine.support.max() > 20 and len(watched.running.losses["level"]) == 5
    known = np.isfinite(cosine.values)
    assert known.any() and (np.abs(cosine.values[known]) <= 1).all()
    assert ((conflict.values[known] >= 0) & (conflict.values[known] <= 1)).all()
    assert set(found) == {"gradient_cosine", "conflict_rate", "lookahead", "loss_ratios"}
    ahead = found["lookahead"].values
    assert np.isfinite(ahead).any() and np.diag(ahead) == pytest.approx(1.0)
    signs = np.sign(ahead) * np.sign(ahead.T)
    assert (signs[np.isfinite(signs)] >= 0).all()  # one inner product, over two lengths


@pytest.mark.parametrize("changed", [{}, {"depth": 0}, {"weighting": "upgrad"}])
def test_an_interrupted_training_ends_in_the_same_measures(problem, changed, tmp_path):
    found, rows, settings = problem(**changed, checkpoint_seconds=1e-9)
    whole = fit(found, rows, rows[:0], settings, seed=0, watch=True)
    file = tmp_path / "partial.safetensors"

    def stop(event):
        if event["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(found, rows, rows[:0], settings, seed=0, watch=True, checkpoint=file, report=stop)
    again = fit(found, rows, rows[:0], settings, seed=0, watch=True, checkpoint=file)
    assert whole.running.record() == again.running.record()


def test_a_copy_agrees_with_its_task_and_a_contradiction_does_not(problem):
    found, rows, settings = problem()
    level = next(t for t in found.tasks if t.name == "risky")
    twin = dataclasses.replace(level, name="twin")
    labels = {**found.labels, "twin": found.labels["risky"]}
    weights = {**found.weights, "twin": found.weights["risky"]}
    pair = dataclasses.replace(found, tasks=(level, twin), labels=labels, weights=weights)
    watched = fit(pair, rows, rows[:0], settings, seed=0, watch=True).running.affinities()
    others = fit(found, rows, rows[:0], settings, seed=0, watch=True).running.affinities()
    assert watched["gradient_cosine"]["risky", "twin"] > np.nanmax(
        others["gradient_cosine"].values[~np.eye(4, dtype=bool)]
    )
    assert watched["conflict_rate"]["risky", "twin"] < 0.3


def test_the_graph_serves_the_training_after_a_look():
    torch.manual_seed(0)
    trunk, a, b = nn.Linear(4, 6), nn.Linear(6, 1), nn.Linear(6, 1)
    x = torch.randn(8, 4)

    def losses():
        z = torch.tanh(trunk(x))
        return [a(z)[:5].square().mean(), (b(z)[5:] - 1).square().mean()]

    parameters = list(trunk.parameters())
    sum(losses()).backward()
    expected = [p.grad.clone() for p in parameters]
    plain = by_task(losses(), parameters)
    each = [torch.autograd.grad(losses()[k], parameters) for k in (0, 1)]
    jacobian = torch.stack([torch.cat([g.flatten() for g in grads]) for grads in each])
    torch.testing.assert_close(plain, jacobian @ jacobian.T)
    for way in ("auto", "layers", "rows", "features"):
        for p in parameters:
            p.grad = None
        made = losses()
        found = look(made, parameters, way=way, memory=Memory())
        assert all(p.grad is None for p in parameters)
        if way != "features":
            torch.testing.assert_close(found, plain)
        sum(made).backward()
        assert all(torch.equal(p.grad, e) for p, e in zip(parameters, expected, strict=True)), way


def test_tasks_that_share_no_row_are_not_compared_at_the_features(problem):
    found, _, _ = problem(depth=0)
    watch = Watch(found, found.build(0))
    watch.where, watch.way = "features", "features"
    watch.together = np.eye(len(found.tasks), dtype=bool)
    watch._add([t.name for t in found.tasks], torch.ones(4, 4))
    cosine = watch.found().affinities()["gradient_cosine"].values
    assert np.isnan(cosine[~np.eye(4, dtype=bool)]).all()


def test_groups_are_watched_each_by_itself(problem):
    found, rows, settings = problem()
    names = [t.name for t in found.tasks]
    groups = (TaskGroup((names[0], names[1])), TaskGroup(tuple(names[2:])))
    whole = dataclasses.replace(found, plan=dataclasses.replace(found.plan, groups=groups))
    cosine = fit(whole, rows, rows[:0], settings, seed=0, watch=True).running.affinities()["gradient_cosine"]
    assert np.isfinite(cosine[names[0], names[1]]) and np.isnan(cosine[names[0], names[2]])
    assert joined(names, [None]) is None
