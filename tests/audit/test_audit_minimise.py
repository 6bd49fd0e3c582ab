"""The minimiser of the noise models."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from jointset.audit.minimise import ANY, minimise


def rosenbrock(x):
    return float(rosen(x)) / 100, rosen_der(x) / 100


@pytest.mark.parametrize(
    "bounds",
    [[ANY] * 5, [(-2.0, 0.5)] * 5, [(0.0, 0.0), *[ANY] * 4], [(1.5, 9.0), ANY, (0.0, 1.0), ANY, ANY]],
    ids=["free", "all bounded", "one fixed", "mixed"],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_scipy_finds_nothing_lower_nearby(bounds, seed):
    start = np.random.default_rng(seed).normal(size=5)
    x, value = minimise(rosenbrock, start, bounds, rounds=1000)
    lower, upper = np.array(bounds).T
    assert (x >= lower).all() and (x <= upper).all() and value == rosenbrock(x)[0]
    best = minimize(rosenbrock, x, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15}).fun
    assert value - best < 1e-5


def test_golden_projection():
    # the nearest point of a box: every coordinate is cut off at its bounds
    aim = np.array([-3.0, 0.25, 7.0])
    x, _ = minimise(lambda x: (float((x - aim) @ (x - aim)), 2 * (x - aim)), np.zeros(3), [(-1, 1)] * 3)
    np.testing.assert_allclose(x, [-1, 0.25, 1], atol=1e-5)


def test_rounds_bound_the_work():
    calls = []

    def counted(x):
        calls.append(x)
        return rosenbrock(x)

    minimise(counted, np.full(5, -1.0), [ANY] * 5, rounds=3)
    assert 3 < len(calls) < 30


def test_noise_of_single_precision_ends_it():
    def rounded(x):
        value, slope = rosenbrock(x)
        return float(np.float32(value + 10)), slope.astype(np.float32).astype(np.float64)

    x, _ = minimise(rounded, np.full(5, 0.5), [ANY] * 5, rounds=10_000)
    assert rosenbrock(x)[0] < 1e-3
