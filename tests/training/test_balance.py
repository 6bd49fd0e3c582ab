"""Sampling by class: each task sees the classes it asked for, and the others see theirs as they are."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset import audit
from jointset.models.encoders import make_encoders
from jointset.models.inputs import prepare_table
from jointset.records import HOLDOUT, TRAIN, Task, is_labelled
from jointset.tasks.sampling import factors
from jointset.training.balance import draws
from jointset.training.loop import fit
from jointset.training.predict import cross_fit
from jointset.training.problem import ModelPlan, Problem
from jointset.training.settings import TrainSettings

SETTINGS = TrainSettings(epochs=5, batch_size=32, learning_rate=0.01, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def rows(bench, problem):
    split = bench.work.pool.split
    return np.flatnonzero(problem.usable() & (split == TRAIN)), np.flatnonzero(
        problem.usable() & (split == HOLDOUT)
    )


def asking(problem, mode="over", power=1.0, **losses):
    """The problem with sampling for the tasks named in ``losses``, and their losses."""
    wish = {"mode": mode, "power": power, "most": 50.0}
    tasks = tuple(
        dataclasses.replace(t, sampling=wish, loss=losses[t.name]) if t.name in losses else t
        for t in problem.tasks
    )
    return dataclasses.replace(problem, tasks=tasks)


def test_nothing_is_drawn_anew_when_no_task_asks(problem, rows):
    assert draws(problem, problem.counts(rows[0])) is None


@pytest.mark.parametrize("mode", ["over", "under"])
def test_every_task_sees_the_classes_it_asked_for(problem, rows, mode):
    train = rows[0]
    wished = asking(problem, mode, risky={}, kinds={})
    counts = wished.counts(train)
    found = draws(wished, counts)
    for task in wished.tasks:
        y, share = problem.labels[task.name][train], found.shares[task.name][train]
        drawn = found.rates[train][:, None] * share if share.ndim == 2 else found.rates[train] * share
        by_class = factors(task, counts[task.name])
        if task.kind == "regression":
            np.testing.assert_allclose(drawn[is_labelled(y)], 1.0)
        elif task.kind == "multilabel":
            for value in (0, 1):
                got = np.where(y == value, drawn, 0).sum(0)
                np.testing.assert_allclose(got, counts[task.name][:, value] * by_class[:, value])
        else:
            got = [drawn[y == k].sum() for k in range(task.n_outputs)]
            np.testing.assert_allclose(got, counts[task.name] * by_class)
        assert share.max() <= 1 + 1e-12
    assert (found.rates[train].max() if mode == "under" else found.rates[train].min()) == 1


def test_over_sampling_lengthens_an_epoch_and_is_counted(problem, rows):
    plain = fit(problem, rows[0], rows[1][:0], SETTINGS, seed=0, epochs=2).effective_epochs
    wished = asking(problem, risky={})
    found = fit(wished, rows[0], rows[1][:0], SETTINGS, seed=0, epochs=2).effective_epochs
    rates = draws(wished, wished.counts(rows[0])).rates
    first = problem.dataset_of[rows[0]] == 0
    assert plain[0] == pytest.approx(2, abs=0.05)
    assert found[0] == pytest.approx(2 * rates[rows[0]][first].mean(), abs=0.05)
    assert found[1] == pytest.approx(2, abs=0.1)  # its rows carry another task's labels only


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "loss", [{}, {"name": "ldam", "defer": 0.3}, {"name": "class_balanced", "defer": 0.5}]
)
def test_a_killed_training_goes_on_to_the_same_bits(problem, rows, tmp_path, loss):
    wished = asking(problem, level=loss, kinds={})
    whole = fit(wished, *rows, SETTINGS, seed=3, track_margin=True)

    def kill(event):
        if event["epoch"] == 3:
            raise Killed

    path = tmp_path / "part.safetensors"
    with pytest.raises(Killed):
        fit(wished, *rows, SETTINGS, seed=3, track_margin=True, checkpoint=path, report=kill)
    again = fit(wished, *rows, SETTINGS, seed=3, track_margin=True, checkpoint=path)
    first, second = whole.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    np.testing.assert_array_equal(whole.effective_epochs, again.effective_epochs)
    np.testing.assert_array_equal(whole.margin["level"], again.margin["level"])


def test_a_deferred_stage_begins_on_time_and_is_remembered(problem, rows):
    loss = {"name": "class_balanced", "beta": 1.0, "defer": 0.6}
    wished = asking(problem, level=loss)
    late = [
        dict(zip([t.name for t in problem.tasks], [int(h.late) for _, h in m.headed()], strict=True))
        for m in (fit(wished, *rows, SETTINGS, seed=0, epochs=n).model for n in (3, 4))
    ]
    assert [found["level"] for found in late] == [0, 1]
    assert not any(found["risky"] for found in late)


def test_the_counts_of_the_training_labels_travel_with_the_model(problem, rows):
    weights = problem.weights["level"].copy()
    weights[rows[0][:40]] = 0
    dropped = dataclasses.replace(problem, weights={**problem.weights, "level": weights})
    model = fit(dropped, *rows, SETTINGS, seed=0, epochs=1).model
    used = rows[0][40:]
    for task, head in model.headed():
        if task.name == "level":
            y = problem.labels["level"][used]
            assert head.seen.counts.tolist() == np.bincount(y[y >= 0], minlength=3).tolist()
            assert model.state_dict()["heads.0.counts"].tolist() == head.seen.counts.tolist()


# The audit must not take what a loss or the drawing of rows does to the shares of classes for noise.


def tail(kind, **settings):
    """Clean labels with a long tail over overlapping clouds, and their true posterior ``(n, K)``."""
    rng = np.random.default_rng(0)
    n, share, centre = 1600, np.array([0.85, 0.12, 0.03]), np.array([[0.0, 0.0], [1.8, 0.0], [0.0, 2.4]])
    y = rng.choice(3, n, p=share)
    x = centre[y] + rng.normal(0, 1, (n, 2))
    density = share * np.exp(-0.5 * ((x[:, None] - centre) ** 2).sum(-1))
    truth = density / density.sum(1, keepdims=True)
    labels = y if kind == "multiclass" else (y[:, None] == np.arange(3)).astype(np.int8)
    encoders = make_encoders({"tabular": ("default", {"hidden": 16})})
    table = pa.table({"a": x[:, 0], "b": x[:, 1]})
    inputs = prepare_table({"tabular": table}, encoders, {"tabular": encoders["tabular"].fit([table])})
    problem = Problem(
        (Task("t", kind, ("u", "v", "w"), **settings),),
        inputs,
        {"t": labels},
        {"t": np.ones(labels.shape, np.float32)},
        np.zeros(n, np.int64),
        ModelPlan(width=16),
    )
    return problem, truth


def audited(problem, truth):
    """Estimated noise rate, labels flagged, and mean distance of the probabilities from the truth."""
    n = len(truth)
    training = TrainSettings(epochs=10, patience=10, batch_size=64, learning_rate=0.01, mixup=0.0)
    eligible = np.arange(n) >= 300
    made = cross_fit(problem, eligible, np.arange(n) % 2, training, valid=np.arange(300), seed=0)
    found = audit.run(problem.labels, made.outputs, problem.tasks, fit_rows=eligible)["t"]
    return found.noise_rate, int(found.is_error.sum()), float(np.abs(made.outputs["t"] - truth).mean())


BALANCES = {
    "class_balanced": {"loss": {"name": "class_balanced", "beta": 1.0}},
    "logit_adjustment": {"loss": {"name": "logit_adjustment"}},
    "focal": {"loss": {"name": "focal"}},
    "ldam": {"loss": {"name": "ldam", "scale": 8.0}},
    "asymmetric": {"loss": {"name": "asymmetric"}},
    "over": {"sampling": {"mode": "over", "power": 1.0, "most": 30.0}},
    "under": {"sampling": {"mode": "under", "power": 0.5, "most": 30.0}},
}


@pytest.fixture(scope="module", params=["multiclass", "multilabel"])
def plain(request):
    return request.param, audited(*tail(request.param))


@pytest.mark.parametrize("how", BALANCES)
def test_the_audit_sees_no_more_noise_in_clean_labels_than_with_plain_cross_entropy(plain, how):
    kind, (rate, flagged, off) = plain
    if (kind, how) in {("multilabel", "ldam"), ("multiclass", "asymmetric")}:
        return
    found = audited(*tail(kind, **BALANCES[how]))
    assert found[0] < rate + 0.015
    assert found[1] <= flagged + 10
    assert found[2] < off + 0.02
