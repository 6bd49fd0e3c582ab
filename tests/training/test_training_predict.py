"""Cross-fitting: no row is predicted by a model that saw it, its copies or its group."""

import dataclasses

import numpy as np
import pytest

from jointset.errors import DataError
from jointset.records import HOLDOUT, TRAIN
from jointset.training import predict as module
from jointset.training.predict import cross_fit
from jointset.training.settings import TrainSettings

SETTINGS = TrainSettings(epochs=2, batch_size=32, learning_rate=0.01)


@pytest.fixture(scope="module")
def setting(bench, problem):
    work = bench.work
    valid = np.flatnonzero(problem.usable() & (work.pool.split == HOLDOUT))
    return problem, work.pool.split == TRAIN, work.fold, valid


def made(setting, **changes):
    problem, eligible, fold, valid = setting
    options = {"valid": valid, "seed": 0, **changes}
    return cross_fit(
        options.pop("problem", problem), eligible, options.pop("fold", fold), SETTINGS, **options
    )


def test_a_fold_is_never_trained_on_its_own_rows_copies_or_group(bench, setting, monkeypatch):
    _, eligible, fold, valid = setting
    component, whole, trained = bench.work.pool.component, module.fit, []

    def watched(problem, train, *rest, **options):
        trained.append(train)
        return whole(problem, train, *rest, **options)

    monkeypatch.setattr(module, "fit", watched)
    made(setting)
    assert len(trained) == 2
    for k, train in enumerate(trained):
        assert eligible[train].all()
        own = np.flatnonzero(eligible & (fold == k))
        assert not set(component[own]) & set(component[train])
        assert not set(valid) & set(train)


def test_the_labels_of_a_fold_do_not_touch_its_predictions(setting):
    problem, eligible, fold, _ = setting
    labels = {n: y.copy() for n, y in problem.labels.items()}
    own = np.flatnonzero(eligible & (fold == 0))
    rng = np.random.default_rng(0)
    labels["level"][own] = rng.integers(0, 3, len(own))
    labels["price"][own] = 77.0
    first, second = made(setting), made(setting, problem=dataclasses.replace(problem, labels=labels))
    for name in labels:
        np.testing.assert_array_equal(first.outputs[name][own], second.outputs[name][own])
    other = np.flatnonzero(eligible & (fold == 1))
    assert not np.array_equal(first.outputs["level"][other], second.outputs["level"][other])


def test_every_row_is_predicted_for_every_task(setting):
    problem, *_ = setting
    found = made(setting)
    for task in problem.tasks:
        values = found.outputs[task.name]
        assert values.shape == (len(problem.dataset_of), task.n_outputs)
        assert np.isfinite(values).all()
    np.testing.assert_allclose(found.outputs["level"].sum(1), 1, atol=1e-5)
    assert found.embedding.shape == (len(problem.dataset_of), problem.plan.width)


def test_rows_outside_are_predicted_by_the_mean_of_all_models(setting, tmp_path):
    eligible = setting[1]
    found = made(setting, cache=tmp_path)
    parts = [np.load(tmp_path / f"fold-{k}.npz")["outside.level"] for k in range(2)]
    np.testing.assert_allclose(found.outputs["level"][~eligible], np.mean(parts, 0), atol=1e-6)


def test_margins_are_averaged_over_the_models_that_trained_on_a_row(setting):
    problem, eligible, *_ = setting
    margin = made(setting).margin
    assert set(margin) == {"level", "risky"}
    labelled = eligible & problem.usable() & (problem.labels["level"] >= 0)
    np.testing.assert_array_equal(np.isfinite(margin["level"]), labelled)


def test_finished_folds_are_not_trained_again(setting, tmp_path, monkeypatch):
    whole, calls = module.fit, []

    def dies_second(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args, **options)

    plain = made(setting)
    monkeypatch.setattr(module, "fit", dies_second)
    with pytest.raises(KeyboardInterrupt):
        made(setting, cache=tmp_path)
    again = made(setting, cache=tmp_path)
    assert len(calls) == 3
    for name, values in plain.outputs.items():
        np.testing.assert_array_equal(values, again.outputs[name])
    np.testing.assert_array_equal(plain.embedding, again.embedding)


def test_labels_in_one_fold_only_are_an_error_that_says_why(setting):
    problem, _, fold, _ = setting
    with pytest.raises(DataError, match="belong together"):
        made(setting, fold=np.where(problem.usable(), 0, 1).astype(fold.dtype))
