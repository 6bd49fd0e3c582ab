"""Weights, their coordinates, and the lattice: what holds for any number of tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import helmert

from jointset.search.simplex import (
    basis,
    from_cube,
    lattice,
    lattice_size,
    star,
    to_cube,
    to_point,
    to_weights,
)

TASKS = st.integers(2, 8)
SPAN = 50.0


def points(k, seed, n=20, far=4.0):
    return np.random.default_rng(seed).uniform(-far, far, (n, k - 1))


@given(TASKS)
def test_the_basis_is_scipys_helmert_matrix(k):
    np.testing.assert_allclose(basis(k), helmert(k))


@given(TASKS, st.integers(0, 99))
def test_weights_have_mean_one_and_come_back_to_their_point(k, seed):
    point = points(k, seed)
    weights = to_weights(point)
    assert weights.shape == (20, k)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.mean(1), 1)
    np.testing.assert_allclose(to_point(weights), point, atol=1e-9)
    np.testing.assert_allclose(to_point(7 * weights), point, atol=1e-9)


@given(TASKS, st.integers(0, 99))
def test_the_cube_is_all_weights_of_the_span_each_once(k, seed):
    cube = points(k, seed, far=1.0)
    cube[::2] /= np.abs(cube[::2]).max(1, keepdims=True)  # on the surface
    weights = from_cube(cube, SPAN)
    ratio = weights.max(1) / weights.min(1)
    assert (ratio <= SPAN * (1 + 1e-9)).all()
    np.testing.assert_allclose(ratio[::2], SPAN)
    np.testing.assert_allclose(to_cube(weights, SPAN), cube, atol=1e-9)
    assert from_cube(np.zeros(k - 1), SPAN).tolist() == [1.0] * k
    assert to_cube(np.ones(k), SPAN).tolist() == [0.0] * (k - 1)


def test_no_coordinate_is_special():
    """A permutation of the tasks is a rotation of the coordinates, so that distances do not depend on their order."""
    weights = to_weights(points(5, 0))
    turned = weights[:, [3, 0, 4, 1, 2]]
    distance = np.linalg.norm(to_point(weights)[:, None] - to_point(weights)[None], axis=-1)
    again = np.linalg.norm(to_point(turned)[:, None] - to_point(turned)[None], axis=-1)
    np.testing.assert_allclose(distance, again)


@given(st.integers(2, 5), st.integers(2, 4))
def test_the_lattice_is_distinct_symmetric_and_within_the_span(k, levels):
    found = lattice(k, levels, SPAN)
    assert len(found) == lattice_size(k, levels)
    assert (found[0] == 1).all()
    np.testing.assert_allclose(found.mean(1), 1)
    rows = {tuple(r) for r in found.round(9)}
    assert len(rows) == len(found)
    assert {r[::-1] for r in rows} == rows
    ratio = found.max(1) / found.min(1)
    assert ratio.max() == pytest.approx(SPAN if levels > 2 else SPAN**0.5)
    assert (np.diff(ratio) > -1e-9).all()  # from equal weights outwards


@given(TASKS)
def test_the_star_points_at_every_task_and_lies_in_the_cube(k):
    found = star(k, SPAN)
    assert (found.argmax(1) == np.arange(k)).all()
    np.testing.assert_allclose(found.mean(1), 1)
    np.testing.assert_allclose(found.max(1) / found.min(1), SPAN)
