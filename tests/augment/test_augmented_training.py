"""Training on changed rows: batches, masks, rules, views, interruption."""

import dataclasses

import numpy as np
import pytest
import torch

from jointset.augment import Draws, Policy, Step
from jointset.augment.rules import Rule
from jointset.records import TRAIN
from jointset.training import augmented
from jointset.training.augmented import Augmentation, Shown
from jointset.training.loop import fit
from jointset.training.settings import TrainSettings
from jointset.training.views import make_views

FAST = TrainSettings(epochs=3, batch_size=32, learning_rate=0.01)
TABLES = {"tabular.swap": Step(0.3), "tabular.noise": Step(0.5)}
TEXTS = {"text.delete": 0.3, "text.swap": 0.3}


@pytest.fixture(scope="module")
def rows(bench, problem):
    return np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))


@pytest.fixture(scope="module")
def views(bench, rows):
    return make_views(bench.work.pool, bench.inputs, TEXTS, rows, number=3, seed=0)


def show(problem, policy, rows, views=None, seed=0):
    names = tuple(t.name for t in problem.tasks)
    labelled = np.ones((len(rows), len(names)), bool)
    own = Augmentation(policy, views or {})
    return augmented.show(own, problem.inputs, names, rows, labelled, np.random.default_rng(seed))


def test_views_are_other_texts_of_the_same_rows(problem, rows, views):
    own = views["text"]
    assert set(own.operations) == set(TEXTS)
    plain = problem.inputs.encoders["text"].batch(own.arrays, rows)
    originals = problem.inputs.encoders["text"].batch(problem.inputs.arrays["text"], rows)
    assert all(torch.equal(plain[k], originals[k]) for k in originals), "the rows themselves come first"
    assert all(has.all() for has in own.having(rows).values()), "three views, two operations"
    wanted = np.zeros(len(rows), np.int64)
    place, strength = own.chosen(rows, wanted, np.random.default_rng(0))
    assert (place >= 0).all() and (strength > 0).all() and (strength <= 0.3).all()
    sizes = np.diff(own.arrays["words_offsets"])
    assert sizes[place].mean() < sizes[problem.inputs.row["text"][rows]].mean()


def test_views_are_made_again_the_same(bench, rows, views, tmp_path):
    again = [
        make_views(bench.work.pool, bench.inputs, TEXTS, rows, number=3, seed=0, cache=tmp_path)["text"]
        for _ in range(2)
    ]
    for own in again:
        assert all(np.array_equal(own.arrays[k], a) for k, a in views["text"].arrays.items())


def test_a_batch_is_changed_where_it_was_drawn(problem, rows, views):
    policy = Policy({**TABLES, **{o: Step(m) for o, m in TEXTS.items()}}, share=0.5)
    shown = show(problem, policy, rows, views)
    plain = problem.inputs.batch(rows)
    done = np.any([s != 0 for s in shown.draws.of("tabular").values()], axis=0)
    where, tensors = shown.batch["tabular"]
    same = (tensors["numbers"] == plain["tabular"][1]["numbers"]).all(1).numpy()
    assert same[~done[where.numpy()]].all() and 0.2 < done[where.numpy()].mean() < 0.8
    assert set(shown.batch) == set(plain)


def test_labels_are_masked_and_carried(problem, rows):
    policy = Policy(
        TABLES, verdicts={"level": {"tabular.swap": "mask"}}, share=1.0, number=1,
        rules={"price": {"tabular.noise": Rule(offset=5.0)}, "risky": {"tabular.noise": Rule(classes=(1, 0))}},
    )  # fmt: skip
    shown = show(problem, policy, rows)
    n = len(rows)
    known = {
        "level": (torch.zeros(n, dtype=torch.int64), torch.ones(n)),
        "price": (torch.zeros(n, dtype=torch.float64), torch.ones(n)),
        "risky": (torch.zeros(n, dtype=torch.int64), torch.ones(n)),
    }
    swapped, noisy = (torch.from_numpy(shown.draws.strength[f"tabular.{o}"] != 0) for o in ("swap", "noise"))
    labels = shown.labels(known)
    assert torch.equal(labels["level"][1] == 0, swapped) and bool(swapped.any())
    assert torch.equal(labels["price"][0] == 5.0, noisy) and torch.equal(labels["risky"][0] == 1, noisy)
    read = shown.readable({n: y for n, (y, _) in known.items()})
    assert torch.equal(read["level"] == -1, swapped)
    assert torch.equal(shown.untouched("price", n), ~noisy)


def test_classes_change_places_once_however_strong_an_operation_is():
    strength = np.array([12.0, -12.5, 0.4, 0.0])
    rules = {"side": {"image.rotate": Rule(classes=(1, 0)), "image.quarter": Rule(classes=(1, 0))}}
    label = torch.zeros(4, dtype=torch.int64), torch.ones(4)
    for operation, labels in (("image.rotate", [1, 1, 1, 0]), ("image.quarter", [0, 1, 1, 0])):
        shown = Shown({}, Draws({operation: strength}, {}), Policy(rules=rules))
        assert shown.labels({"side": label})["side"][0].tolist() == labels


@pytest.mark.parametrize("steps", [TABLES, {"features.noise": Step(0.5), "features.adversarial": Step(0.5)}])
def test_an_interrupted_training_ends_in_the_same_weights(problem, rows, tmp_path, steps):
    changed = dataclasses.replace(problem, augmentation=Augmentation(Policy(steps, share=1.0)))
    whole = fit(changed, rows, rows[:0], FAST, seed=0, epochs=3)
    every = dataclasses.replace(FAST, checkpoint_seconds=0.0)
    file = tmp_path / "part.safetensors"
    fit(changed, rows, rows[:0], every, seed=0, epochs=2, checkpoint=file)
    rest = fit(changed, rows, rows[:0], every, seed=0, epochs=3, checkpoint=file)
    plain = fit(problem, rows, rows[:0], FAST, seed=0, epochs=3)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, rest.model.state_dict()[name], rtol=0, atol=0)
    assert any(not torch.equal(v, plain.model.state_dict()[k]) for k, v in whole.model.state_dict().items())


def test_without_augmentation_training_is_what_it_was(problem, rows):
    nothing = dataclasses.replace(problem, augmentation=Augmentation(Policy({})))
    first, second = (
        fit(p, rows, rows[:0], FAST, seed=1, epochs=1).model.state_dict() for p in (problem, nothing)
    )
    assert all(torch.equal(first[k], second[k]) for k in first)
