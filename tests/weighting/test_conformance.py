"""What holds for every weighting of the table."""

import copy
import math

import pytest
import torch
from problems import ON_GRADIENTS, ON_LOSSES, first, gradients, names, run, take, values

from jointset.errors import ArrayError
from jointset.options import WEIGHTINGS as OPTIONS
from jointset.weighting import WEIGHTINGS, GramianWeighting, JacobianWeighting, LossWeighting

ALL = list(WEIGHTINGS)
EPSILON = 1e-6

# With all gradients and losses times a, the first update is times a to this power.
POWER = {
    **dict.fromkeys(ALL, 1.0),
    "gls": 1.0,
    "si": 0.0,
    "stch": None,  # the smoothing has the scale of the losses
    "go4align": None,  # so has the rate
    "nash_mtl": 0.0,
    "fairgrad": 1 / 3 - 2 / 3,  # α = 2: w ~ a^(−2α/(1+α))
    "modo": None,  # so has the step
    "moco": None,  # and here
    "db_mtl": 0.0,
}
# With one task's gradient and loss times a, the first update keeps its direction.
DIRECTION_KEPT = {"gls", "si", "famo", "db_mtl", "nash_mtl", "imtl_g", "config", "ntkmtl", "ntkmtl_sr"}
# One task alone is trained as alone: its first update is its gradient times this.
ALONE = {
    **dict.fromkeys(ALL, lambda g, loss: 1.0),
    "si": lambda g, loss: 1 / loss,
    "nash_mtl": lambda g, loss: 1 / g,
    "fairgrad": lambda g, loss: g ** (-4 / 3),
    "cagrad": lambda g, loss: 1.5,
    "db_mtl": lambda g, loss: 0.1 / loss,  # 1 − beta: its average starts at zero
    "moco": lambda g, loss: 0.5 * loss / g,
}
# The update is zero if two gradients cancel out.
ZERO_IF_OPPOSED = {"mgda", "upgrad", "dualproj", "imtl_g", "config", "nash_mtl", "fairgrad", "aligned_mtl"}
LOGARITHMS = {"gls", "si", "famo", "go4align", "db_mtl"}


def test_every_method_is_declared_here_and_is_of_one_kind():
    assert set(POWER) == set(ALONE) == set(ALL) == set(OPTIONS) - {"auto"}
    for cls in WEIGHTINGS.values():
        kinds = (LossWeighting, GramianWeighting, JacobianWeighting)
        assert sum(issubclass(cls, kind) for kind in kinds) == 1


@pytest.mark.parametrize("name", ALL)
def test_a_step_gives_finite_tensors_of_the_right_shape_and_type(name):
    for dtype in (torch.float32, torch.float64):
        tasks, jacobian = names(5), gradients(5, dtype=dtype)
        update = first(name, jacobian, values(5).to(dtype), tasks)
        assert update.shape == (12,) and update.dtype == dtype
        assert torch.isfinite(update).all()
        assert update.norm() > 0


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_the_tasks_does_not_matter(name):
    tasks, jacobian, losses = names(6), gradients(6), values(6)
    turn = [3, 5, 0, 1, 4, 2]
    turned = first(name, jacobian[turn], losses[turn], [tasks[i] for i in turn])
    torch.testing.assert_close(turned, first(name, jacobian, losses, tasks), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_the_order_does_not_matter_after_some_steps_either(name):
    tasks, turn = names(4), [2, 0, 3, 1]
    method = WEIGHTINGS[name]()
    states = [method.init(tasks), method.init([tasks[i] for i in turn])]
    for step in range(5):
        jacobian, losses = gradients(4, seed=step), values(4, step)
        one, states[0] = take(method, jacobian, losses, tasks, states[0])
        two, states[1] = take(method, jacobian[turn], losses[turn], [tasks[i] for i in turn], states[1])
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-2, 30.0])
@pytest.mark.parametrize("name", [n for n in ALL if POWER[n] is not None])
def test_the_common_scale_acts_as_declared(name, scale):
    tasks, jacobian, losses = names(4), gradients(4), values(4)
    scaled = first(name, scale * jacobian, scale * losses, tasks)
    expected = scale ** POWER[name] * first(name, jacobian, losses, tasks)
    torch.testing.assert_close(scaled, expected, rtol=2e-4, atol=1e-5 * float(expected.norm()))


