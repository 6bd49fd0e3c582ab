"""Several views of one task: useful ones help, useless ones do no harm."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from jointset.audit import find_label_errors

N = 4000


def drawn(seed, k=4, noise=0.2):
    """Labels from the noise model, and a maker of views: what a perfect model says, blurred anew every time."""
    rng = np.random.default_rng(seed)
    p = np.exp(rng.normal(0, 3, (N, k)))
    p /= p.sum(axis=1, keepdims=True)
    true = (p.cumsum(axis=1) > rng.random((N, 1))).argmax(axis=1)
    given = np.where(rng.random(N) < noise, (true + rng.integers(1, k, N)) % k, true)

    def view():
        z = p**0.8 * np.exp(1.5 * rng.normal(size=p.shape))
        return z / z.sum(axis=1, keepdims=True)

    return given, given != true, view, rng


def ap(found, error):
    return average_precision_score(error, found.p_error)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_a_second_model_helps(k, kind):
    given, error, view, _ = drawn(k, k)
    a, b = view(), view()
    kind = "binary" if (k, kind) == (2, "multiclass") else kind
    one, two = (find_label_errors(given, a, kind=kind, views=v) for v in ((), (b,)))
    assert ap(two, error) > ap(one, error) + 0.03
    assert abs(two.noise_rate - error.mean()) < 0.03  # as on data from the model itself


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("useless", ["uniform", "permuted", "shares"])
def test_a_useless_view_changes_little(seed, useless):
    given, error, view, rng = drawn(seed)
    a = view()
    beside = {
        "uniform": np.full_like(a, 0.25),
        "permuted": a[rng.permutation(N)],
        "shares": np.tile(np.bincount(given, minlength=4) / N, (N, 1)),
    }[useless]
    one, two = find_label_errors(given, a), find_label_errors(given, a, views=[beside])
    assert ap(two, error) > ap(one, error) - 0.005
    assert np.abs(two.quality - one.quality).mean() < 0.01
    assert abs(two.noise_rate - one.noise_rate) < 0.01


@pytest.mark.parametrize("copies", [1, 3])
def test_copies_of_a_view_say_nothing_new(copies):
    given, error, view, _ = drawn(0)
    a = view()
    one, more = find_label_errors(given, a), find_label_errors(given, a, views=[a] * copies)
    np.testing.assert_allclose(more.quality, one.quality, atol=0.05)
    assert np.abs(more.quality - one.quality).mean() < 0.005
    assert abs(ap(more, error) - ap(one, error)) < 0.002


def test_which_view_comes_first_does_not_matter():
    given, _, view, _ = drawn(1)
    a, b = view(), view()
    there, back = find_label_errors(given, a, views=[b]), find_label_errors(given, b, views=[a])
    np.testing.assert_allclose(there.quality, back.quality, atol=1e-3)


def test_a_good_view_saves_a_useless_predictor():
    given, error, view, _ = drawn(2)
    a = view()
    alone = find_label_errors(given, a)
    saved = find_label_errors(given, np.full_like(a, 0.25), views=[a])
    np.testing.assert_allclose(saved.quality, alone.quality, atol=0.02)
    assert ap(saved, error) == pytest.approx(ap(alone, error), abs=0.005)
