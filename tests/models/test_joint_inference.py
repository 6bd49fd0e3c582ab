"""Joint inference: a task hears the others' labels, never its own, and nothing where there are none."""

import dataclasses

import numpy as np
import pytest
import torch

from jointset.models.joint_inference import JointInference
from jointset.records import TRAIN, Task
from jointset.tasks import KINDS
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.training.predict import cross_fit
from jointset.training.settings import TrainSettings

SETTINGS = TrainSettings(epochs=4, batch_size=32, learning_rate=0.01, checkpoint_seconds=0.0)
TASKS = (
    Task("colour", "multiclass", ("red", "green", "blue")),
    Task("good", "binary", ("no", "yes")),
    Task("tags", "multilabel", ("a", "b", "c", "d")),
    Task("price", "regression", scale=(10.0, 5.0)),
)


def joined(problem, mode="labels"):
    return dataclasses.replace(problem, plan=dataclasses.replace(problem.plan, joint_inference=mode))


def with_labels(problem, **labels):
    return dataclasses.replace(problem, labels={**problem.labels, **labels})


@pytest.fixture(scope="module")
def rows(bench, problem):
    split, usable = bench.work.pool.split, problem.usable()
    return tuple(np.flatnonzero(usable & (split == side)) for side in (TRAIN, 1))


@pytest.fixture(params=[False, True], ids=["labels", "predictions"])
def module(request):
    headed = [(t, KINDS[t.kind].head(t, 8)) for t in TASKS]
    torch.manual_seed(0)
    made = JointInference(headed, fill=request.param)
    for read in made.read:
        torch.nn.init.normal_(read)
    logits = {t.name: torch.randn(6, t.n_outputs) for t in TASKS}

    def told(**labels):
        return made(logits, made.vectors(logits, labels, headed))

    return made, headed, logits, told


def some_labels(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "colour": torch.from_numpy(rng.integers(0, 3, 6)),
        "good": torch.from_numpy(rng.integers(0, 2, 6)),
        "tags": torch.from_numpy(rng.integers(0, 2, (6, 4)).astype(np.int8)),
        "price": torch.from_numpy(rng.normal(10, 5, 6)),
    }


def test_a_label_is_heard_by_every_other_task_and_not_by_its_own(module):
    _, _, _, told = module
    base, labels = told(**some_labels()), some_labels(1)
    for name in ("colour", "good", "price"):
        other = told(**{**some_labels(), name: labels[name]})
        assert torch.equal(other[name], base[name])
        for task in TASKS:
            if task.name != name:
                assert not torch.allclose(other[task.name], base[task.name])


def test_an_entry_of_a_label_set_hears_the_others_of_its_task_and_not_itself(module):
    _, _, _, told = module
    base = told(**some_labels())["tags"]
    for entry in range(4):
        tags = some_labels()["tags"].clone()
        tags[:, entry] = 1 - tags[:, entry]
        other = told(**{**some_labels(), "tags": tags})["tags"]
        assert torch.equal(other[:, entry], base[:, entry])
        rest = [k for k in range(4) if k != entry]
        assert not torch.isclose(other[:, rest], base[:, rest]).any()


def test_missing_labels_are_no_labels(module):
    made, _, logits, told = module
    missing = {t.name: torch.from_numpy(t.missing(6)) for t in TASKS}
    none, absent = told(), told(**missing)
    for name, z in logits.items():
        torch.testing.assert_close(absent[name], none[name])
        assert torch.equal(none[name], z) == (not made.fill)


def test_where_predictions_stand_in_a_sure_one_is_as_good_as_its_label():
    headed = [(t, KINDS[t.kind].head(t, 8)) for t in TASKS[:2]]
    made = JointInference(headed, fill=True)
    for read in made.read:
        torch.nn.init.normal_(read)
    logits = {"colour": torch.tensor([[0.0, 60.0, 0.0]]), "good": torch.zeros(1, 2)}
    filled = made(logits, made.vectors(logits, {}, headed))["good"]
    given = made(logits, made.vectors(logits, {"colour": torch.tensor([1])}, headed))["good"]
    torch.testing.assert_close(filled, given)


def test_a_gross_number_does_not_shout_the_others_down(module):
    _, _, _, told = module
    far = {**some_labels(), "price": torch.full((6,), 1e9, dtype=torch.float64)}
    farther = {**far, "price": torch.full((6,), 1e12, dtype=torch.float64)}
    torch.testing.assert_close(told(**far)["good"], told(**farther)["good"])


