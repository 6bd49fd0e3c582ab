"""The held-out score: 0 for the best constant, 1 for perfection, whatever the kind."""

import numpy as np
import pytest

from jointset.records import Task
from jointset.training.evaluate import skill

RNG = np.random.default_rng(0)
CASES = {
    "binary": (Task("t", "binary", ("n", "y")), RNG.integers(0, 2, 60)),
    "multiclass": (Task("t", "multiclass", ("a", "b", "c")), RNG.integers(0, 3, 60)),
    "multilabel": (Task("t", "multilabel", ("a", "b")), RNG.integers(0, 2, (60, 2)).astype(np.int8)),
    "regression": (Task("t", "regression"), RNG.normal(5, 3, 60)),
}


def perfect(task, y):
    if task.kind == "regression":
        return y[:, None].astype(np.float32)
    return y.astype(np.float32) if y.ndim == 2 else np.eye(task.n_outputs, dtype=np.float32)[y]


def constant(task, y):
    return np.tile(perfect(task, y).mean(0), (len(y), 1))


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


def score(task, y, p):
    return skill([task], {"t": y}, {"t": p})


def test_perfection_is_one_and_the_best_constant_zero(case):
    task, y = case
    assert score(task, y, perfect(task, y)) == pytest.approx(1, abs=1e-5)
    assert score(task, y, constant(task, y)) == pytest.approx(0, abs=1e-5)


def test_halfway_lies_between(case):
    task, y = case
    half = (perfect(task, y) + constant(task, y)) / 2
    assert 0.1 < score(task, y, half) < 0.9


def test_missing_labels_do_not_count(case):
    task, y = case
    half = (perfect(task, y) + constant(task, y)) / 2
    more = np.concatenate([y, task.missing(20)]).astype(y.dtype)
    wild = np.concatenate([half, np.full((20, task.n_outputs), 0.123)])
    assert score(task, more, wild) == pytest.approx(score(task, y, half))


def test_a_task_with_nothing_to_tell_apart_is_left_out(case):
    task, y = case
    other = Task("u", "binary", ("n", "y"))
    flat = np.zeros(60, np.int64)
    sure = np.tile([1.0, 0.0], (60, 1))
    both = skill([task, other], {"t": y, "u": flat}, {"t": perfect(task, y), "u": sure})
    assert both == pytest.approx(1, abs=1e-5)
    assert np.isnan(skill([other], {"u": flat}, {"u": sure}))
    assert np.isnan(skill([task], {"t": task.missing(60)}, {"t": perfect(task, y)}))


def test_the_squared_error_is_scikit_learns_r2():
    from sklearn.metrics import r2_score

    task, y = CASES["regression"]
    p = y + RNG.normal(0, 1, 60)
    assert score(task, y, p[:, None]) == pytest.approx(r2_score(y, p))


@pytest.mark.parametrize("unit", [1e-7, 1e7])
def test_the_unit_of_a_number_does_not_matter(unit):
    _, y = CASES["regression"]
    p = (y + RNG.normal(0, 1, 60))[:, None]
    task = Task("t", "regression", scale=(5 * unit, 3 * unit))
    assert score(task, y * unit, p * unit) == pytest.approx(score(CASES["regression"][0], y, p))
    assert np.isnan(score(task, np.full(60, 0.1 * unit), p * unit)), "one label, whatever its rounding"
