"""What the papers prove of their methods, on random gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import first, gradients, names, values
from scipy.optimize import minimize

from jointset.weighting import WEIGHTINGS, DualProj, NashMTL, UPGrad


def some(*strategies):
    """Given, a few times: the methods are called often enough."""
    return lambda test: settings(max_examples=15)(given(*strategies)(test))


SEEDS = st.integers(0, 10**6)
TASKS = st.integers(2, 7)


def rows(k, p, seed, spread=1.0):
    """Gradients (k, p) without a common part, of lengths that differ by factors of e."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(k, p)) * np.exp(spread * rng.normal(size=(k, 1))))


def gains(update, jacobian):
    """⟨d, g_i⟩ / ‖g_i‖, (k,), and their size."""
    return (jacobian @ update) / jacobian.norm(dim=1)


@pytest.mark.parametrize("name", ["mgda", "upgrad", "dualproj", "nash_mtl", "fairgrad", "imtl_g", "config"])
@some(TASKS, SEEDS)
def test_no_task_loses(name, k, seed):
    jacobian = rows(k, 9, seed)
    update = first(name, jacobian, values(k), names(k))
    assert gains(update, jacobian).min() > -1e-6 * max(update.norm(), jacobian.norm())


@pytest.mark.parametrize("name", ["mgda", "upgrad", "dualproj"])
@some(TASKS, SEEDS)
def test_no_task_loses_with_more_tasks_than_dimensions(name, k, seed):
    jacobian = rows(k, 2, seed, spread=0.3)
    update = first(name, jacobian, values(k), names(k))
    assert gains(update, jacobian).min() > -1e-4 * jacobian.norm()


@pytest.mark.parametrize("name", ["upgrad", "dualproj", "pcgrad"])
@some(TASKS, SEEDS)
def test_without_conflict_it_is_the_mean_or_the_sum(name, k, seed):
    jacobian = rows(k, 9, seed).abs()
    mean = jacobian.mean(0) * (k if name == "pcgrad" else 1)
    torch.testing.assert_close(first(name, jacobian, values(k), names(k)), mean)


@some(TASKS, SEEDS, st.floats(0.05, 20.0))
def test_upgrad_grows_with_each_gradient_and_dualproj_does_not(k, seed, factor):
    """Linear under scaling (Quinton & Rey 2024, definition 3): scaling a row scales its own part of the update."""
    jacobian = rows(k, 9, seed)
    one = torch.ones(k, dtype=torch.float64)

    def update(scale):
        return first("upgrad", scale[:, None] * jacobian, values(k), names(k))

    only = one.clone()
    only[0] = factor
    twice = one.clone()
    twice[0] = 2 * factor
    zero = 2 * update(only) - update(twice)  # the part of the others
    torch.testing.assert_close(
        update(one), zero + (update(only) - zero) / factor, rtol=1e-5, atol=1e-5 * float(jacobian.norm())
    )


@some(TASKS, SEEDS)
def test_upgrad_is_the_mean_of_projections_and_dualproj_the_projection_of_the_mean(k, seed):
    jacobian = rows(k, 9, seed, 0.5)
    parts = [project(g, jacobian) for g in jacobian]
    torch.testing.assert_close(
        first("upgrad", jacobian, values(k), names(k)), torch.stack(parts).mean(0), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        first("dualproj", jacobian, values(k), names(k)),
        project(jacobian.mean(0), jacobian),
        rtol=1e-4,
        atol=1e-5,
    )


def project(vector, jacobian):
    """The nearest vector that conflicts with no row, by scipy: v + Jᵀx with x ≥ 0 least."""
    from scipy.optimize import nnls

    x, _ = nnls(jacobian.T.numpy(), -vector.numpy())
    return vector + torch.from_numpy(x) @ jacobian


@some(TASKS, SEEDS)
def test_preferences_weigh_the_parts(k, seed):
    jacobian = rows(k, 9, seed, 0.5)
    gramian = jacobian @ jacobian.T
    weights = dict(zip(names(k), np.linspace(0.0, 2.0, k), strict=True))
    for cls in (UPGrad, DualProj):
        plain, _ = cls(weights=dict.fromkeys(names(k), 3.0)).weigh(gramian, values(k), names(k), {})
        torch.testing.assert_close(
            plain, 3 * cls().weigh(gramian, values(k), names(k), {})[0], rtol=1e-6, atol=1e-9
        )
        turned, _ = cls(weights=weights).weigh(gramian, values(k), names(k), {})
        assert gains(turned @ jacobian, jacobian).min() > -1e-6 * jacobian.norm()


@some(TASKS, SEEDS)
def test_nash_mtl_solves_its_equation(k, seed):
    jacobian = rows(k, 40, seed)
    gramian = jacobian @ jacobian.T
    weights, _ = NashMTL().weigh(gramian, values(k), names(k), {})
    torch.testing.assert_close(gramian @ weights, 1 / weights, rtol=1e-4, atol=0.0)
    assert (weights @ gramian @ weights).sqrt().item() == pytest.approx(k**0.5, rel=1e-4)
    short, _ = NashMTL(max_norm=0.5).weigh(gramian, values(k), names(k), {})
    assert (short @ gramian @ short).sqrt().item() == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 4.0])
