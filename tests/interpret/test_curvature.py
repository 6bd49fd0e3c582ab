"""Kronecker factors against matrices that are written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from jointset.errors import ArrayError
from jointset.interpret import influence
from jointset.interpret.curvature import SPARSE, Direction, factors, mean_direction, products
from jointset.interpret.gradients import RowGradients


def drawn(seed, rows=30, width=5, out=3):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(rows, width)) * (rng.random((rows, width)) < 0.6),
        rng.normal(size=(rows, out)),
        rng,
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_step_solves_the_damped_kronecker_system(seed):
    x, d, rng = drawn(seed)
    g, damping = rng.normal(size=(5, 3)), 0.2
    a, s = x.T @ x / 30, d.T @ d / 30
    a += damping * np.trace(a) / 5 * np.eye(5)
    s += damping * np.trace(s) / 3 * np.eye(3)
    wanted = np.linalg.solve(np.kron(a, s), g.ravel()).reshape(5, 3)
    step = factors([RowGradients({"t": d}, {"t": x})], damping=damping)["t"].step(Direction(g)).values
    np.testing.assert_allclose(step, wanted, rtol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_of_a_bag_it_is_the_diagonal_and_the_mean(seed):
    x, d, rng = drawn(seed)
    g, damping = rng.normal(size=(5, 3)), 0.02
    mean, square = x.mean(0), (x**2).mean(0)
    a = np.diag(square - mean**2 + SPARSE * damping * square[square > 0].mean()) + np.outer(mean, mean)
    s = d.T @ d / 30
    s += damping * np.trace(s) / 3 * np.eye(3)
    wanted = np.linalg.solve(a, g) @ np.linalg.inv(s)
    own = factors([RowGradients({"b": d}, {"b": sparse.csr_matrix(x)})], damping=damping)["b"]
    step = own.step(Direction(g))
    np.testing.assert_allclose(step.values - np.outer(step.along, step.back), wanted, rtol=1e-7, atol=1e-12)
    some = np.array([0, 3])
    part = own.step(Direction(g[some], some)).dot(sparse.csr_matrix(x), d)
    g[[1, 2, 4]] = 0
    whole = np.linalg.solve(a, g) @ np.linalg.inv(s)
    np.testing.assert_allclose(part, ((x @ whole) * d).sum(1), rtol=1e-7, atol=1e-12)


def test_the_mean_of_a_bag_is_kept_where_its_rows_are():
    x, d, _ = drawn(4)
    x[:, 2] = 0
    dense, some = mean_direction(x, d), mean_direction(sparse.csr_matrix(x), d)
    assert some.columns.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose(dense.values[[0, 1, 3, 4]], some.values)
    np.testing.assert_allclose(dense.dot(x, d), some.dot(sparse.csr_matrix(x), d))


def test_rows_of_several_tasks_count_together():
    x, d, _ = drawn(3)
    parts = [RowGradients({"t": d[:9]}, {"t": x[:9]}), RowGradients({"t": d[9:]}, {"t": x[9:]})]
    whole, both = factors([RowGradients({"t": d}, {"t": x})])["t"], factors(parts)["t"]
    np.testing.assert_allclose(whole.incoming, both.incoming)
    np.testing.assert_allclose(whole.outgoing, both.outgoing)


def test_what_never_moves_leaves_gradients_as_they_are():
    still = factors([RowGradients({"t": np.zeros((4, 2))}, {"t": np.zeros((4, 3))})])["t"]
    np.testing.assert_array_equal(still.step(Direction(np.ones((3, 2)))).values, np.ones((3, 2)))


@pytest.mark.parametrize("damping", [0.0, -1.0, float("nan")])
def test_damping_is_above_zero(problem, damping):
    with pytest.raises(ArrayError, match="damping must be above 0, or None"):
        influence([problem.build(0)], problem, np.arange(3), np.arange(3), damping=damping)


@pytest.mark.parametrize("cells", [1, 40, 1 << 20])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_many_directions_at_once_are_each_of_them(monkeypatch, cells, kind):
    monkeypatch.setattr("jointset.interpret.curvature.CELLS", cells)
    x, d, _ = drawn(0)
    ways = [mean_direction(kind(x[i : i + 9]), d[i : i + 9]) for i in (0, 9, 18)]
    found = products(kind(x), d, ways)
    np.testing.assert_allclose(found, [w.dot(kind(x), d) for w in ways], rtol=1e-10)
    dense = [np.einsum("ni,no,io->n", x, d, x[i : i + 9].T @ d[i : i + 9] / 9) for i in (0, 9, 18)]
    np.testing.assert_allclose(found, dense, rtol=1e-10)
