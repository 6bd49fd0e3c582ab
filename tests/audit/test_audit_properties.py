"""Properties of ``find_label_errors`` that hold for every kind of task."""

import numpy as np
import pytest

from jointset.audit import find_label_errors

N = 1500
KINDS = ("binary", "multiclass", "ordinal", "multilabel", "regression")


def softmax(z):
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def drawn(kind, n=N, seed=0, sharp=3.0):
    """True labels, given labels (a tenth wrong, a tenth missing) and predictions."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        true = rng.normal(size=n)
        given = np.where(rng.random(n) < 0.1, rng.permutation(true), true)
        return true, np.where(rng.random(n) < 0.1, np.nan, given), true + 0.3 * rng.normal(size=n)
    if kind == "multilabel":
        true = rng.integers(0, 2, (n, 3))
        given = np.where(rng.random((n, 3)) < 0.1, 1 - true, true)
        odds = sharp * (2 * true - 1) + 1.5 * rng.normal(size=(n, 3))
        return true, np.where(rng.random((n, 3)) < 0.1, -1, given), 1 / (1 + np.exp(-odds))
    k = {"binary": 2, "multiclass": 4, "ordinal": 5}[kind]
    true = rng.integers(0, k, n)
    given = np.where(rng.random(n) < 0.1, (true + rng.integers(1, k, n)) % k, true)
    probs = softmax(sharp * np.eye(k)[true] + rng.normal(size=(n, k)))
    return true, np.where(rng.random(n) < 0.1, -1, given), probs


def same(a, b, atol):
    for field in ("quality", "p_error", "confidence"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=atol, err_msg=field)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_call_gives_the_same_answer(kind):
    _, given, probs = drawn(kind)
    one, two = (find_label_errors(given, probs, kind=kind) for _ in range(2))
    same(one, two, 0)
    np.testing.assert_array_equal(one.is_error, two.is_error)


@pytest.mark.parametrize("kind", KINDS)
def test_row_order_does_not_matter(kind):
    _, given, probs = drawn(kind)
    order = np.random.default_rng(1).permutation(N)
    there = find_label_errors(given, probs, kind=kind)
    back = find_label_errors(given[order], probs[order], kind=kind)
    for field in ("quality", "p_error", "confidence"):
        np.testing.assert_allclose(getattr(back, field), getattr(there, field)[order], atol=5e-3)
    assert (back.is_error == there.is_error[order]).mean() > 0.995


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_class_order_does_not_matter(kind):
    _, given, probs = drawn(kind)
    order = np.random.default_rng(2).permutation(probs.shape[1])
    if kind == "multilabel":
        there, back = find_label_errors(given, probs), find_label_errors(given[:, order], probs[:, order])
        np.testing.assert_allclose(back.quality, there.quality[:, order], atol=5e-3)
        np.testing.assert_allclose(back.noise_matrix, there.noise_matrix[order], atol=5e-3)
        return
    codes = np.where(given >= 0, np.argsort(order)[given], -1)
    there, back = find_label_errors(given, probs), find_label_errors(codes, probs[:, order])
    same(there, back, 0.02)
    np.testing.assert_allclose(back.noise_matrix, there.noise_matrix[np.ix_(order, order)], atol=0.02)
    np.testing.assert_allclose(back.posterior, there.posterior[:, order], atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_task_order_does_not_matter(kind):
    _, given, probs = drawn(kind)
    _, other, beside = drawn("multiclass", seed=7)
    there = find_label_errors({"a": given, "b": other}, {"a": probs, "b": beside}, kind={"a": kind})
    back = find_label_errors({"b": other, "a": given}, {"b": beside, "a": probs}, kind={"a": kind})
    assert list(there) == ["a", "b"] and list(back) == ["b", "a"]
    for task in "ab":
        same(there[task], back[task], 5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_duplicate_rows_are_judged_alike_and_change_little(kind):
    _, given, probs = drawn(kind)
    once = find_label_errors(given, probs, kind=kind)
    twice = find_label_errors(np.concatenate([given, given]), np.concatenate([probs, probs]), kind=kind)
    np.testing.assert_allclose(twice.quality[:N], twice.quality[N:], atol=1e-6)
    # priors count for half as much; a kernel of a number's twin counts once more
    assert np.nanmean(np.abs(twice.quality[:N] - once.quality)) < 0.03
    assert abs(twice.noise_rate - once.noise_rate) < 0.03


@pytest.mark.parametrize("useless", ["unrelated", "uniform", "missing", "one class", "few classes given"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_useless_task_changes_nothing(kind, useless):
    _, given, probs = drawn(kind)
    rng = np.random.default_rng(3)
    other = rng.integers(0, 3, N)
    said = softmax(2 * np.eye(3)[other] + rng.normal(size=(N, 3)))
    other, said = {
        "unrelated": (other, said),
        "uniform": (other, np.full((N, 3), 1 / 3)),
        "missing": (np.full(N, -1), said),
        "one class": (np.zeros(N, int), said),
        "few classes given": (np.where(rng.random(N) < 0.99, -1, other), said),
    }[useless]
    alone = find_label_errors({"a": given}, {"a": probs}, kind={"a": kind})["a"]
    beside = find_label_errors({"a": given, "u": other}, {"a": probs, "u": said}, kind={"a": kind})["a"]
    same(alone, beside, 1e-6)
    np.testing.assert_array_equal(alone.is_error, beside.is_error)
    np.testing.assert_array_equal(alone.suggested, beside.suggested)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_predictor_finds_the_errors(kind, seed):
    true, given, _ = drawn(kind, seed=seed)
    probs = true.astype(float) if kind in ("multilabel", "regression") else np.eye(int(true.max()) + 1)[true]
    found = find_label_errors(given, probs, kind=kind, precision=0.8)
    known = np.isfinite(found.quality)
    error = known & (given != true)
    assert set(found.ranked(int(error.sum()))) == set(np.flatnonzero(error))
    if (
        kind == "ordinal"
    ):  # the least share of errors that labels do not reject: fewer are flagged than there are
        assert not found.is_error[~error].any() and found.is_error[error].mean() > 0.5
        assert (found.suggested == true).mean() > 0.95
    elif kind != "regression":
        np.testing.assert_array_equal(found.is_error, error)
        np.testing.assert_array_equal(found.suggested, true)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_rows_as_sure_as_each_other_are_all_anchors(kind):
    true, given, _ = drawn(kind)
    order = np.argsort(given != true, kind="stable")  # the right labels first
    probs = np.eye(int(true.max()) + 1)[true]
    there, back = find_label_errors(given, probs), find_label_errors(given[order], probs[order])
    np.testing.assert_allclose(back.quality, there.quality[order], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_predictor_flags_next_to_nothing(kind):
    _, given, probs = drawn(kind)
    flat = np.zeros(N) if kind == "regression" else np.full(probs.shape, 1 / probs.shape[-1])
    found = find_label_errors(given, flat, kind=kind)
    assert found.is_error.mean() < 0.01
    if kind != "regression":
        assert found.notes and not found.is_error.any()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "multilabel"])
def test_a_class_that_is_never_given(kind):
    true, given, probs = drawn(kind)
    given[given == 1] = -1
    found = find_label_errors(given, probs, kind=kind)
    known = given >= 0
    np.testing.assert_array_equal(np.isfinite(found.quality), known)
    assert np.isfinite(found.posterior).all() and np.isfinite(found.confidence).all()
    assert not found.is_error[~known].any()
    if kind == "multiclass":  # the others are judged as ever
        error = known & (given != true)
        assert (error[found.ranked(int(error.sum()))]).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_all_labels_missing(kind):
    _, given, probs = drawn(kind)
    none = np.full(given.shape, np.nan) if kind == "regression" else np.full(given.shape, -1)
    found = find_label_errors(none, probs, kind=kind)
    assert np.isnan(found.quality).all() and np.isnan(found.p_error).all()
    assert not found.is_error.any() and len(found.ranked()) == 0 and np.isnan(found.promised_precision)
    assert np.isfinite(found.suggested).all() and np.isfinite(found.confidence).all()
    assert found.notes and (found.advice == "").all()


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_two_classes_by_any_name_are_a_binary_task(kind):
    _, given, probs = drawn("binary")
    named, plain = find_label_errors(given, probs, kind=kind), find_label_errors(given, probs)
    np.testing.assert_allclose(named.p_error, plain.p_error, atol=5e-3)
    np.testing.assert_array_equal(named.suggested, plain.suggested)
