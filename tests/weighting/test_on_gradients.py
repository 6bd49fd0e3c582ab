"""Methods on gradients that keep a state or draw, against closed forms and their own papers' behaviour."""

import numpy as np
import pytest
import torch
from problems import gradients, names, take, values
from torch import nn

from jointset.weighting import (
    DBMTL,
    MGDA,
    NTKMTL,
    NTKMTLSR,
    ExcessMTL,
    GradDrop,
    GradNorm,
    GradVac,
    MoCo,
    MoDo,
    PCGrad,
    backward,
)


def after(method, steps, jacobian, losses, tasks):
    """The last update and state of some equal steps."""
    state = method.init(tasks)
    for _ in range(steps):
        update, state = take(method, jacobian, losses, tasks, state)
    return update, state


def test_gradnorm_brings_gradients_to_one_length_while_tasks_keep_pace():
    jacobian = torch.diag(torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64))
    update, _ = after(GradNorm(), 300, jacobian, values(3), names(3))
    torch.testing.assert_close(update, update.mean().expand(3), rtol=0.06, atol=0.0)


def test_gradnorm_gives_more_to_the_slower_task():
    method, tasks = GradNorm(alpha=1.0), names(2)
    _, state = take(
        method, torch.eye(2).double(), torch.tensor([1.0, 1.0]).double(), tasks, method.init(tasks)
    )
    for _ in range(100):
        update, state = take(method, torch.eye(2).double(), torch.tensor([1.0, 0.4]).double(), tasks, state)
    assert update[0] / update[1] == pytest.approx(1 / 0.4, rel=0.1)


def test_pcgrad_on_two_tasks_has_a_closed_form():
    jacobian = torch.tensor([[1.0, 0.0], [-1.0, 1.0]], dtype=torch.float64)
    expected = jacobian.sum(0) + 0.5 * jacobian[1] + 1.0 * jacobian[0]  # −⟨a, b⟩/‖b‖² = ½, −⟨a, b⟩/‖a‖² = 1
    update, _ = after(PCGrad(), 1, jacobian, values(2), names(2))
    torch.testing.assert_close(update, expected)


def test_pcgrad_draws_other_orders_at_other_steps():
    tasks = names(6)
    jacobian = gradients(6, 4)
    one, state = after(PCGrad(), 1, jacobian, values(6), tasks)
    others = [
        take(PCGrad(), jacobian, values(6), tasks, {**state, "step": torch.tensor(s)})[0] for s in range(1, 5)
    ]
    assert any(not torch.allclose(one, other) for other in others)


def test_gradvac_reaches_its_target_cosine():
    """After enough equal steps the target is the cosine itself, and nothing is added any more."""
    jacobian = torch.tensor([[1.0, 0.0], [0.8, 0.6]], dtype=torch.float64)
    method, tasks = GradVac(beta=0.5), names(2)
    update, state = after(method, 60, jacobian, values(2), tasks)
    torch.testing.assert_close(update, jacobian.sum(0))
    worse = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    weights, _ = method.weigh(worse @ worse.T, values(2), tasks, state)
    turned = worse[0] + (weights[1] - 1) * worse[1]  # what became of the first gradient
    assert (turned[1] / turned.norm()).item() == pytest.approx(0.8)


def test_gradvac_keeps_targets_by_name_when_a_task_is_away():
    method, tasks = GradVac(), ["c", "a", "b"]
    _, state = take(method, gradients(3), values(3), tasks, method.init(tasks))
    _, later = take(method, gradients(2, seed=4), values(2), ["b", "c"], state)
    assert later["target.c"][0] == state["target.c"][0]  # towards a
    assert later["target.c"][1] != state["target.c"][1]  # towards b


def test_graddrop_keeps_a_sign_as_often_as_it_is_pure():
    jacobian = torch.stack([torch.full((20_000,), 3.0), torch.full((20_000,), -1.0)])
    update, _ = after(GradDrop(), 1, jacobian, values(2), names(2))
    assert set(update.tolist()) == {3.0, -1.0}
    assert (update > 0).double().mean().item() == pytest.approx(0.75, abs=0.02)
    update, _ = after(GradDrop(leak=dict.fromkeys(names(2), 1.0)), 1, jacobian, values(2), names(2))
    assert set(update.tolist()) == {2.0}


def test_moco_follows_the_mean_gradient_and_comes_to_the_multiple_gradient_weights():
    tasks, mean = names(2), torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    method = MoCo(normalize=False, beta=0.5, gamma=0.5, beta_decay=0.6, gamma_decay=0.3)
    state, rng = method.init(tasks), torch.Generator().manual_seed(0)
    for _ in range(600):
        noise = torch.randn(2, 2, generator=rng, dtype=torch.float64)
        update, state = method.combine(mean + noise, values(2), tasks, state)
    weights, _ = MGDA().weigh(mean @ mean.T, values(2), tasks, {})
    torch.testing.assert_close(update, weights @ mean, rtol=0.15, atol=0.1)