@some(TASKS, SEEDS)
def test_fairgrad_solves_its_equation(alpha, k, seed):
    jacobian = rows(k, 40, seed)
    gramian = jacobian @ jacobian.T
    weights, _ = WEIGHTINGS["fairgrad"](alpha=alpha).weigh(gramian, values(k), names(k), {})
    product = (gramian @ weights) * weights ** (1 / alpha)
    torch.testing.assert_close(product, torch.ones(k).double(), rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("name", ["imtl_g", "config"])
@some(TASKS, SEEDS)
def test_all_projections_are_equal(name, k, seed):
    jacobian = rows(k, 12, seed)
    found = gains(first(name, jacobian, values(k), names(k)), jacobian)
    torch.testing.assert_close(found, found.mean().expand(k), rtol=1e-6, atol=1e-9)


@some(TASKS, SEEDS)
def test_config_is_as_long_as_the_gains_and_imtl_g_sums_to_one(k, seed):
    jacobian = rows(k, 12, seed)
    update = first("config", jacobian, values(k), names(k))
    assert update.norm().item() == pytest.approx((jacobian @ update / update.norm()).sum().item(), rel=1e-6)
    weights, _ = WEIGHTINGS["imtl_g"]().weigh(jacobian @ jacobian.T, values(k), names(k), {})
    assert abs(weights.sum().item()) <= 1 + 1e-9 and weights.abs().sum() <= 10 + 1e-6


@some(TASKS, SEEDS, st.sampled_from([0.1, 0.5, 1.0, 3.0]))
def test_cagrad_gains_the_most_within_its_ball(k, seed, c):
    jacobian = rows(k, 5, seed, 0.5)
    mean = jacobian.mean(0)
    update = first("cagrad", jacobian, values(k), names(k), c=c)
    assert (update - mean).norm() <= c * mean.norm() * (1 + 1e-5)
    gram, toward = (jacobian @ jacobian.T).numpy(), (jacobian @ mean).numpy()
    radius = c * mean.norm().item()

    def value(w):
        return w @ toward + radius * np.sqrt(max(w @ gram @ w, 0.0) + 1e-18)

    bound = min(
        value(np.maximum(w, 0) / np.maximum(w, 0).sum())
        for w in [np.full(k, 1 / k), *np.eye(k), *np.random.default_rng(seed).dirichlet(np.ones(k), 50)]
    )
    assert (jacobian @ update).min().item() <= bound + 1e-6
    dual = minimize(
        value,
        np.full(k, 1 / k),
        bounds=[(0, 1)] * k,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    assert (jacobian @ update).min().item() >= dual.fun - 1e-4 * max(1.0, abs(dual.fun))


@some(TASKS, SEEDS)
def test_aligned_gradients_are_orthogonal_and_of_one_length(k, seed):
    jacobian = rows(k, 12, seed, 0.3)
    gramian = jacobian @ jacobian.T
    method = WEIGHTINGS["aligned_mtl"]
    balance = torch.stack(
        [
            method(weights={n: k * float(n == t) for n in names(k)}).weigh(gramian, values(k), names(k), {})[
                0
            ]
            for t in names(k)
        ]
    )
    least = torch.linalg.eigvalsh(gramian)[0]
    torch.testing.assert_close(
        balance @ gramian @ balance.T, least * torch.eye(k).double(), rtol=1e-5, atol=1e-7
    )


@some(TASKS, SEEDS)
def test_pcgrad_on_two_tasks_conflicts_with_neither(k, seed):
    jacobian = rows(2, 6, seed)
    update = first("pcgrad", jacobian, values(2), names(2))
    assert gains(update, jacobian).min() > -1e-9


@some(TASKS, SEEDS)
def test_ntkmtl_brings_gradients_to_one_length(k, seed):
    jacobian = rows(k, 6, seed)
    weights, _ = WEIGHTINGS["ntkmtl"]().weigh(jacobian @ jacobian.T, values(k), names(k), {})
    torch.testing.assert_close(weights * jacobian.norm(dim=1), jacobian.norm().expand(k))


@pytest.mark.parametrize("name", ["mgda", "gradnorm", "modo", "sdmgrad", "rlw", "excess_mtl"])
def test_weights_that_sum_to_a_constant_do(name):
    """On orthogonal gradients of length 1, Σ of the update is the sum of the weights."""
    k = 5
    total = first(name, torch.eye(k, dtype=torch.float64), values(k), names(k)).sum().item()
    assert total == pytest.approx(k if name == "gradnorm" else 1.0)


def test_the_same_gradients_in_float32_give_the_same_weights_within_its_rounding():
    jacobian = gradients(6, 40)
    for name in (
        "mgda",
        "upgrad",
        "dualproj",
        "cagrad",
        "nash_mtl",
        "fairgrad",
        "imtl_g",
        "config",
        "aligned_mtl",
    ):
        double = first(name, jacobian, values(6), names(6))
        single = first(name, jacobian.float(), values(6).float(), names(6))
        torch.testing.assert_close(single.double(), double, rtol=2e-3, atol=2e-4)
