import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.errors import ArrayError
from jointset.metrics import METRICS, default_metric, evaluate, interval, normalised
from jointset.records import Task

BINARY = Task("spam", "binary", ("no", "yes"))
MULTI = Task("topic", "multiclass", ("a", "b", "c", "d"))
MULTILABEL = Task("tags", "multilabel", ("a", "b", "c"))
NUMBER = Task("price", "regression", unit="EUR")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def classes(rng, k, n=400):
    labels = rng.integers(k, size=n)
    scores = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[labels]
    outputs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return labels, np.round(outputs, 2) / np.round(outputs, 2).sum(axis=1, keepdims=True)  # with ties


def test_binary_equals_scikit_learn(rng):
    labels, outputs = classes(rng, 2)
    found = evaluate(BINARY, labels, outputs)
    predicted = outputs.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(labels, outputs[:, 1]))
    assert found["log_loss"] == pytest.approx(sk.log_loss(labels, np.clip(outputs, 1e-7, 1)), rel=1e-5)


def test_multiclass_equals_scikit_learn(rng):
    labels, outputs = classes(rng, 4)
    found = evaluate(MULTI, labels, outputs)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, outputs.argmax(axis=1), average="macro"))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(labels, outputs, multi_class="ovr"))


def test_multilabel_equals_scikit_learn(rng):
    labels = rng.integers(2, size=(300, 3)).astype(np.int8)
    outputs = np.clip(rng.normal(0.5, 0.3, (300, 3)) + 0.2 * (labels - 0.5), 0.01, 0.99)
    found = evaluate(MULTILABEL, labels, outputs)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, outputs >= 0.5, average="macro"))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(labels, outputs, average="macro"))
    assert found["accuracy"] == pytest.approx(1 - sk.hamming_loss(labels, outputs >= 0.5))
    each = [sk.log_loss(labels[:, k], outputs[:, k]) for k in range(3)]
    assert found["log_loss"] == pytest.approx(np.mean(each))


def test_regression_equals_scikit_learn(rng):
    labels = 1e6 + rng.normal(size=200)
    outputs = (labels + rng.normal(size=200))[:, None]
    found = evaluate(NUMBER, labels, outputs)
    assert found["r2"] == pytest.approx(sk.r2_score(labels, outputs[:, 0]))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(labels, outputs[:, 0]))


@pytest.mark.parametrize("name", ["accuracy", "auc", "log_loss"])
def test_weights_are_repetitions(rng, name):
    labels, outputs = classes(rng, 2, 60)
    counts = rng.integers(0, 3, size=60)
    weighted = METRICS[name].weighted(labels, outputs, counts[None].astype(float))[0]
    assert weighted == pytest.approx(
        METRICS[name].function(labels.repeat(counts), outputs.repeat(counts, axis=0))
    )


def test_calibration_error_of_a_calibrated_and_of_an_overconfident_model(rng):
    p = rng.uniform(0.5, 1, size=20_000)
    labels = (rng.random(20_000) < p).astype(int)
    assert METRICS["ece"].function(labels, np.c_[1 - p, p]) < 0.02
    sure = np.tile([0.0, 1.0], (20_000, 1))
    assert METRICS["ece"].function(labels, sure) == pytest.approx(1 - labels.mean())


def test_missing_labels_do_not_count(rng):
    labels, outputs = classes(rng, 4)
    more = np.concatenate([labels, np.full(50, -1)])
    padded = np.concatenate([outputs, np.full((50, 4), 0.25)])
    assert evaluate(MULTI, more, padded) == pytest.approx(evaluate(MULTI, labels, outputs))
    tags = np.array([[1, -1, 0], [0, 1, -1], [-1, -1, -1]], np.int8)
    right = np.array([[0.9, 0.0, 0.1], [0.1, 0.9, 0.9], [0.0, 0.0, 0.0]])
    assert evaluate(MULTILABEL, tags, right)["accuracy"] == 1.0


def test_undefined_scores_are_nan_without_a_warning():
    one = np.zeros(5, int)
    assert np.isnan(evaluate(BINARY, one, np.eye(2)[one])["auc"])
    assert np.isnan(evaluate(NUMBER, np.ones(4), np.ones((4, 1)))["r2"])
    none = evaluate(MULTI, np.full(3, -1), np.full((3, 4), 0.25))
    assert all(np.isnan(v) for v in none.values())
    assert np.isnan(interval("auc", one, np.eye(2)[one], seed=0)).all()
    assert np.isnan(interval("auc", np.full(3, -1), np.full((3, 2), 0.5), seed=0)).all()
    assert np.isnan(normalised(BINARY, "accuracy", 1.0, one))


def test_interval_covers_its_level_of_the_time(rng):
    hits = 0
    for trial in range(200):
        labels = rng.integers(2, size=150)
        outputs = np.eye(2)[np.where(rng.random(150) < 0.8, labels, 1 - labels)]
        low, high = interval("accuracy", labels, outputs, seed=trial, n=300)
        hits += low <= 0.8 <= high
    assert 0.83 <= hits / 200 <= 0.96


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        (BINARY, np.array([0] * 81 + [1] * 19), "auc"),
        (BINARY, np.array([0] * 80 + [1] * 20 + [-1] * 300), "accuracy"),
        (MULTI, np.array([0]), "accuracy"),
        (MULTILABEL, np.zeros((1, 3), np.int8), "macro_f1"),
        (NUMBER, np.zeros(1), "r2"),
    ],
)
def test_default_metric(task, labels, expected):
    assert default_metric(task, labels) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["accuracy", "macro_f1", "log_loss", "auc"]))
def test_normalised_is_zero_for_the_constant_and_one_for_the_perfect(seed, metric):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1, 2, 3], rng.choice(4, size=200, p=[0.5, 0.3, 0.15, 0.05])])
    share = np.bincount(labels) / len(labels)
    constant = METRICS[metric].function(labels, np.tile(share, (len(labels), 1)))
    perfect = METRICS[metric].function(labels, np.eye(4)[labels])
    assert normalised(MULTI, metric, constant, labels) == pytest.approx(0, abs=1e-6)
    assert normalised(MULTI, metric, perfect, labels) == pytest.approx(1, abs=1e-6)


def test_normalised_regression_and_multilabel(rng):
    labels = rng.normal(3, 2, 101)
    median = METRICS["mae"].function(labels, np.full((101, 1), np.median(labels)))
    assert normalised(NUMBER, "mae", median, labels) == pytest.approx(0)
    assert normalised(NUMBER, "mae", 0.0, labels) == 1
    tags = (rng.random((500, 3)) < [0.7, 0.2, 0.1]).astype(np.int8)
    for metric in ("accuracy", "macro_f1", "log_loss"):
        constant = METRICS[metric].function(tags, np.tile(tags.mean(axis=0), (500, 1)))
        assert normalised(MULTILABEL, metric, constant, tags) == pytest.approx(0, abs=1e-6)


def test_wrong_arrays_are_refused():
    with pytest.raises(ArrayError, match=r"task topic: outputs of shape \(3, 4\) expected, found \(3, 2\)"):
        evaluate(MULTI, np.zeros(3, int), np.zeros((3, 2)))
    with pytest.raises(ArrayError, match="did you mean 'accuracy'"):
        interval("acuracy", np.zeros(3, int), np.zeros((3, 2)), seed=0)


def test_imports_nothing_heavy():
    code = (
        "import sys, jointset.metrics, jointset.gate, jointset.ledger, jointset.export\n"
        "heavy = {'pandas', 'sklearn', 'pyarrow', 'torch', 'datasets', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