def test_without_labels_everything_is_as_without_joint_inference(problem, rows):
    plain, joint = (fit(p, *rows, SETTINGS, seed=2, track_margin=True) for p in (problem, joined(problem)))
    own, others = plain.model.state_dict(), joint.model.state_dict()
    assert set(others) - set(own) == {k for k in others if k.startswith("others.")}
    assert all(torch.equal(others[k], own[k]) for k in own)
    assert (plain.epochs, plain.skill) == (joint.epochs, joint.skill)
    np.testing.assert_array_equal(plain.margin["level"], joint.margin["level"])
    every = np.arange(len(problem.dataset_of))
    for name, values in predict(plain.model, problem.inputs, every)[0].items():
        np.testing.assert_array_equal(predict(joint.model, problem.inputs, every)[0][name], values)
        np.testing.assert_array_equal(
            predict(plain.model, problem.inputs, every, known=problem.labels)[0][name], values
        )


class Killed(Exception):
    pass


@pytest.mark.parametrize("mode", ["labels", "predictions"])
def test_a_killed_training_goes_on_to_the_same_bits(problem, rows, tmp_path, mode):
    wished = joined(problem, mode)
    whole = fit(wished, *rows, SETTINGS, seed=3)

    def kill(event):
        if event["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(wished, *rows, SETTINGS, seed=3, checkpoint=tmp_path / "c.safetensors", report=kill)
    again = fit(wished, *rows, SETTINGS, seed=3, checkpoint=tmp_path / "c.safetensors")
    first, second = whole.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(v.abs().sum() > 0 for k, v in first.items() if k.startswith("others.read"))


def test_a_twin_task_is_read(problem, rows):
    """A task that always has the label of another is told by it, and tells nothing about itself."""
    rng = np.random.default_rng(123)
    twin = np.where(problem.labels["risky"] >= 0, rng.integers(0, 2, len(problem.dataset_of)), -1)
    task = dataclasses.replace(next(t for t in problem.tasks if t.name == "risky"), name="twin")
    both = {"risky": twin, "twin": twin}
    wished = dataclasses.replace(
        joined(problem),
        tasks=(next(t for t in problem.tasks if t.name == "risky"), task),
        labels=both,
        weights={n: np.ones(len(twin), np.float32) for n in both},
    )
    settings = dataclasses.replace(SETTINGS, epochs=25, patience=25)
    labelled = [part[twin[part] >= 0] for part in rows]
    model = fit(wished, *labelled, settings, seed=0).model
    test = labelled[1]

    def right(known):
        p = predict(model, wished.inputs, test, known=known)[0]["risky"]
        return float((p.argmax(1) == twin[test]).mean())

    assert right(both) > 0.95
    assert right({"risky": twin}) == right(None) < 0.8


def test_cross_fitted_predictions_heed_the_other_labels_and_never_their_own(bench, problem):
    work = bench.work
    valid = np.flatnonzero(problem.usable() & (work.pool.split == 1))

    def made(p, inform):
        eligible = work.pool.split == TRAIN
        return cross_fit(p, eligible, work.fold, SETTINGS, valid=valid, seed=0, inform=inform)

    wished = joined(problem)
    plain, informed = made(wished, False), made(wished, True)
    np.testing.assert_array_equal(made(problem, False).outputs["level"], plain.outputs["level"])
    own = (work.pool.split == TRAIN) & (work.fold == 0)
    labels = problem.labels["level"].copy()
    labels[own] = np.where(labels[own] >= 0, (labels[own] + 1) % 3, -1)
    bent = made(with_labels(wished, level=labels), True)
    np.testing.assert_array_equal(bent.outputs["level"][own], informed.outputs["level"][own])
    known = own & (problem.labels["level"] >= 0)
    assert not np.allclose(bent.outputs["risky"][known], informed.outputs["risky"][known])
    assert not np.allclose(plain.outputs["risky"][known], informed.outputs["risky"][known])


def test_a_dropped_label_is_not_read(problem):
    weights = problem.weights["level"].copy()
    weights[:50] = 0
    dropped = dataclasses.replace(problem, weights={**problem.weights, "level": weights})
    assert (dropped.readable()["level"][:50] == -1).all()
    np.testing.assert_array_equal(dropped.readable()["level"][50:], problem.labels["level"][50:])
