"""Every weighting keeps the contract; golden values from closed forms."""

import math

import pytest
import torch

from jointset.weighting import WEIGHTINGS, Equal, Fixed, LossWeighting, Uncertainty

NAMES = ["a", "b", "c"]


def make(name) -> LossWeighting:
    return Fixed({"a": 2.0, "c": 0.5}) if name == "fixed" else WEIGHTINGS[name]()


@pytest.fixture(params=["equal", "fixed", "uncertainty"])
def weighting(request):
    return make(request.param)


def losses(*values):
    return {n: torch.tensor(v, requires_grad=True) for n, v in zip(NAMES, values, strict=False)}


def gradients(weighting, given, names=NAMES):
    """What a step hands to each loss."""
    total, _ = weighting.step(given, weighting.init(names))
    total.backward()
    return {n: loss.grad.item() for n, loss in given.items()}


def test_a_step_gives_a_scalar_that_every_loss_moves(weighting):
    given = losses(1.0, 2.0, 3.0)
    total, state = weighting.step(given, weighting.init(NAMES))
    assert total.shape == ()
    assert isinstance(state, dict)
    total.backward()
    assert all(loss.grad > 0 for loss in given.values())


def test_the_order_of_tasks_does_not_matter(weighting):
    given = losses(1.0, 2.0, 3.0)
    first, _ = weighting.step(given, weighting.init(NAMES))
    turned, _ = weighting.step(dict(reversed(given.items())), weighting.init(NAMES[::-1]))
    torch.testing.assert_close(first, turned)


def test_one_task_is_enough(weighting):
    total, _ = weighting.step(losses(1.5), weighting.init(["a"]))
    expected = 3.0 if isinstance(weighting, Fixed) else 1.5
    assert total.item() == pytest.approx(expected)


def test_an_absent_task_leaves_the_others_alone(weighting):
    both, alone = losses(1.0, 2.0), {"b": losses(1.0, 2.0)["b"]}
    assert gradients(weighting, both)["b"] == gradients(weighting, alone)["b"]


def test_an_absent_task_does_not_move_its_state(weighting):
    state = weighting.init(NAMES)
    total, state = weighting.step(losses(1.0, 2.0), state)
    total.backward()
    absent = [t for k, t in state.items() if k.endswith(".c")]
    assert all(t.grad is None or t.grad.item() == 0 for t in absent)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_the_weights_of_a_first_step_do_not_depend_on_scale(weighting, scale):
    assert gradients(weighting, losses(1.0, 2.0, 3.0)) == gradients(
        weighting, losses(scale, 2 * scale, 3 * scale)
    )


def test_states_are_fresh_and_made_of_tensors(weighting):
    first, second = weighting.init(NAMES), weighting.init(NAMES)
    assert all(isinstance(t, torch.Tensor) for t in first.values())
    assert all(first[k] is not second[k] for k in first)
    assert first.keys() == second.keys()


def test_equal_is_the_sum_and_fixed_the_weighted_sum():
    assert Equal().step(losses(1.0, 2.0, 4.0), {})[0].item() == 7.0
    assert Fixed({"a": 2.0, "c": 0.5}).step(losses(1.0, 2.0, 4.0), {})[0].item() == 6.0
    assert gradients(Fixed({"a": 0.0}), losses(1.0, 2.0)) == {"a": 0.0, "b": 1.0}


def test_uncertainty_settles_where_the_closed_form_says():
    """The minimum of exp(-s) L + s / 2 is at s = log 2L, where the task weighs 1 / 2L."""
    weighting, values = Uncertainty(), {"a": 0.5, "b": 4.0}
    state = weighting.init(["a", "b"])
    optimizer = torch.optim.SGD(state.values(), lr=0.2)
    for _ in range(400):
        optimizer.zero_grad()
        total, state = weighting.step({n: torch.tensor(v) for n, v in values.items()}, state)
        total.backward()
        optimizer.step()
    for name, value in values.items():
        assert state[f"log_variance.{name}"].item() == pytest.approx(math.log(2 * value), abs=1e-4)
