"""The training loop: masks, mixing, stopping, and going on where it was."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from jointset.records import HOLDOUT, TRAIN
from jointset.training import trainer
from jointset.training.evaluate import predict
from jointset.training.loop import fit, time_steps
from jointset.training.settings import TrainSettings
from jointset.weighting import backward

SETTINGS = TrainSettings(epochs=5, batch_size=32, learning_rate=0.01, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def rows(bench, problem):
    split = bench.work.pool.split
    return np.flatnonzero(problem.usable() & (split == TRAIN)), np.flatnonzero(
        problem.usable() & (split == HOLDOUT)
    )


def same(a, b):
    """Two fits agree bit by bit."""
    assert (a.epochs, repr(a.skill)) == (b.epochs, repr(b.skill))
    first, second = a.model.state_dict(), b.model.state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    np.testing.assert_array_equal(a.effective_epochs, b.effective_epochs)
    assert a.margin.keys() == b.margin.keys()
    for name in a.margin:
        np.testing.assert_array_equal(a.margin[name], b.margin[name])
    return True


def differs(a, b):
    first, second = a.model.state_dict(), b.model.state_dict()
    return any(not torch.equal(first[k], second[k]) for k in first)


def with_labels(problem, **labels):
    return dataclasses.replace(problem, labels={**problem.labels, **labels})


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(problem, rows):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = fit(problem, *rows, SETTINGS, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert same(first, fit(problem, *rows, SETTINGS, seed=1))
    assert differs(first, fit(problem, *rows, SETTINGS, seed=2))


class Killed(Exception):
    pass


KILLED = [*itertools.product(["fixed", "uncertainty"], [None, 4], [1, 2, 4])]
KILLED += [
    ("pcgrad", None, 2),
    ("nash_mtl", 4, 2),
    ({"method": "moco", "gamma": 0.2}, None, 4),
    ("famo", 4, 2),
]


@pytest.mark.parametrize(("weighting", "epochs", "at"), KILLED)
def test_a_killed_training_goes_on_to_the_same_bits(problem, rows, tmp_path, weighting, epochs, at):
    settings = dataclasses.replace(SETTINGS, weighting=weighting)
    options = {"seed": 3, "epochs": epochs, "track_margin": True}
    whole = fit(problem, *rows, settings, **options)

    def kill(event):
        if event["epoch"] == at:
            raise Killed

    path = tmp_path / "part.safetensors"
    with pytest.raises(Killed):
        fit(problem, *rows, settings, **options, checkpoint=path, report=kill)
    assert path.is_file() == (at > 1)
    seen = []
    again = fit(
        problem, *rows, settings, **options, checkpoint=path, report=lambda e: seen.append(e["epoch"])
    )
    assert seen[0] == at
    assert same(whole, again)


def test_a_checkpoint_of_another_version_is_trained_anew(problem, rows, tmp_path, monkeypatch):
    whole, path, seen = fit(problem, *rows, SETTINGS, seed=3), tmp_path / "part.safetensors", []
    fit(problem, *rows, SETTINGS, seed=3, checkpoint=path)
    monkeypatch.setattr("jointset.training.checkpoint.FORMAT", "next")
    again = fit(problem, *rows, SETTINGS, seed=3, checkpoint=path, report=lambda e: seen.append(e["epoch"]))
    assert seen[0] == 1
    assert same(whole, again)


SHARINGS = {
    "shared_init": {"warmup": 2.5, "encoders": "separate"},
    "soft": {"encoders": "separate"},
    "cross_stitch": {},
    "mmoe": {"experts": 2, "encoders": "separate"},
    "dselect_k": {},
    "adashare": {"warmup": 1.0},
    "branching": {},
}


@pytest.mark.parametrize("sharing", list(SHARINGS))
@pytest.mark.parametrize("at", [2, 4])
def test_every_sharing_goes_on_to_the_same_bits(problem, rows, tmp_path, sharing, at):
    plan = dataclasses.replace(problem.plan, sharing=sharing, options=SHARINGS[sharing])
    shared = dataclasses.replace(problem, plan=plan)
    whole = fit(shared, *rows, SETTINGS, seed=3)

    def kill(event):
        if event["epoch"] == at:
            raise Killed

    path = tmp_path / "part.safetensors"
    with pytest.raises(Killed):
        fit(shared, *rows, SETTINGS, seed=3, checkpoint=path, report=kill)
    assert same(whole, fit(shared, *rows, SETTINGS, seed=3, checkpoint=path))
    assert differs(whole, fit(shared, *rows, dataclasses.replace(SETTINGS, epochs=2), seed=3))


def test_networks_are_one_while_the_shared_start_lasts(problem, rows):
    plan = dataclasses.replace(
        problem.plan, sharing="shared_init", options={"warmup": 3.0, "encoders": "separate"}
    )
    shared = dataclasses.replace(problem, plan=plan)
    for epochs, one in ((3, True), (4, False)):
        model = fit(shared, *rows, SETTINGS, seed=3, epochs=epochs).model
        for group in [list(model.sharing.layers), *model.columns()]:
            first, *others = (m.state_dict() for m in group)
            for other in others:
                assert all(torch.equal(first[n], other[n]) for n in first) == one


@pytest.mark.parametrize("method", ["upgrad", "moco", "db_mtl", "excess_mtl", "nash_mtl"])
@pytest.mark.parametrize("warmup", [2.0, 2.5])
def test_a_shared_start_is_weighed_by_its_gradients_and_goes_on_to_the_same_bits(
    problem, rows, tmp_path, method, warmup
):
    plan = dataclasses.replace(
        problem.plan, sharing="shared_init", options={"warmup": warmup, "encoders": "separate"}
    )
    shared = dataclasses.replace(problem, plan=plan)
    settings = dataclasses.replace(SETTINGS, weighting=method)
    whole = fit(shared, *rows, settings, seed=3)
    first = fit(shared, *rows, settings, seed=3, epochs=1)
    assert differs(first, fit(shared, *rows, SETTINGS, seed=3, epochs=1)), "the first epoch is weighed too"

    for at in (1, 2, 3):

        def kill(event, at=at):
            if event["epoch"] == at:
                raise Killed

        path = tmp_path / f"{at}.safetensors"
        with pytest.raises(Killed):
            fit(shared, *rows, settings, seed=3, checkpoint=path, report=kill)
        assert same(whole, fit(shared, *rows, settings, seed=3, checkpoint=path))


def test_encoders_that_stay_shared_are_weighed_on_after_networks_part(problem, rows):
    plan = dataclasses.replace(
        problem.plan, sharing="shared_init", options={"warmup": 1.5, "encoders": "shared"}
    )
    shared = dataclasses.replace(problem, plan=plan)
    for method in ("moco", "upgrad"):
        found = fit(shared, *rows, dataclasses.replace(SETTINGS, weighting=method), seed=3, watch=True)
        assert all(torch.isfinite(p).all() for p in found.model.parameters())
        assert differs(found, fit(shared, *rows, SETTINGS, seed=3))


def test_a_penalty_is_part_of_the_loss(problem, rows):
    def spread(strength):
        plan = dataclasses.replace(problem.plan, sharing="soft", options={"strength": strength})
        model = fit(dataclasses.replace(problem, plan=plan), *rows, SETTINGS, seed=0, epochs=5).model
        stacked = torch.stack([torch.cat([p.ravel() for p in c.parameters()]) for c in model.sharing.layers])
        return (stacked - stacked.mean(0)).square().sum().item()

    assert spread(10.0) < 0.1 * spread(0.0)


def test_a_head_at_a_stage_changes_the_training_by_its_weight(problem, rows):
    plan = dataclasses.replace(problem.plan, auxiliary={"level": ("tabular.hidden",)})
    tapped = dataclasses.replace(problem, plan=plan, auxiliary_weight=0.5)
    found = fit(tapped, *rows, SETTINGS, seed=0)
    plain = fit(problem, *rows, SETTINGS, seed=0)
    without = fit(dataclasses.replace(tapped, auxiliary_weight=0.0), *rows, SETTINGS, seed=0)
    names = list(plain.model.state_dict())
    assert all(torch.equal(plain.model.state_dict()[n], without.model.state_dict()[n]) for n in names)
    assert any(not torch.equal(plain.model.state_dict()[n], found.model.state_dict()[n]) for n in names)
    assert not torch.equal(found.model.taps.heads[0].weight, without.model.taps.heads[0].weight)


def test_a_checkpoint_does_not_change_the_training(problem, rows, tmp_path):
    plain = fit(problem, *rows, SETTINGS, seed=0)
    assert same(plain, fit(problem, *rows, SETTINGS, seed=0, checkpoint=tmp_path / "c.safetensors"))


def test_a_dropped_label_is_not_trained_on(problem, rows):
    labels, weights = problem.labels["level"].copy(), problem.weights["level"].copy()
    gone = rows[0][:40]
    weights[gone] = 0
    dropped = dataclasses.replace(problem, weights={**problem.weights, "level": weights})
    labels[gone] = (labels[gone] + 1) % 3
    other = with_labels(dropped, level=labels)
    first, second = (fit(p, *rows, SETTINGS, seed=0) for p in (dropped, other))
    assert same(first, second)
    assert differs(first, fit(problem, *rows, SETTINGS, seed=0))


def test_labels_outside_the_training_rows_do_not_matter(problem, rows):
    train, valid = rows
    rest = np.setdiff1d(np.arange(len(problem.dataset_of)), np.concatenate([train, valid]))
    labels = {n: y.copy() for n, y in problem.labels.items()}
    for y in labels.values():
        y[rest] = y[train[0]]
    assert same(
        fit(problem, train, valid, SETTINGS, seed=0),
        fit(with_labels(problem, **labels), train, valid, SETTINGS, seed=0),
    )


def test_a_weight_halves_the_pull(problem, rows):
    weights = problem.weights["level"].copy()
    weights[rows[0][::2]] *= 0.5
    lighter = dataclasses.replace(problem, weights={**problem.weights, "level": weights})
    assert differs(fit(problem, *rows, SETTINGS, seed=0), fit(lighter, *rows, SETTINGS, seed=0))


def test_a_task_absent_from_all_batches_keeps_its_head_and_the_others_learn(problem, rows):
    gone = with_labels(problem, risky=np.full_like(problem.labels["risky"], -1))
    for weighting in ("fixed", "uncertainty", "equal", "upgrad", "famo", "graddrop"):
        found = fit(gone, *rows, dataclasses.replace(SETTINGS, weighting=weighting), seed=4)
        start = problem.build(4)
        number = [t.name for t in problem.tasks].index("risky")
        assert torch.equal(found.model.heads[number].weight, start.heads[number].weight)
        assert not torch.equal(found.model.heads[0].weight, start.heads[0].weight)
        assert all(torch.isfinite(v).all() for v in found.model.state_dict().values())


@pytest.mark.parametrize("mixup", [0.0, 1.0])
@pytest.mark.parametrize("gramian", ["auto", "rows", "layers", "features"])
def test_gradients_are_weighed_whichever_way_the_gramian_is_found(problem, rows, monkeypatch, mixup, gramian):
    seen = []

    def spy(*args, **options):
        seen.append(backward(*args, **options))
        return seen[-1]

    monkeypatch.setattr(trainer, "backward", spy)
    settings = dataclasses.replace(SETTINGS, weighting="upgrad", gramian=gramian, mixup=mixup)
    found = fit(problem, *rows, settings, seed=0)
    assert found.skill > 0.3
    ways = {step.way for step in seen}
    if gramian == "rows":  # mixed rows meet
        assert ways == ({"layers"} if mixup else {"rows"})
        assert all("two rows meet" in step.note if mixup else step.note == "" for step in seen)
    elif gramian != "auto":
        assert ways == {gramian}
    assert all(list(step.weights) == [t for t in step.weights if t not in step.absent] for step in seen)


def test_exact_ways_lead_to_the_same_model(problem, rows):
    """The same weights up to rounding, with and without mixing."""
    for mixup in (0.0, 1.0):
        found = [
            fit(
                problem,
                *rows,
                dataclasses.replace(SETTINGS, weighting="mgda", gramian=way, mixup=mixup, epochs=1),
                seed=0,
            ).model.state_dict()
            for way in ("rows", "layers")
        ]
        for name, value in found[0].items():
            torch.testing.assert_close(value, found[1][name], rtol=1e-2, atol=1e-3)


def test_gradients_of_equal_weights_are_the_plain_sum(problem, rows):
    """A method on the Gramian that weighs nothing trains as the sum does, heads and trunk."""
    settings = dataclasses.replace(SETTINGS, epochs=2)
    plain = fit(problem, *rows, dataclasses.replace(settings, weighting="equal"), seed=0)
    again = fit(
        problem, *rows, dataclasses.replace(settings, weighting={"method": "ntkmtl", "exponent": 0.0}), seed=0
    )
    first, second = plain.model.state_dict(), again.model.state_dict()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-2, atol=1e-3)


def test_one_task_alone_can_be_trained(problem, rows):
    alone = dataclasses.replace(problem, tasks=problem.tasks[:1])
    usable = alone.usable()
    found = fit(alone, rows[0][usable[rows[0]]], rows[1][usable[rows[1]]], SETTINGS, seed=0)
    assert found.skill > 0.1


def test_the_best_epoch_is_handed_back(problem, rows):
    scores = []
    found = fit(
        problem,
        *rows,
        dataclasses.replace(SETTINGS, epochs=8),
        seed=0,
        report=lambda e: scores.append(e["skill"]),
    )
    assert found.skill == max(scores)
    assert found.epochs == scores.index(max(scores)) + 1
    outputs, _ = predict(found.model, problem.inputs, rows[1])
    from jointset.training.evaluate import skill

    labels = {n: y[rows[1]] for n, y in problem.labels.items()}
    assert skill(problem.tasks, labels, outputs) == pytest.approx(found.skill)


def test_training_stops_when_patience_is_over(problem, rows):
    settings = dataclasses.replace(SETTINGS, epochs=60, patience=2, learning_rate=0.05)
    seen = []
    found = fit(problem, *rows, settings, seed=0, report=lambda e: seen.append(e["epoch"]))
    assert len(seen) < 60
    assert len(seen) == found.epochs + 2


def test_a_fixed_number_of_epochs_is_kept(problem, rows):
    seen = []
    found = fit(
        problem, rows[0], rows[1][:0], SETTINGS, seed=0, epochs=3, report=lambda e: seen.append(e["epoch"])
    )
    assert seen == [1, 2, 3]
    assert found.epochs == 3
    assert np.isnan(found.skill)


def test_datasets_are_mixed_by_temperature_and_cap(problem, rows):
    sizes = np.bincount(problem.dataset_of[rows[0]])
    plain = fit(problem, rows[0], rows[1][:0], SETTINGS, seed=0, epochs=4).effective_epochs
    np.testing.assert_allclose(plain, 4, atol=4 / sizes.min())
    flat = dataclasses.replace(SETTINGS, temperature=1e9)
    seen = fit(problem, rows[0], rows[1][:0], flat, seed=0, epochs=4).effective_epochs * sizes
    assert seen[0] == pytest.approx(seen[1], abs=2)
    capped = dataclasses.replace(SETTINGS, cap=20)
    seen = fit(problem, rows[0], rows[1][:0], capped, seed=0, epochs=3).effective_epochs * sizes
    assert seen.sum() == pytest.approx(3 * 40, abs=1e-9)


def test_margins_are_kept_of_the_labels_that_were_trained_on(problem, rows):
    found = fit(problem, *rows, SETTINGS, seed=0, track_margin=True)
    assert set(found.margin) == {"level", "risky"}
    for name, margin in found.margin.items():
        labelled = (problem.labels[name] >= 0) & np.isin(np.arange(len(margin)), rows[0])
        np.testing.assert_array_equal(~np.isnan(margin), labelled)
    assert fit(problem, *rows, SETTINGS, seed=0).margin == {}


def test_wrong_labels_have_small_margins(problem, rows):
    labels = problem.labels["level"].copy()
    flipped = rows[0][(labels[rows[0]] >= 0)][:20]
    labels[flipped] = (labels[flipped] + 1) % 3
    settings = dataclasses.replace(SETTINGS, epochs=10)
    margin = fit(with_labels(problem, level=labels), *rows, settings, seed=0, track_margin=True).margin[
        "level"
    ]
    rest = np.setdiff1d(np.flatnonzero(~np.isnan(margin)), flipped)
    assert np.median(margin[flipped]) < np.median(margin[rest])


def test_steps_are_timed(problem, rows):
    assert time_steps(problem, rows[0], SETTINGS, steps=3) > 0


def test_predictions_do_not_depend_on_the_batch(problem, rows, monkeypatch):
    model = fit(problem, *rows, SETTINGS, seed=0, epochs=1).model
    whole, hidden = predict(model, problem.inputs, np.arange(len(problem.dataset_of)))
    monkeypatch.setattr("jointset.training.evaluate.BATCH", 7)
    parts, again = predict(model, problem.inputs, np.arange(len(problem.dataset_of)))
    np.testing.assert_allclose(hidden, again, atol=1e-5)
    for name, values in whole.items():
        np.testing.assert_allclose(values, parts[name], atol=1e-4)
        assert values.shape == parts[name].shape
        assert len(values) == len(problem.dataset_of)
