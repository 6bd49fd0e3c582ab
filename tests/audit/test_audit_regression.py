"""Numeric labels: the residual mixture."""

import numpy as np
import pytest

from jointset.audit import find_label_errors


def draw(noise, n=4000, seed=0, tails="normal"):
    rng = np.random.default_rng(seed)
    pred = rng.normal(50, 10, n)
    width = rng.standard_t(4, n) if tails == "t" else rng.normal(size=n)
    true = pred + 2 * width
    error = rng.random(n) < noise
    return np.where(error, rng.permutation(true), true), pred, error, true


@pytest.mark.parametrize("noise", [0.05, 0.2])
@pytest.mark.parametrize("tails", ["normal", "t"])
def test_swapped_values_are_found(noise, tails):
    given, pred, error, _ = draw(noise, tails=tails)
    found = find_label_errors(given, pred, kind="regression")
    gross = error & (np.abs(given - pred) > 14)
    if tails == "normal":
        assert (gross & found.is_error).sum() > 0.95 * gross.sum()
    if found.is_error.any():
        assert error[found.is_error].mean() > found.promised_precision - 0.08
    assert abs(found.noise_rate - noise) < 0.05


def test_clean_values_are_left_alone():
    given, pred, *_ = draw(0.0)
    assert find_label_errors(given, pred).is_error.mean() < 0.003


def test_width_follows_the_prediction():
    rng = np.random.default_rng(0)
    pred = rng.uniform(1, 10, 5000)
    given = pred * (1 + 0.2 * rng.normal(size=5000))
    assert find_label_errors(given, pred).is_error.mean() < 0.005


def test_units_do_not_matter():
    given, pred, *_ = draw(0.1)
    plain, scaled = find_label_errors(given, pred), find_label_errors(1000 * given - 7, 1000 * pred - 7)
    np.testing.assert_allclose(plain.quality, scaled.quality, atol=1e-6)


def test_missing_values_get_a_proposal():
    given, pred, _, true = draw(0.1)
    given[:500] = np.nan
    found = find_label_errors(given, pred[:, None])
    assert np.isnan(found.quality[:500]).all() and not found.is_error[:500].any()
    np.testing.assert_allclose(found.suggested[:500], pred[:500], atol=0.5)
    explained = 1 - np.var(true[:500] - pred[:500]) / np.var(true[:500])
    assert abs(found.confidence[0] - explained) < 0.05


def test_too_few_values_say_so():
    found = find_label_errors([1.5, 2.5, np.nan], [1.0, 2.0, 3.0])
    assert "too few" in found.notes[0] and not found.is_error.any()


def test_constant_labels_and_predictions():
    found = find_label_errors(np.full(100, 1.5), np.full(100, 1.5))
    assert not found.is_error.any() and np.isfinite(found.quality).all()
