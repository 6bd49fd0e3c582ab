"""All tasks in one vectorised pass give what a pass a task gives, and passes are made apart where they have to be."""

import pytest
import torch
from gramian_cases import MODELS, Case, Given, error
from torch import nn

from jointset.weighting import backward
from jointset.weighting.gramian import layers
from jointset.weighting.gramian.passes import FromBoundary


class Counted:
    """Passes as they are asked for: those of single tasks, and those of all that came about."""

    def __init__(self, monkeypatch):
        self.single = self.all = 0
        run, run_all = FromBoundary.run, FromBoundary.run_all

        def counted(passes, *given, **named):
            self.single += 1
            return run(passes, *given, **named)

        def counted_all(passes, *given):
            found = run_all(passes, *given)
            self.all += found is not None
            return found

        monkeypatch.setattr(FromBoundary, "run", counted)
        monkeypatch.setattr(FromBoundary, "run_all", counted_all)


@pytest.fixture
def counted(monkeypatch):
    return Counted(monkeypatch)


@pytest.mark.parametrize("name", MODELS)
def test_both_ways_give_the_same(name, monkeypatch, counted):
    found = []
    for small in (1 << 30, 0):
        monkeypatch.setattr(layers, "SMALL", small)
        case = Case(name)
        step = case.step(way="layers")
        found.append((step.gramian, case.found()))
    assert error(found[0][0], found[1][0]) < 1e-6
    assert error(found[0][1], found[1][1]) < 1e-6
    assert counted.single == len(step.weights)
    assert counted.all == 1


def test_large_layers_are_passed_task_by_task(monkeypatch, counted):
    case = Case("mlp")
    monkeypatch.setattr(layers, "SMALL", 100)
    case.step(way="layers")
    assert (counted.all, counted.single) == (0, len(case.losses()))


def columns(tasks=12, reach=1):
    """Networks of tasks that hear ``reach`` of each other: most of what one pass would carry is zero."""
    torch.manual_seed(0)
    trunks, heads = ([nn.Linear(4, 4) for _ in range(tasks)] for _ in range(2))
    x = torch.randn(6, 4)
    seen = [trunk(x).tanh() for trunk in trunks]
    losses = [
        head(sum(seen[(k + j) % tasks] for j in range(reach))).square().mean() for k, head in enumerate(heads)
    ]
    return losses, trunks


@pytest.mark.parametrize(("reach", "at_once"), [(2, 0), (4, 1)])
def test_tasks_that_enter_at_few_places_are_passed_one_by_one(reach, at_once, counted):
    losses, trunks = columns(reach=reach)
    step = backward(losses, weighting=Given(), shared=trunks)
    assert counted.all == at_once
    assert counted.single == (0 if at_once else len(losses))
    assert step.gramian.shape == (12, 12)


class Stubborn(torch.autograd.Function):
    """Its backward pass asks for a value, which a vectorised pass does not have."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2 if float(grad.abs().sum()) >= 0 else grad


def test_what_cannot_be_vectorised_is_tried_once(counted):
    torch.manual_seed(0)
    trunk, heads = nn.Linear(4, 4), [nn.Linear(4, 1) for _ in range(3)]
    state = None
    for _ in range(2):
        z = Stubborn.apply(trunk(torch.randn(6, 4)).tanh())
        step = backward([h(z).square().mean() for h in heads], weighting=Given(), shared=trunk, state=state)
        state = step.state
    assert (counted.all, counted.single) == (0, 6)
    assert torch.linalg.eigvalsh(step.gramian)[0] > -1e-6


def test_a_task_is_not_spoilt_where_it_does_not_enter(counted):
    torch.manual_seed(0)
    good, bad, x = nn.Linear(4, 4), nn.Linear(4, 4), torch.randn(6, 4)
    heads = [nn.Linear(4, 1) for _ in range(3)]
    a, b = (
        good(x),
        (bad(x) * 0).abs().sqrt(),
    )  # the slope of the root is infinite at 0, and 0 · inf not a number
    losses = [heads[0](a), heads[1](a + b), heads[2](b)]
    losses = [loss.square().mean() for loss in losses]
    step = backward(losses, weighting=Given(), shared=[good, bad])
    assert (counted.all, counted.single) == (1, 3)
    assert (list(step.weights), list(step.absent)) == (["0"], ["1", "2"])
    wanted = torch.autograd.grad(heads[0](good(x)).square().mean(), [good.weight])[0]
    assert error(good.weight.grad, step.weights["0"] * wanted) < 1e-6
    assert bad.weight.grad is None or not bad.weight.grad.any()