@pytest.mark.parametrize("name", [n for n in ALL if n != "go4align"])  # it depends on the groups
def test_the_scale_of_one_task_turns_the_update_unless_declared(name):
    tasks, jacobian, losses = names(3), gradients(3), values(3)
    factor = torch.tensor([1.0, 20.0, 1.0], dtype=torch.float64)
    before = first(name, jacobian, losses, tasks)
    after = first(name, factor[:, None] * jacobian, factor * losses, tasks)
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=0).item()
    assert (cosine > 1 - 1e-6) == (name in DIRECTION_KEPT), cosine


@pytest.mark.parametrize("name", ALL)
def test_one_task_is_trained_as_alone(name):
    jacobian, losses = gradients(1), values(1)
    update = first(name, jacobian, losses, ["a"])
    factor = ALONE[name](jacobian.norm().item(), losses.item())
    torch.testing.assert_close(update, factor * jacobian[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("rlw", "stch")])
def test_identical_tasks_are_weighed_alike(name):
    """The update is along their gradient, and the weights are equal."""
    jacobian, losses = gradients(1).repeat(4, 1), values(1).repeat(4)
    update = first(name, jacobian, losses, names(4))
    cosine = torch.nn.functional.cosine_similarity(update, jacobian[0], dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-6)
    method = WEIGHTINGS[name]()
    if isinstance(method, GramianWeighting) and name not in ("pcgrad", "gradvac"):
        weights, _ = method.weigh(jacobian @ jacobian.T, losses, names(4), method.init(names(4)))
        torch.testing.assert_close(weights, weights[:1].expand(4), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_a_zero_gradient_that_comes_in_leaves_the_others_finite_and_moving(name, dtype):
    tasks, jacobian, losses = names(4), gradients(4, dtype=dtype), values(4).to(dtype)
    jacobian[2] = 0.0
    method = WEIGHTINGS[name]()
    state = method.init(tasks)
    for _ in range(4):
        update, state = take(method, jacobian, losses, tasks, state)
        assert torch.isfinite(update).all() and update.norm() > 0
        assert all(torch.isfinite(t.double()).all() for t in state.values())
    assert torch.isfinite(first(name, 0 * jacobian, losses, tasks)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_opposed_gradients_give_no_nan(name, dtype):
    row = gradients(1, dtype=dtype)
    for jacobian in (torch.cat([row, -row]), torch.cat([row, -3 * row, 0.5 * row])):
        k = len(jacobian)
        method = WEIGHTINGS[name]()
        state = method.init(names(k))
        for _ in range(3):
            update, state = take(method, jacobian, values(k).to(dtype), names(k), state)
            assert torch.isfinite(update).all()
        if k == 2 and name in ZERO_IF_OPPOSED:
            assert update.norm() < 0.02 * row.norm()


@pytest.mark.parametrize("name", ON_LOSSES)
def test_extreme_losses_give_no_nan(name):
    for losses in ([0.0, 1.0], [1e-30, 1e30], [0.0, 0.0]):
        method = WEIGHTINGS[name]()
        state = method.init(names(2))
        given = torch.tensor(losses, dtype=torch.float64)
        for _ in range(3):
            update, state = take(method, torch.eye(2, dtype=torch.float64), given, names(2), state)
            assert torch.isfinite(update).all()
            assert all(torch.isfinite(t.double()).all() for t in state.values())


@pytest.mark.parametrize("name", ALL)
def test_a_negative_loss_is_an_error_where_logarithms_are_taken_and_finite_elsewhere(name):
    losses = torch.tensor([0.5, -1.0], dtype=torch.float64)
    if name in LOGARITHMS:
        with pytest.raises(
            ArrayError, match=f"{name}: the loss of task 't10' is -1, and {name} takes its log"
        ):
            first(name, gradients(2), losses, names(2))
    else:
        assert torch.isfinite(first(name, gradients(2), losses, names(2))).all()


@pytest.mark.parametrize("name", ALL)
def test_a_missing_task_keeps_its_state_and_the_others_go_on(name):
    tasks, method = names(4), WEIGHTINGS[name]()
    *_, before = run(method, 2, tasks, method.init(tasks))
    kept = copy.deepcopy(before)
    present = [t for i, t in enumerate(tasks) if i != 1]
    *updates, after = run(method, 3, present, before, start=2)
    assert all(torch.isfinite(u).all() for u in updates)
    for key, entry in kept.items():
        if key.endswith(f".{tasks[1]}"):
            assert torch.equal(after[key], entry)
    *updates, _ = run(method, 2, tasks, after, start=5)
    assert all(torch.isfinite(u).all() for u in updates)


@pytest.mark.parametrize("name", ALL)
def test_a_task_that_comes_late_is_taken_in(name):
    tasks, method = names(3), WEIGHTINGS[name]()
    *_, state = run(method, 3, tasks[:2], method.init(tasks))
    *updates, state = run(method, 3, tasks, state, start=3)
    assert all(torch.isfinite(u).all() and u.norm() > 0 for u in updates)


@pytest.mark.parametrize("name", ALL)
def test_the_same_run_gives_the_same_updates_and_writes_into_no_state(name):
    tasks, method = names(4), WEIGHTINGS[name]()
    start = method.init(tasks)
    kept = {k: t.clone() for k, t in start.items()}
    one, two = (run(method, 4, tasks, start)[:-1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert all(torch.equal(start[k], kept[k]) for k in kept)


@pytest.mark.parametrize("name", ALL)
def test_a_run_that_is_saved_and_taken_up_again_ends_the_same(name, tmp_path):
    tasks = names(4)
    method = WEIGHTINGS[name]()
    *whole, _ = run(method, 8, tasks, method.init(tasks))
    *_, state = run(method, 4, tasks, method.init(tasks))
    torch.save({k: t.detach() for k, t in sorted(state.items())}, tmp_path / "state")
    loaded = {k: t.requires_grad_(state[k].requires_grad) for k, t in torch.load(tmp_path / "state").items()}
    *rest, _ = run(WEIGHTINGS[name](), 4, tasks, loaded, start=4)
    for a, b in zip(whole[4:], rest, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ALL)
def test_states_are_fresh_tensors_named_by_task(name):
    tasks = names(3)
    one, two = WEIGHTINGS[name]().init(tasks), WEIGHTINGS[name]().init(tasks)
    assert one.keys() == two.keys() and all(one[k] is not two[k] for k in one)
    assert all(
        isinstance(t, torch.Tensor) and (k == "step" or k.split(".")[1] in tasks) for k, t in one.items()
    )


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_and_nothing_draws_from_the_global_generator(name):
    tasks = names(6)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = first(name, gradients(6, 6), values(6), tasks)
    assert torch.equal(torch.get_rng_state(), before)
    if "seed" in OPTIONS[name].split():
        other = [first(name, gradients(6, 6), values(6), tasks, seed=s) for s in range(1, 5)]
        assert any(not torch.equal(one, o) for o in other)


@pytest.mark.parametrize("name", ALL)
def test_many_tasks_are_fine(name):
    update = first(name, gradients(60, 40, dtype=torch.float32), values(60).float(), names(60))
    assert torch.isfinite(update).all() and math.isfinite(update.norm().item())
