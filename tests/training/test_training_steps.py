"""How a training's steps are weighed, who is left out of them, and what is told of it."""

import dataclasses

import numpy as np
import pytest
import torch

from jointset.errors import ConfigError
from jointset.records import HOLDOUT, TRAIN
from jointset.training import trainer
from jointset.training.loop import fit
from jointset.training.mixup import Mixup
from jointset.training.settings import TrainSettings
from jointset.training.steps import lines
from jointset.training.trainer import Trainer
from jointset.weighting import backward

SETTINGS = TrainSettings(epochs=5, batch_size=32, learning_rate=0.01, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def rows(bench, problem):
    usable, split = problem.usable(), bench.work.pool.split
    return np.flatnonzero(usable & (split == TRAIN)), np.flatnonzero(usable & (split == HOLDOUT))


def with_labels(problem, **labels):
    return dataclasses.replace(problem, labels={**problem.labels, **labels})


def test_a_loss_that_is_no_number_ends_in_one_line(problem, rows):
    labels = problem.labels["price"].copy()
    labels[rows[0]] = 1e200
    says = r"training: price: the loss is (inf|nan), in \d of the \d+ steps of epoch 1 so far; lower"
    for weighting in ("fixed", "upgrad"):
        settings = dataclasses.replace(SETTINGS, weighting=weighting)
        with pytest.raises(ConfigError, match=says):
            fit(with_labels(problem, price=labels), *rows, settings, seed=0)


@pytest.mark.parametrize("weighting", ["fixed", "famo", "mgda"])
def test_a_step_in_which_one_task_has_no_finite_loss_goes_on_without_it(problem, rows, weighting):
    """One label beyond all bounds: its batch is one step of each epoch."""
    labels = problem.labels["price"].copy()
    known = rows[0][~np.isnan(labels[rows[0]])]
    labels[known[3]] = 1e200
    settings = dataclasses.replace(SETTINGS, epochs=2, weighting=weighting, mixup=0.0)
    found = fit(with_labels(problem, price=labels), *rows, settings, seed=0)
    assert list(found.steps["absent"]) == ["price"] and sum(found.steps["absent"]["price"].values()) == 2
    assert all(bool(p.isfinite().all()) for p in found.model.parameters())
    assert lines(found.steps)[0].startswith("price was left out of ")


@pytest.mark.parametrize("weighting", ["equal", "uncertainty"])
def test_a_step_in_which_one_task_has_no_finite_gradient_goes_on_without_it(
    problem, rows, weighting, monkeypatch
):
    """Its loss is finite: the root of zero has an infinite slope."""
    settings = dataclasses.replace(SETTINGS, epochs=2, weighting=weighting)
    plain, calls = Trainer._losses, []

    def poisoned(self, *given):
        losses = plain(self, *given)
        calls.append(0)
        if "price" in losses and len(calls) == 2:
            losses["price"] = (losses["price"] * 0.0).sqrt() + 1.0
        return losses

    monkeypatch.setattr(Trainer, "_losses", poisoned)
    found = fit(problem, *rows, settings, seed=0)
    assert found.steps["absent"] == {"price": {"the gradient is not finite": 1}}
    assert all(bool(p.isfinite().all()) for p in found.model.parameters())


def apart(problem):
    """Every row labelled for one task at most."""
    turn, labels = 0, {}
    for task in problem.tasks:
        y = problem.labels[task.name].copy()
        y[np.arange(len(y)) % len(problem.tasks) != turn] = np.nan if y.dtype.kind == "f" else -1
        labels[task.name], turn = y, turn + 1
    return with_labels(problem, **labels)


@pytest.mark.parametrize("gramian", ["auto", "rows", "layers"])
def test_tasks_on_rows_of_their_own_take_one_pass_mixup_or_not(problem, rows, gramian):
    own = apart(problem)
    train = np.intersect1d(rows[0], np.flatnonzero(own.usable()))
    for mixup in (1.0, 0.0):
        settings = dataclasses.replace(SETTINGS, epochs=1, weighting="upgrad", gramian=gramian, mixup=mixup)
        found = fit(own, train, rows[1], settings, seed=0)
        way = "layers" if gramian == "layers" else "rows"
        assert found.steps["ways"].keys() == {way} and not found.steps["notes"]


def test_one_pass_and_a_pass_a_task_train_the_same(problem, rows):
    own = apart(problem)
    train = np.intersect1d(rows[0], np.flatnonzero(own.usable()))
    settings = dataclasses.replace(SETTINGS, epochs=1, weighting="mgda")
    one = Trainer(own, train, rows[1], settings, 0, False)
    many = Trainer(own, train, rows[1], dataclasses.replace(settings, gramian="layers"), 0, False)
    many.owner = one.owner  # the same partners
    many.model.load_state_dict(one.model.state_dict())
    for run in (one, many):
        torch.manual_seed(0)
        run.one_epoch(most=6)
    first, second = one.model.state_dict(), many.model.state_dict()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-3, atol=1e-4)