def test_db_mtl_averages_and_brings_to_one_length():
    method, tasks = DBMTL(beta=0.5, decay=1.0), names(2)
    jacobian, losses = torch.tensor([[1.0, 0.0], [0.0, 4.0]]).double(), torch.tensor([0.5, 8.0]).double()
    state = method.init(tasks)
    _, state = method.combine(jacobian, losses, tasks, state)
    torch.testing.assert_close(
        state[f"gradient.{tasks[0]}"], torch.tensor([1.0, 0.0]).double()
    )  # ½ · 1 / 0.5
    update, state = method.combine(jacobian, losses, tasks, state)
    torch.testing.assert_close(update, torch.tensor([1.75, 1.75]).double())  # ¼ · 1 + ¾ · 2


def test_excess_mtl_leaves_a_task_of_which_only_noise_is_left():
    """One task learns slowly; the other is done at once, though its loss stays high (He et al. 2024, section 3)."""
    tasks, rng, method = names(2), np.random.default_rng(0), ExcessMTL(rate=0.2)
    state = method.init(tasks)
    for step in range(200):
        slow = np.exp(-step / 2000) + 0.05 * rng.normal(size=8)
        noisy = np.exp(-step / 10) + 0.4 * rng.normal(size=8)
        jacobian = torch.from_numpy(np.stack([slow, noisy]))
        _, state = method.combine(jacobian, torch.tensor([0.2, 5.0]), tasks, state)
    assert state[f"share.{tasks[0]}"] > 0.8


def test_a_warm_up_of_excess_mtl_counts_as_even():
    method, tasks = ExcessMTL(warmup=3, rate=5.0), names(2)
    state = method.init(tasks)
    for step in range(3):
        _, state = method.combine(gradients(2, seed=step), values(2), tasks, state)
        assert state[f"share.{tasks[0]}"] == 0.5
    _, state = method.combine(gradients(2, seed=3), values(2), tasks, state)
    assert state[f"share.{tasks[0]}"] != 0.5


def test_two_batches_take_the_bias_out_of_modo():
    """Gradients (1, 0) and (0, 1) in noise that is larger for the first task; without noise the weights are even.

    The Gramian of a single batch has the variances on its diagonal, and its weights lean away from the noisy task.
    """
    tasks, mean, method = names(2), torch.eye(2, 20, dtype=torch.float64), MoDo(gamma=0.02, rho=0.0)
    spread = torch.tensor([[0.5], [0.05]], dtype=torch.float64)
    found = {}
    for batches in (1, 2):
        state, rng, sums = method.init(tasks), torch.Generator().manual_seed(1), torch.zeros(2).double()
        for step in range(1500):
            one = mean + spread * torch.randn(2, 20, generator=rng, dtype=torch.float64)
            two = mean + spread * torch.randn(2, 20, generator=rng, dtype=torch.float64)
            weights, state = method.weigh(one @ (one if batches == 1 else two).T, values(2), tasks, state)
            sums += weights if step >= 500 else 0.0
        found[batches] = (sums / 1000)[0].item()
    assert found[2] == pytest.approx(0.5, abs=0.05)
    assert found[1] == pytest.approx(1 / 7, abs=0.05)  # the diagonal is 1 + 20 · ¼ = 6 and 1.05
    assert method.samples == 2


def test_ntkmtl_sr_looks_at_the_features_and_ntkmtl_at_the_parameters():
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4), [nn.Linear(4, 1), nn.Linear(4, 1)]
    for method, way in ((NTKMTL(), "layers"), (NTKMTLSR(), "features")):
        z = trunk(torch.randn(5, 3))
        losses = [head(z).square().mean() for head in heads]
        squares = torch.stack(
            [torch.autograd.grad(loss, z, retain_graph=True)[0].square().sum() for loss in losses]
        )
        step = backward(losses, weighting=method, shared=trunk)
        assert step.way == way
        at_features = (squares.sum() / squares).sqrt().tolist()
        assert (list(step.weights.values()) == pytest.approx(at_features, rel=1e-4)) == (way == "features")


def test_mgda_divides_the_gradients_as_asked():
    jacobian = torch.diag(torch.tensor([1.0, 4.0], dtype=torch.float64))
    losses, tasks = torch.tensor([1.0, 2.0], dtype=torch.float64), names(2)
    gramian = jacobian @ jacobian.T
    for normalize, first in (("none", 16 / 17), ("l2", 0.5), ("loss", 4 / 5), ("loss+", 0.25 / 1.25)):
        weights, _ = MGDA(normalize=normalize).weigh(gramian, losses, tasks, {})
        assert weights[0].item() == pytest.approx(first, abs=1e-6)
