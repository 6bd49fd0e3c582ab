"""Properties of the single-task posterior."""

import numpy as np
import pytest

from jointset.audit import fillable, find_label_errors
from jointset.audit.noise_fit import fit_noise_model, shrink
from jointset.audit.posterior import deconvolve, observe


def softmax(z):
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def draw(n=4000, k=4, noise=0.2, sharp=3.0, seed=0):
    """Draw from the model itself: probabilities, true labels, given labels, T."""
    rng = np.random.default_rng(seed)
    p_true = softmax(rng.normal(0, sharp, (n, k)))
    true = (p_true.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    transition = np.where(np.eye(k, dtype=bool), 1 - noise, noise / (k - 1))
    given = (transition[true].cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return p_true @ transition, true, given, transition, p_true


@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_data_from_the_model_itself(k, noise):
    misses = []
    for seed in range(3):
        probs, true, given, transition, p_true = draw(12_000, k, noise, seed=k + 100 * seed)
        found = find_label_errors(given, probs)
        error, flagged = given != true, found.is_error
        misses.append(
            [
                np.abs(found.noise_matrix - transition).max(),
                abs(found.noise_rate - noise),
                np.abs(found.posterior - observe(p_true, transition, given)).mean(),
                abs(error[flagged].mean() - found.promised_precision) if flagged.any() else 0.0,
                abs((found.suggested == true).mean() - found.confidence.mean()),
            ]
        )
    assert (np.mean(misses, axis=0) < [0.06, 0.03, 0.05, 0.06, 0.04]).all(), np.round(misses, 3)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_row_order_does_not_matter(kind):
    probs, _, given, *_ = draw(1500, 2 if kind == "binary" else 4)
    order = np.random.default_rng(3).permutation(len(given))
    plain, mixed = find_label_errors(given, probs), find_label_errors(given[order], probs[order])
    np.testing.assert_allclose(mixed.quality, plain.quality[order], atol=2e-3)


def test_class_order_does_not_matter():
    probs, _, given, *_ = draw(2000, 4)
    order = np.array([2, 0, 3, 1])
    plain, mixed = (
        find_label_errors(given, probs),
        find_label_errors(np.argsort(order)[given], probs[:, order]),
    )
    np.testing.assert_allclose(mixed.quality, plain.quality, atol=0.02)
    assert (order[mixed.suggested] == plain.suggested).mean() > 0.99


@pytest.mark.parametrize("k", [2, 5])
def test_perfect_predictor_ranks_the_errors_first(k):
    rng = np.random.default_rng(0)
    true = rng.integers(0, k, 2000)
    error = rng.random(2000) < 0.1
    given = np.where(error, (true + 1) % k, true)
    found = find_label_errors(given, np.eye(k)[true], precision=0.8)
    assert set(found.ranked(error.sum())) == set(np.flatnonzero(error))
    assert (found.is_error == error).all() and (found.suggested == true).all()


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("rare", [0.5, 0.03])
def test_uniform_predictor_flags_nothing(k, rare):
    given = (np.random.default_rng(0).random(3000) < rare).astype(int)
    found = find_label_errors(given, np.full((3000, k), 1 / k))
    assert not found.is_error.any() and found.p_error.max() < 0.2
    assert "no more" in found.notes[0]


def test_predictor_of_noise_flags_nothing():
    rng = np.random.default_rng(1)
    found = find_label_errors(rng.integers(0, 3, 2000), softmax(rng.normal(size=(2000, 3))))
    assert not found.is_error.any()


@pytest.mark.parametrize("k", [2, 4])
def test_clean_labels_are_left_alone(k):
    rng = np.random.default_rng(2)
    p = softmax(rng.normal(0, 4, (5000, k)))
    true = (p.cumsum(axis=1) > rng.random((5000, 1))).argmax(axis=1)
    found = find_label_errors(true, p)
    assert found.is_error.mean() < 0.005 and found.noise_rate < 0.02


def test_asymmetric_noise_is_found_from_an_underconfident_model():
    rng = np.random.default_rng(4)
    score = rng.normal(0, 4, 20_000)
    true = (rng.random(20_000) < 1 / (1 + np.exp(-score))).astype(int)
    given = np.where((true == 1) & (rng.random(20_000) < 0.3), 0, true)
    p = 1 / (1 + np.exp(-0.3 * score))
    found = find_label_errors(given, np.stack([1 - p, p], axis=1))
    np.testing.assert_allclose(found.noise_matrix, [[1, 0], [0.3, 0.7]], atol=0.03)


def test_a_class_that_was_never_given():
    probs, _, given, *_ = draw(2000, 4)
    found = find_label_errors(np.where(given == 3, -1, given), probs)
    assert np.isfinite(found.posterior).all() and np.isnan(found.quality[given == 3]).all()
    assert not found.is_error[given == 3].any()


@pytest.mark.parametrize("given", [np.full(9, -1), np.full(9, np.nan)])
def test_all_labels_missing(given):
    found = find_label_errors(given, np.full((9, 3), 1 / 3))
    assert len(found.ranked()) == 0 and not found.is_error.any() and np.isnan(found.noise_rate)
    assert found.notes == ("no label was given",)


def test_no_rows():
    assert len(find_label_errors(np.empty(0, int), np.empty((0, 3))).ranked()) == 0


def test_missing_labels_are_filled_as_surely_as_promised():
    probs, true, given, *_ = draw(8000, 4)
    hidden = np.random.default_rng(5).random(8000) < 0.3
    found = find_label_errors(np.where(hidden, -1, given), probs)
    rows = fillable(found, 0.9)
    assert hidden[rows].all() and len(rows) > 500
    assert abs((found.suggested[rows] == true[rows]).mean() - 0.9) < 0.05


def test_higher_precision_flags_fewer():
    probs, _, given, *_ = draw(noise=0.3)
    flagged = [find_label_errors(given, probs, precision=p).is_error for p in (0.85, 0.9, 0.95)]
    assert flagged[0].sum() > flagged[1].sum() > flagged[2].sum()
    assert (flagged[0] >= flagged[1]).all() and (flagged[1] >= flagged[2]).all()


def test_fit_rows_bound_what_is_learnt_from():
    probs, _, given, *_ = draw(4000, 3)
    trusted = np.arange(4000) < 2000
    spoilt = np.where(trusted, given, np.random.default_rng(0).permutation(given))
    found = find_label_errors(spoilt, probs, fit_rows=trusted)
    np.testing.assert_array_equal(
        found.quality[trusted], find_label_errors(given, probs, fit_rows=trusted).quality[trusted]
    )


def test_half_precision_input():
    probs, _, given, *_ = draw(4000, 3)
    low = find_label_errors(given, probs.astype(np.float16))
    np.testing.assert_allclose(low.quality, find_label_errors(given, probs).quality, atol=0.02)


def test_golden_posterior():
    # closed form: 0.6 * 0.1 / (0.6 * 0.1 + 0.4 * 0.7) = 3 / 17
    got = observe(np.array([[0.6, 0.4]]), np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([1]))
    np.testing.assert_allclose(got, [[3 / 17, 14 / 17]])


def test_deconvolution_inverts_the_noise():
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(size=(50, 3)))
    transition = shrink(np.array([[8.0, 1, 1], [2, 7, 1], [0, 3, 7]]))
    np.testing.assert_allclose(deconvolve(p @ transition, transition, 5000), p, atol=1e-3)


def test_rows_of_the_transition_are_distributions():
    probs, _, given, *_ = draw(800, 5)
    transition = fit_noise_model([probs], given).transition
    np.testing.assert_allclose(transition.sum(axis=1), 1)
    assert (transition >= 0).all()
