"""The small solvers against scipy, against the conditions of optimality, and against closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, nnls

from jointset.weighting.cosines import cosines
from jointset.weighting.go4align import group_means
from jointset.weighting.nonnegative import solve_nonnegative
from jointset.weighting.positive import solve_positive
from jointset.weighting.simplex import least_norm, project_simplex


def matrix(k, rank, seed, ridge=0.0):
    """Gradients (k, rank) of length 1, and their cosines with a ridge."""
    rows = np.random.default_rng(seed).normal(size=(k, rank))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, rows @ rows.T + ridge * np.eye(k)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([1e-3, 1e-7]))
def test_nonnegative_solutions_meet_the_conditions_of_optimality(k, rank, seed, ridge):
    _, m = matrix(k, rank, seed, ridge)
    q = np.random.default_rng(seed + 1).normal(size=(5, k)) * np.exp(
        np.random.default_rng(seed + 2).normal(size=k)
    )
    x = solve_nonnegative(m, q)
    slack = x @ m + q
    size = np.abs(q).max() + np.abs(x).max()
    assert (x >= 0).all()
    assert (slack >= -1e-8 * size).all()
    assert np.abs(x * slack).max() <= 1e-7 * size**2


@pytest.mark.parametrize("seed", range(6))
def test_nonnegative_solutions_are_those_of_scipy(seed):
    """min ‖Ax − b‖ over x ≥ 0 is the problem with M = AᵀA and q = −Aᵀb."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(14, 8)), rng.normal(size=(3, 14))
    theirs = [nnls(a, row)[0] for row in b]
    np.testing.assert_allclose(solve_nonnegative(a.T @ a, -b @ a), theirs, atol=1e-9)


@pytest.mark.parametrize(("k", "rank"), [(12, 4), (30, 10), (30, 29)])
def test_close_to_singular_problems_end(k, rank):
    _, m = matrix(k, rank, 3, 1e-9)
    x = solve_nonnegative(m, m - 1e-9 * np.eye(k))
    assert (x @ m + m).min() > -1e-6


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8))
def test_the_projection_is_the_nearest_point_of_the_simplex(point):
    point = np.array(point)
    found = project_simplex(point)
    assert found.sum() == pytest.approx(1.0) and (found >= 0).all()
    corners = np.eye(len(point)) - found  # no direction into the simplex is nearer
    assert (corners @ (point - found)).max() < 1e-8 * max(1.0, np.abs(point).max())


@given(st.integers(1, 8), st.integers(1, 10), st.integers(0, 10**6))
def test_the_shortest_combination_has_equal_products_where_it_has_weight(k, rank, seed):
    rows, _ = matrix(k, rank, seed)
    rows *= np.exp(np.random.default_rng(seed + 1).normal(size=(k, 1)))
    weights = least_norm(cosines(torch.from_numpy(rows @ rows.T)))
    shortest = weights @ rows
    products = rows @ shortest
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all()
    assert (products >= shortest @ shortest - 1e-7 * (rows**2).sum(1).max()).all()


def test_the_shortest_of_two_is_the_closed_form():
    gram = torch.tensor([[1.0, 0.25], [0.25, 2.25]], dtype=torch.float64)
    expected = (2.25 - 0.25) / (1.0 + 2.25 - 0.5)
    np.testing.assert_allclose(least_norm(cosines(gram)), [expected, 1 - expected], atol=1e-8)


@pytest.mark.parametrize("power", [0.3, 0.5, 1.0, 2.0])
@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 10**6))
def test_positive_solutions_solve_their_equation(power, k, rank, seed):
    _, m = matrix(k, rank, seed, 1e-2)
    right = np.exp(np.random.default_rng(seed).normal(size=k))
    x = solve_positive(m, right, power)
    assert (x > 0).all()
    np.testing.assert_allclose(m @ x, right * x**-power, rtol=1e-6)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_positive_solution_of_two_equal_tasks_is_a_root(power):
    m = np.array([[1.0, -0.6], [-0.6, 1.0]])
    root = brentq(lambda x: 0.4 * x - x**-power, 1e-3, 1e3)
    np.testing.assert_allclose(solve_positive(m, np.ones(2), power), [root, root], rtol=1e-8)


def test_cosines_take_a_gramian_apart():
    rows = np.random.default_rng(0).normal(size=(4, 6)) * np.array([[1e-6], [1.0], [1e6], [0.0]])
    found = cosines(torch.from_numpy(rows @ rows.T))
    np.testing.assert_allclose(found.norms, [*np.linalg.norm(rows[:3], axis=1), 1.0])
    unit = rows[:3] / np.linalg.norm(rows[:3], axis=1, keepdims=True)
    np.testing.assert_allclose(found.matrix[:3, :3], unit @ unit.T, atol=1e-12)
    assert found.zero.tolist() == [False, False, False, True]
    assert found.matrix[3].tolist() == [0.0, 0.0, 0.0, 1.0]


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9), st.integers(1, 4))
def test_groups_on_a_line_are_the_best_of_all_cuts(values, groups):
    from itertools import combinations

    line = np.sort(np.array(values, dtype=float))
    found = group_means(line, groups)
    cuts = combinations(range(1, len(line)), min(groups, len(line)) - 1)
    best = min(sum(((part - part.mean()) ** 2).sum() for part in np.split(line, cut)) for cut in cuts)
    assert ((line - found) ** 2).sum() == pytest.approx(best, abs=1e-8)
