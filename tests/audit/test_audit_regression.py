"""Numeric labels: the conditional density of a label given its prediction."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from jointset.audit import find_label_errors
from jointset.audit.numeric import curve, curve_below, fit_density
from jointset.errors import ArrayError


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


def corrupt(true, rng, share=0.1):
    """Half of the errors swap in another row's label, half shift by 1.5 to 3 standard deviations."""
    given, n = true.copy(), len(true)
    rows = rng.choice(n, int(share * n), replace=False)
    half = len(rows) // 2
    shift = rng.choice([-1, 1], half) * rng.uniform(1.5, 3, half) * true.std()
    given[rows[:half]] += np.round(shift) if (true == np.round(true)).all() else shift
    given[rows[half:]] = true[rng.permutation(n)[: len(rows) - half]]
    return given, given != true


def shaped(shape, n=2000, seed=0):
    """Predictions and right labels whose noise is not one normal curve."""
    rng = np.random.default_rng(seed)
    pred = rng.normal(size=n)
    if shape == "skewed":
        return pred, pred + 0.6 * (rng.gamma(1.2, 1, n) - 1.2), rng
    if shape == "growing":
        return pred, pred + np.exp(0.9 * pred - 1) * rng.normal(size=n), rng
    if shape == "two modes":
        high = np.where(rng.random(n) < 0.35, 1.5, -0.8) * (pred > 0)
        return pred, pred + high + 0.25 * rng.normal(size=n), rng
    if shape == "heavy":
        return pred, pred + 0.4 * rng.standard_t(3, n), rng
    grade = np.clip(np.round(11 + 2 * pred + 2 * rng.normal(size=n)), 1, 20)
    grade[rng.random(n) < 1 / (1 + np.exp(1.4 * pred + 2))] = 0
    return 11 + 2 * pred, grade, rng


@pytest.mark.parametrize(
    ("shape", "gain"), [("skewed", 0.03), ("growing", 0.1), ("two modes", 0.03), ("grades", 0.1)]
)
def test_the_shape_of_the_noise_is_used(shape, gain):
    pred, true, rng = shaped(shape)
    given, error = corrupt(true, rng)
    found = find_label_errors(given, pred, kind="regression")
    plain = average_precision_score(error, np.abs(given - pred))
    assert average_precision_score(error, 1 - found.quality) > plain + gain
    assert not found.is_error.any() or error[found.is_error].mean() > 0.9


@pytest.mark.parametrize("shape", ["skewed", "growing", "two modes", "grades", "heavy"])
def test_no_shape_is_taken_for_noise(shape):
    pred, true, _ = shaped(shape)
    found = find_label_errors(true, pred, kind="regression")
    assert found.is_error.mean() < 0.002 and found.noise_rate < 0.02


def test_the_posterior_is_near_the_true_one():
    rng = np.random.default_rng(0)
    pred = rng.normal(0, 3, 8000)
    true = pred + rng.normal(size=8000)
    error = rng.random(8000) < 0.15
    given = np.where(error, rng.normal(0, np.sqrt(10), 8000), true)
    right, wrong = norm.pdf(given, pred, 1), norm.pdf(given, 0, np.sqrt(10))
    exact = 0.15 * wrong / (0.15 * wrong + 0.85 * right)
    found = find_label_errors(given, pred).p_error
    assert np.abs(found - exact).mean() < 0.07 and found.mean() < exact.mean() + 0.01  # it promises less
    best = average_precision_score(error, exact)
    assert average_precision_score(error, found) > best - 0.01


def test_the_curve_is_a_density():
    grid = np.linspace(-2000, 2000, 2_000_001)
    for shape in [(3, 0.7, 2.0), (30, 1.4, 0.5)]:
        area = np.cumsum(curve(grid, *shape)) * (grid[1] - grid[0])
        np.testing.assert_allclose(area[::100_000], curve_below(grid[::100_000], *shape), atol=2e-3)
    np.testing.assert_allclose(curve(grid[:9], 3, 1.0, 1.0), curve(-grid[:9], 3, 1.0, 1.0))


def test_masses_of_bins_are_the_share_of_labels_in_them():
    pred, true, _ = shaped("skewed", 6000)
    edges = np.quantile(true, [0.1, 0.5, 0.9])
    for low in (-np.inf, 0.0):
        rows = pred > low
        below = fit_density(true, pred).below(edges, pred[rows])
        np.testing.assert_allclose(below.mean(axis=0), [(true[rows] < e).mean() for e in edges], atol=0.015)


@pytest.mark.parametrize("shape", ["skewed", "growing"])
def test_the_interval_holds_as_often_as_promised(shape):
    pred, true, rng = shaped(shape, 4000)
    given, _ = corrupt(true, rng, 0.05)
    low, high = find_label_errors(given, pred, precision=0.8).interval.T
    for rows in (pred < 0, pred >= 0):
        assert abs(((true >= low) & (true <= high))[rows].mean() - 0.8) < 0.04


def test_standard_errors_are_used():
    rng = np.random.default_rng(0)
    pred, std = rng.normal(size=3000), rng.choice([0.1, 1.0], 3000)
    given, error = corrupt(pred + std * rng.normal(size=3000), rng)
    with_it = find_label_errors(given, np.stack([pred, std], axis=1), kind="regression")
    without = find_label_errors(given, pred, kind="regression")
    scores = [average_precision_score(error, a.p_error) for a in (with_it, without)]
    assert scores[0] > scores[1] + 0.1
    with pytest.raises(ArrayError, match="row 2 has 0"):
        find_label_errors([1.5, 2.0, 1.0], [[1, 1], [1, 1], [1, 0]], kind="regression")


def test_row_order_does_not_matter():
    given, pred, *_ = draw(0.1, 1000)
    order = np.random.default_rng(1).permutation(1000)
    there, back = find_label_errors(given, pred), find_label_errors(given[order], pred[order])
    np.testing.assert_allclose(there.quality[order], back.quality, atol=1e-6)


def test_copies_of_a_row_are_judged_alike():
    given, pred, *_ = draw(0.1, 1000)
    found = find_label_errors(np.r_[given, given], np.r_[pred, pred])
    np.testing.assert_allclose(found.quality[:1000], found.quality[1000:], atol=1e-9)


def test_the_farthest_label_is_the_worst():
    given, pred, *_ = draw(0.05, 1000)
    given[7] = 1e9
    found = find_label_errors(given, pred)
    assert found.is_error[7] and found.p_error[7] > 0.99


def test_rows_left_out_of_the_fit_are_judged_too():
    given, pred, error, _ = draw(0.1)
    found = find_label_errors(given, pred, fit_rows=np.arange(4000) < 2000)
    parts = [average_precision_score(error[r], found.p_error[r]) for r in (slice(2000), slice(2000, None))]
    assert abs(parts[0] - parts[1]) < 0.06


def test_all_missing():
    found = find_label_errors(np.full(50, np.nan), np.arange(50.0), kind="regression")
    assert not found.is_error.any() and np.isnan(found.quality).all() and np.isnan(found.interval).all()


def test_tiny_units_do_not_matter():
    given, pred, *_ = draw(0.1)
    given[::9] = np.nan
    plain, scaled = (find_label_errors(given * u, pred * u, kind="regression") for u in (1.0, 1e-10))
    np.testing.assert_allclose(plain.quality, scaled.quality, atol=1e-6)
    np.testing.assert_allclose(plain.confidence, scaled.confidence, atol=1e-6)
