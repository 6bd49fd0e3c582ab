"""Methods on losses against closed forms and their own papers' behaviour; golden values of peers are elsewhere."""

import math

import numpy as np
import pytest
import torch

from jointset.weighting import DWA, FAMO, GLS, IMTLL, RLW, SI, STCH, Equal, Fixed, GO4Align, Uncertainty

NAMES = ["a", "b", "c"]


def losses(*values):
    return {
        n: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for n, v in zip(NAMES, values, strict=False)
    }


def weights(method, given, state):
    """What a step hands to each loss, and the next state."""
    total, state = method.step(given, state)
    total.backward()
    return [loss.grad.item() for loss in given.values()], state


def test_equal_is_the_sum_and_fixed_the_weighted_sum():
    assert Equal().step(losses(1.0, 2.0, 4.0), {})[0].item() == 7.0
    assert Fixed({"a": 2.0, "c": 0.5}).step(losses(1.0, 2.0, 4.0), {})[0].item() == 6.0
    assert weights(Fixed({"a": 0.0}), losses(1.0, 2.0), {})[0] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("method", "settles"),
    [
        (Uncertainty(), lambda loss: 1 / (2 * loss)),
        (Uncertainty(squared=NAMES), lambda loss: 1 / (2 * loss)),
        (IMTLL(), lambda loss: 1 / loss),
    ],
)
def test_learnt_weights_settle_where_the_closed_form_says(method, settles):
    """At the minimum in s: exp(−s) = 1 / 2L, exp(−s) / 2 = 1 / 2L for whole squares, exp(s) = 1 / L."""
    state = method.init(NAMES[:2])
    optimizer = torch.optim.SGD(state.values(), lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        method.step(losses(0.5, 4.0), state)[0].backward()
        optimizer.step()
    found, _ = weights(method, losses(0.5, 4.0), state)
    assert found == pytest.approx([settles(0.5), settles(4.0)], rel=1e-4)


def test_an_absent_task_moves_no_learnt_weight():
    method = Uncertainty()
    state = method.init(NAMES)
    method.step(losses(1.0, 2.0), state)[0].backward()
    assert state["log_variance.c"].grad is None or state["log_variance.c"].grad.item() == 0


def test_dwa_weighs_by_the_rates_of_two_windows():
    method = DWA(window=2, temperature=2.0)
    state = method.init(NAMES[:2])
    for _ in range(2):
        found, state = weights(method, losses(1.0, 4.0), state)
    for _ in range(2):
        assert found == [1.0, 1.0]
        found, state = weights(method, losses(0.5, 4.0), state)
    found, state = weights(method, losses(0.5, 4.0), state)
    shares = np.exp([0.25, 0.5])
    assert found == pytest.approx(list(2 * shares / shares.sum()))


def test_dwa_counts_the_window_of_a_rare_task_by_its_own_steps():
    method = DWA(window=2)
    state = method.init(NAMES[:2])
    for _ in range(4):
        _, state = method.step({"a": torch.tensor(1.0)}, state)
    assert state["last.a"].item() == 1.0 and state["steps.b"].item() == 0.0


def test_rlw_draws_a_softmax_of_normals():
    method, state, drawn = RLW(seed=3), RLW(seed=3).init(NAMES), []
    for _ in range(300):
        found, state = weights(method, losses(1.0, 1.0, 1.0), state)
        drawn.append(np.log(found))
        assert sum(found) == pytest.approx(1.0)
    apart = np.diff(np.array(drawn), axis=1)
    assert abs(apart.mean()) < 0.15 and apart.std() == pytest.approx(math.sqrt(2), rel=0.1)


def test_gls_and_si_weigh_by_the_inverse_loss():
    assert weights(GLS(), losses(1.0, 4.0), {})[0] == pytest.approx([1.0, 0.25], rel=1e-6)
    assert weights(SI(), losses(1.0, 4.0), {})[0] == pytest.approx([1.0, 0.25], rel=1e-6)


def test_a_smaller_mu_brings_stch_to_the_largest_loss():
    for mu, least in ((1.0, 0.0), (0.1, 0.99), (0.01, 1.0 - 1e-9)):
        found, _ = weights(STCH(mu=mu, weights=dict.fromkeys(NAMES, 3.0)), losses(1.0, 2.0, 1.5), {})
        assert sum(found) == pytest.approx(1.0) and found[1] > least


def test_stch_with_a_nadir_compares_ratios_to_the_first_losses():
    method = STCH(mu=0.01, nadir=2)
    state = method.init(NAMES[:2])
    for first in ((1.0, 10.0), (3.0, 30.0)):  # nadir 2 and 20
        found, state = weights(method, losses(*first), state)
        assert found == pytest.approx([1 / first[0], 1 / first[1]])
    found, state = weights(method, losses(1.0, 16.0), state)  # ratios .5 and .8: the second is worse off
    assert found == pytest.approx([0.0, 2 / 16.0], abs=1e-6)
    assert state["sum.a"].item() == 4.0


def famo_run(same_batch):
    """Two quadratics of unlike curvature on one batch; the logits after some steps."""
    theta = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
    method = FAMO(lr=0.1)
    state = method.init(NAMES[:2])

    def given():
        return {"a": theta[0] ** 2 + 0.01, "b": 20 * theta[1] ** 2 + 0.2 * theta[0] ** 2 + 0.1}

    for _ in range(40):
        total, state = method.step(given(), state)
        (slope,) = torch.autograd.grad(total, theta)
        with torch.no_grad():
            theta -= 0.02 * slope
        if same_batch:
            state = method.update(given(), state)
    return (
        [state[f"logit.{name}"].item() for name in "ab"]
        if same_batch
        else [method.update(given(), state)[f"logit.{name}"].item() for name in "ab"]
    )


def test_famo_learns_the_same_from_the_next_step_as_from_the_same_batch():
    """On one batch, the losses of the next step are the losses after the step."""
    assert famo_run(False) == pytest.approx(famo_run(True), rel=1e-9)
    assert famo_run(True)[0] != pytest.approx(0.0, abs=0.01)


def test_famo_learns_once_a_step_if_it_is_told_the_losses_after_it():
    method = FAMO()
    _, state = method.step(losses(1.0, 1.0), method.init(NAMES[:2]))
    told = method.update(losses(0.5, 0.9), state)
    assert told["logit.a"] < 0 < told["logit.b"]
    _, again = method.step(losses(9.0, 0.1), told)
    assert all(again[k] == told[k] for k in told if k.startswith(("logit", "updates")))


def test_famo_takes_minima_off():
    found, _ = weights(FAMO(minimum={"b": -1.0}), losses(1.0, 0.0), FAMO().init(NAMES[:2]))
    assert found == pytest.approx([0.5, 0.5], rel=1e-6)


def test_go4align_gives_one_weight_to_each_group():
    method = GO4Align(groups=2)
    given = losses(1.0, 1.1, 40.0)
    found, state = weights(method, given, method.init(NAMES))
    assert found[0] == found[1] > found[2]
    assert sum(w * loss for w, loss in zip(found, (1.0, 1.1, 40.0), strict=True)) == pytest.approx(
        42.1, rel=0.01
    )
    assert state["log_share.c"] < state["log_share.a"]
