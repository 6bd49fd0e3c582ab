"""Linear CKA against kernels written out, and what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.errors import ArrayError
from jointset.interpret import alignment, linear_cka


def by_kernels(x, y, debiased):
    """The formulas of the papers with n × n kernels."""
    n = len(x)

    def hsic(a, b):
        k, m = a @ a.T, b @ b.T
        if not debiased:
            h = np.eye(n) - 1 / n
            return np.trace(k @ h @ m @ h)
        np.fill_diagonal(k, 0)
        np.fill_diagonal(m, 0)
        one = np.ones(n)
        middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


@given(seed=st.integers(0, 99), n=st.integers(8, 30), p=st.integers(1, 6), debiased=st.booleans())
def test_it_is_the_papers_without_kernels(seed, n, p, debiased):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + rng.normal(size=p)
    y = x @ rng.normal(size=(p, 3)) + rng.normal(size=(n, 3))
    assert linear_cka(x, y, debiased=debiased) == pytest.approx(by_kernels(x, y, debiased), abs=1e-8)


@pytest.mark.parametrize("debiased", [True, False])
def test_rotation_scale_and_shift_change_nothing_and_a_linear_map_does(debiased):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(60, 5))
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    value = linear_cka(x, y, debiased=debiased)
    assert linear_cka(3 * x @ turn + 7, y, debiased=debiased) == pytest.approx(value)
    assert linear_cka(y, x, debiased=debiased) == pytest.approx(value)
    assert linear_cka(x, 2 * x @ turn, debiased=debiased) == pytest.approx(1)
    assert linear_cka(x, x * [100, 1, 1, 1, 1], debiased=debiased) < 0.9


def test_unrelated_wide_features_look_alike_to_the_plain_form_only():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=(50, 200)), rng.normal(size=(50, 200))) for _ in range(20)]
    assert np.mean([linear_cka(x, y, debiased=False) for x, y in pairs]) > 0.7
    assert abs(np.mean([linear_cka(x, y) for x, y in pairs])) < 0.02


def test_what_cannot_be_compared():
    with pytest.raises(ArrayError, match="the same 4 rows or more"):
        linear_cka(np.ones((3, 2)), np.ones((3, 2)))
    assert linear_cka(np.ones((9, 2)), np.arange(18.0).reshape(9, 2)) == 0.0
    with pytest.raises(ArrayError, match="same tasks"):
        alignment({"a": {"t": np.ones((4, 1))}, "b": {"u": np.ones((4, 1))}})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    x = np.random.default_rng(0).normal(size=(20, 3))
    broken = np.where(np.arange(60).reshape(20, 3) == 4, bad, x)
    for pair in ((x, broken), (broken, x)):
        with pytest.raises(ArrayError, match=r"^features: 1 rows hold[^\n]+$"):
            linear_cka(*pair)
