"""Methods derived for the gradients of two batches, out of two or out of the halves of one."""

import pytest
import torch
from gramian_cases import Case, K, error, flat, grads, learnt

from jointset.errors import ArrayError
from jointset.weighting import Equal, GramianWeighting, MoDo, SDMGrad, UPGrad, backward

NAMES = [f"t{k}" for k in range(K)]


class Seen(GramianWeighting):
    """Keeps what it was given."""

    samples = 2

    def init(self, tasks):
        return {}

    def weigh(self, gramian, losses, tasks, state):
        self.gramian, self.losses, self.tasks = gramian, losses, list(tasks)
        return torch.arange(1, len(tasks) + 1).to(gramian), state


def halves(case):
    """The losses on even and on odd rows."""
    found = []
    whole = case.rows
    for start in (0, 1):
        case.rows = whole.clone()
        case.rows[:, 1 - start :: 2] = False
        found.append(case.losses())
    case.rows = whole
    return found


def jacobian(case, losses, parameters):
    return torch.stack([flat(grads(loss, parameters), parameters) for loss in losses.values()])


@pytest.mark.parametrize("way", ["auto", "layers", "rows", "features"])
@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_the_method_sees_one_batch_against_the_other_and_the_step_is_that_of_both(name, way):
    case, method = Case(name), Seen()
    trunk, heads = learnt(case.trunk), learnt(case.heads)
    one, two = (jacobian(case, part, trunk) for part in halves(case))
    own = sum(jacobian(case, part, heads).sum(0) for part in halves(case)) / 2
    first, second = halves(case)
    step = case.step(first, method, second=second, way=way)
    assert step.weights == dict(zip(NAMES, [1.0, 2.0, 3.0, 4.0], strict=True)) and not step.absent
    if way != "features":
        torch.testing.assert_close(method.gramian, one @ two.T, rtol=1e-3, atol=1e-6)
        both = (one + two) / 2
        torch.testing.assert_close(step.gramian, both @ both.T, rtol=1e-3, atol=1e-6)
    wanted = torch.arange(1.0, K + 1) @ (one + two) / 2
    assert error(case.found(), wanted.double()) < 1e-4
    assert error(flat([p.grad for p in heads], heads), own.double()) < 1e-4
    means = torch.stack([(first[n] + second[n]).detach() / 2 for n in NAMES])
    torch.testing.assert_close(method.losses, means)


def test_a_task_in_one_batch_alone_counts_as_the_same_in_both():
    case, method = Case("mlp"), Seen()
    first, second = halves(case)
    del second["t1"]
    first["t2"] = first["t2"] * float("nan")
    second["t3"] = (second["t3"] * 0.0).sqrt()
    step = case.step(first, method, second=second)
    assert set(step.weights) == {"t0", "t1", "t2"} and step.absent == {"t3": "the gradient is not finite"}
    first, second = halves(case)
    trunk = learnt(case.trunk)
    place = method.tasks.index("t1"), method.tasks.index("t2")
    once = jacobian(case, {"t1": first["t1"], "t2": second["t2"]}, trunk).square().sum(1)
    torch.testing.assert_close(method.gramian.diagonal()[list(place)], once, rtol=1e-3, atol=1e-6)
    assert bool(case.found().isfinite().all())
    assert case.step({}, method, second={"t0": None}).absent == {"t0": "no loss"}


@pytest.mark.parametrize("method", [MoDo(), SDMGrad()])
def test_methods_of_two_batches_train_on_halves(method):
    case = Case("mlp")
    optimizer = torch.optim.Adam([*case.trunk.parameters(), *case.heads.parameters()], 1e-2)
    state, before = method.init(NAMES), sum(case.losses().values()).item()
    for _ in range(20):
        first, second = halves(case)
        state = case.step(first, method, second=second, state=state).state
        optimizer.step()
    assert sum(case.losses().values()).item() < before - 0.3


@pytest.mark.parametrize("method", [Equal(), UPGrad()])
def test_a_second_batch_is_refused_where_one_is_seen(method):
    case = Case("mlp")
    with pytest.raises(ArrayError, match=r"takes one batch; second is for methods of two, such as MoDo"):
        backward(case.losses(), weighting=method, shared=case.trunk, second=case.losses())
