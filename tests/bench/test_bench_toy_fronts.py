"""The toy problems: gradients, fronts, the excess of an end point, and the picture."""

import xml.etree.ElementTree as Xml

import numpy as np
import pytest

from bench import toy_fronts, toy_picture

PROBLEMS = toy_fronts.PROBLEMS


@pytest.mark.parametrize("which", list(PROBLEMS))
def test_gradients_are_those_of_the_losses(which):
    problem, rng = PROBLEMS[which], np.random.default_rng(0)
    for x in rng.uniform(-9, 9, (20, 2)):
        steps = 1e-6 * np.eye(2)
        numeric = np.stack([(problem.losses(x + e) - problem.losses(x - e)) / 2e-6 for e in steps], axis=1)
        np.testing.assert_allclose(problem.gradients(x), numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("which", list(PROBLEMS))
def test_nothing_is_better_than_the_front_and_its_own_points_are_on_it(which):
    problem, rng = PROBLEMS[which], np.random.default_rng(1)
    front = problem.losses(problem.front())
    left, right, low, high = problem.window
    anywhere = problem.losses(rng.uniform((left, low), (right, high), (4000, 2)))
    assert min(toy_fronts.excess(losses, front) for losses in anywhere) > -2e-3
    assert max(toy_fronts.excess(losses, front) for losses in front[::20]) < 1e-9


def test_a_method_finds_the_front_of_two_bowls_and_the_picture_is_small_xml():
    problem = PROBLEMS["quadratics"]
    paths = [toy_fronts.descend("upgrad", problem, start, 900, 0.05) for start in problem.starts]
    front = problem.losses(problem.front())
    ends = [toy_fronts.excess(problem.losses(path[-1]), front) for path in paths]
    assert max(ends) < toy_fronts.REACHED
    row = {
        "method": "upgrad",
        "problem": "quadratics",
        "excess": ends,
        "paths": [toy_fronts.thinned(p) for p in paths],
    }
    picture = toy_picture.draw(problem, [row], toy_fronts.REACHED)
    assert len(Xml.fromstring(picture).findall(".//{*}polyline")) == 6
    assert len(picture) < 40_000
    assert "| `upgrad` |" in toy_fronts.table([row, {**row, "problem": "landscape"}])