def test_what_cannot_be_had_as_asked_is_told(problem, rows):
    settings = dataclasses.replace(SETTINGS, epochs=1, weighting="upgrad", gramian="rows")
    found = fit(problem, *rows, settings, seed=0)
    assert found.steps["ways"].keys() == {"layers"}
    assert lines(found.steps)[0].startswith("the Gramian was not had as asked in ")


def test_partners_of_rows_that_tasks_share_are_drawn_from_the_whole_batch(problem, rows):
    settings = dataclasses.replace(SETTINGS, weighting="upgrad")
    assert Trainer(problem, *rows, settings, 0, False).owner is None
    groups, rng = np.zeros(32, np.int64), np.random.default_rng
    assert torch.equal(
        Mixup.draw(32, 1.0, rng(0), groups).partner, Mixup.draw(32, 1.0, rng(0)).partner
    )  # one group is no group


@pytest.mark.parametrize("weighting", ["modo", "sdmgrad"])
@pytest.mark.parametrize("disjoint", [False, True])
def test_methods_of_two_batches_see_the_halves_of_one(problem, rows, monkeypatch, weighting, disjoint):
    """Every task is in both, no row in two, and mixed rows stay in theirs."""
    given = apart(problem) if disjoint else problem
    train = np.intersect1d(rows[0], np.flatnonzero(given.usable()))
    seen, partners, draw = [], [], Mixup.draw

    def spy(first, *, second, **options):
        seen.append((set(first), set(second)))
        return backward(first, second=second, **options)

    def drawn(n, alpha, rng, groups=None):
        found = draw(n, alpha, rng, groups)
        partners.append((groups[found.partner.numpy()] == groups).all())
        return found

    monkeypatch.setattr(trainer, "backward", spy)
    monkeypatch.setattr(trainer.Mixup, "draw", drawn)
    settings = dataclasses.replace(SETTINGS, weighting=weighting, epochs=3)
    found = fit(given, train, rows[1], settings, seed=0)
    everything = {t.name for t in problem.tasks}
    both = [first == second == everything for first, second in seen]
    assert np.mean(both) > 0.8 and all(first | second == everything for first, second in seen[:3])
    assert all(partners) and not found.steps["absent"]
    assert disjoint or found.curve[-1] > 0.05


def test_what_a_method_of_two_batches_sees_is_one_half_against_the_other(problem, rows, monkeypatch):
    """A task's two losses are over different rows: their mean is the loss of the batch, up to unlike counts."""
    settings = dataclasses.replace(SETTINGS, weighting="modo", mixup=0.0)
    run = Trainer(problem, *rows, settings, 0, False)
    whole, kept = [], []
    plain = Trainer._losses

    def spy(self, logits, auxiliary, known, mixup):
        kept.append({n: w.clone() for n, (_, w) in known.items()})
        return plain(self, logits, auxiliary, known, mixup)

    monkeypatch.setattr(Trainer, "_losses", spy)
    run.one_epoch(most=2)
    for first, second in zip(kept[::2], kept[1::2], strict=True):
        for name in first.keys() & second.keys():
            assert not bool(((first[name] > 0) & (second[name] > 0)).any())
            rows_of = [
                (w[name] > 0).flatten(1).any(1) if w[name].ndim == 2 else w[name] > 0 for w in (first, second)
            ]
            whole.append(int(rows_of[0].sum()) - int(rows_of[1].sum()))
    assert max(map(abs, whole)) <= len(problem.tasks)
