"""Many classes: a sparse T is the dense one, and the audit finds what it should."""

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.metrics import average_precision_score

from jointset.audit import find_label_errors, many_classes, posterior
from jointset.audit.many_classes import FILLED, MANY, SHARE, _shrunk, _surest, deconvolve, fit_many
from jointset.audit.noise_fit import _count_top, shrink


def pairs(k, n, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    return true, np.where(rng.random(n) < 0.3, (true + rng.integers(1, 3, n)) % k, true)


def both(k, n):
    """The sparse T, and ``noise_fit.shrink`` of the same counts."""
    true, given = pairs(k, n)
    counts = np.zeros((k, k))
    np.add.at(counts, (true, given), 1)
    return _shrunk(true, given, k), shrink(counts)


# few rows leave the counts sparse, many fill them: two paths, one T
CASES = [(100, 250), (100, 20_000), (7, 3), (7, 5000), (2, 50)]


@pytest.mark.parametrize(("k", "n"), CASES)
def test_the_products_are_those_of_the_dense_transition(k, n):
    noise, dense = both(k, n)
    assert issparse(noise.counts) == (np.count_nonzero(_counts(k, n)) <= FILLED * k * k)
    p = np.random.default_rng(1).dirichlet(np.ones(k), 30).astype(np.float32)
    np.testing.assert_allclose(noise.forward(p.copy()), p @ dense, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(noise.backward(p.copy()), p @ dense.T, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(noise.forward(np.eye(k, dtype=np.float32)).sum(axis=1), 1, rtol=1e-5)


def _counts(k, n):
    counts = np.zeros((k, k))
    np.add.at(counts, pairs(k, n), 1)
    return counts


@pytest.mark.parametrize(("k", "n"), CASES)
def test_a_label_is_observed_as_with_the_dense_transition(k, n):
    noise, dense = both(k, n)
    rng = np.random.default_rng(2)
    p, given = rng.dirichlet(np.ones(k), 60).astype(np.float32), rng.integers(-1, k, 60)
    exact = posterior.observe(p.astype(float), dense, given)
    np.testing.assert_allclose(noise.observe(p.copy(), given), exact, rtol=1e-3, atol=1e-6)
    none = np.full(60, -1)
    np.testing.assert_array_equal(noise.observe(p.copy(), none), p)


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("steps", [1, 5, 14])
def test_deconvolution_is_that_of_the_dense_transition(k, n, steps):
    noise, dense = both(k, n)
    p = np.random.default_rng(3).dirichlet(np.ones(k), 40).astype(np.float32)
    exact = posterior.deconvolve(p.astype(float), dense, steps)
    np.testing.assert_allclose(deconvolve(p, noise, steps), exact, rtol=5e-3, atol=1e-5)


@pytest.mark.parametrize(("k", "n"), CASES)
def test_to_sparse_leaves_out_the_uniform_part_alone(k, n):
    noise, dense = both(k, n)
    rest = dense - noise.to_sparse().toarray()
    np.testing.assert_allclose(rest, np.repeat((noise.scale * noise.spread)[:, None], k, 1), atol=1e-6)


def test_nothing_counted_is_uniform_noise():
    noise = _shrunk(np.empty(0, int), np.empty(0, int), 70)
    dense = noise.forward(np.eye(70, dtype=np.float32))
    np.testing.assert_allclose(np.diag(dense), 0.95, rtol=1e-5)
    np.testing.assert_allclose(dense[0, 1:], 0.05 / 69, rtol=1e-5)


def test_the_surest_rows_are_counted_as_with_few_classes():
    rng = np.random.default_rng(4)
    p, given = rng.dirichlet(np.ones(8), 1500), rng.integers(0, 8, 1500)
    rows = _surest(p.argmax(axis=1), p.max(axis=1), 8)
    counts = np.zeros((8, 8))
    np.add.at(counts, (p.argmax(axis=1)[rows], given[rows]), 1)
    np.testing.assert_array_equal(counts, _count_top(p, given, SHARE))


def drawn(k, n, noise=0.15, hidden=0.1, seed=0):
    """A predictor that is right about four times in five; errors go to the next class or anywhere."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    z = 5.0 * np.eye(k, dtype=np.float32)[true] + rng.normal(size=(n, k)).astype(np.float32)
    wrong = rng.random(n) < noise
    step = np.where(rng.random(n) < 0.5, 1, rng.integers(1, k, n))
    given = np.where(wrong, (true + step) % k, true)
    given[rng.random(n) < hidden] = -1
    probs = np.exp(1.5 * z)
    return probs / probs.sum(axis=1, keepdims=True), true, given


@pytest.mark.parametrize(("k", "n"), [(100, 6000), (300, 6000)])
def test_injected_errors_are_found(k, n):
    assert k > MANY
    probs, true, given = drawn(k, n)
    found = find_label_errors(given, probs)
    known, error = given >= 0, (given >= 0) & (given != true)
    assert average_precision_score(error[known], found.p_error[known]) > 0.95
    assert error[found.is_error].mean() > 0.85 and found.is_error[error].mean() > 0.8
    assert abs(error[found.is_error].mean() - found.promised_precision) < 0.06
    assert abs(found.noise_rate - error[known].mean()) < 0.03
    assert (found.suggested[error] == true[error]).mean() > 0.9
    assert found.noise_matrix.shape == (k, k) and issparse(found.noise_matrix)


def test_rows_without_a_label_are_filled():
    probs, true, given = drawn(100, 4000, hidden=0.4)
    found = find_label_errors(given, probs)
    hidden = given < 0
    assert np.isnan(found.quality[hidden]).all() and np.isnan(found.p_error[hidden]).all()
    assert not found.is_error[hidden].any()
    right = found.suggested[hidden] == true[hidden]
    assert right.mean() > 0.9 and abs(found.confidence[hidden].mean() - right.mean()) < 0.05
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_an_uninformative_predictor_flags_nothing(hidden):
    k = MANY + 1
    given = np.random.default_rng(0).integers(0, k, 2000)
    given[: int(2000 * hidden)] = -1
    found = find_label_errors(given, np.full((2000, k), 1 / k, np.float32))
    assert not found.is_error.any()
    assert ("no label" if hidden else "no more") in found.notes[0]
    assert np.isfinite(found.confidence).all() and np.isfinite(found.posterior).all()


def test_a_second_view_helps():
    rng = np.random.default_rng(0)
    probs, true, given = drawn(100, 4000, hidden=0)
    blur = np.exp(3 * rng.normal(size=(2, *probs.shape)).astype(np.float32)) * probs**0.5
    one, two = blur / blur.sum(axis=2, keepdims=True)
    error = given != true
    ap = [
        average_precision_score(error, find_label_errors(given, one, views=v).p_error) for v in ((), (two,))
    ]
    assert ap[1] > ap[0] + 0.03


def test_the_order_of_rows_does_not_matter():
    probs, _, given = drawn(100, 3000)
    order = np.random.default_rng(1).permutation(3000)
    there, back = find_label_errors(given, probs), find_label_errors(given[order], probs[order])
    np.testing.assert_allclose(back.quality, there.quality[order], atol=0.02)


def test_rows_that_were_not_fitted_are_scored():
    probs, true, given = drawn(80, 4000, hidden=0)
    model = fit_many([probs], given, np.arange(3000))
    _, after, errors = model.score([probs[3000:]], given[3000:])
    assert ((after.argmax(axis=1) == true[3000:]).mean()) > 0.9
    assert abs(errors[0] - (given != true)[3000:].sum()) < 40


def test_few_and_many_classes_agree(monkeypatch):
    probs, _, given = drawn(20, 5000)
    dense = find_label_errors(given, probs)
    monkeypatch.setattr("jointset.audit.nodes.MANY", 10)
    sparse = find_label_errors(given, probs)
    assert issparse(sparse.noise_matrix) and not issparse(dense.noise_matrix)
    assert (sparse.is_error == dense.is_error).mean() > 0.98
    assert abs(sparse.noise_rate - dense.noise_rate) < 0.02
    assert many_classes.MANY == MANY
