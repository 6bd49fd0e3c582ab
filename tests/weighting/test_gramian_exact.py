"""Gramian and gradients against float64 autograd, for every kind of layer and every way."""

import pytest
import torch
from gramian_cases import MODELS, B, Case, Given, disjoint, error, jacobian_of, learnt, paired
from torch import nn

from jointset.weighting import backward
from jointset.weighting.gramian.graph import read
from jointset.weighting.gramian.uses import layers_of, uses_of

EXACT = 1e-4
APART = [name for name in MODELS if name not in ("resnet", "strange")]  # rows do not meet


def check(case, step, *, weights=None, exact=True):
    jacobian, heads = case.reference()
    k = len(jacobian)
    if exact:
        assert error(step.gramian, jacobian @ jacobian.T) < EXACT
    given = torch.arange(1, k + 1).double() / 2 if weights is None else weights
    assert error(case.found(), given @ jacobian) < EXACT
    for head, wanted in zip(case.heads.parameters(), heads, strict=True):
        assert error(head.grad, wanted) < EXACT
    assert list(step.weights) == [f"t{i}" for i in range(k)]
    assert not step.absent


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", ["auto", "layers"])
def test_every_row_labelled_for_every_task(name, way):
    case = Case(name)
    step = case.step(way=way)
    assert step.way == "layers"
    check(case, step)


@pytest.mark.parametrize("name", MODELS)
def test_features_give_the_same_update_out_of_another_gramian(name):
    case = Case(name)
    step = case.step(way="features")
    assert step.way == "features"
    check(case, step, exact=False)
    z = case.trunk(case.x).detach().requires_grad_()
    losses = case.losses(trunk=lambda x: z)
    at_features = torch.stack([torch.autograd.grad(loss, z)[0].flatten() for loss in losses.values()])
    torch.testing.assert_close(step.gramian, at_features @ at_features.T, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", APART)
def test_disjoint_rows_take_one_pass(name):
    case = Case(name, rows=disjoint())
    step = case.step()
    assert (step.way, step.note) == ("rows", "")
    check(case, step)
    check(case, case.step(way="layers"))


@pytest.mark.parametrize("name", APART)
def test_several_tasks_on_a_row_take_as_many_passes(name):
    case = Case(name, rows=paired(), tasks=6)
    step = case.step()
    assert step.way == "rows"
    check(case, step)


@pytest.mark.parametrize("name", ["mlp", "wide", "transformer", "bag"])
def test_rows_that_are_asked_for_are_right_where_all_tasks_share_them(name):
    case = Case(name)
    step = case.step(way="rows")
    assert step.way == "rows"
    check(case, step)


def test_rows_may_be_said_instead_of_found():
    case = Case("wide", rows=disjoint())
    rows = torch.where(case.rows.any(0), case.rows.int().argmax(0), -1)
    step = case.step(rows=rows)
    assert step.way == "rows"
    check(case, step)


def test_the_three_ways_agree():
    case = Case("wide", rows=disjoint())
    by_row, by_layer = case.step(way="rows"), case.step(way="layers")
    torch.testing.assert_close(by_row.gramian, by_layer.gramian, rtol=1e-5, atol=1e-8)
    # a trunk of one orthogonal layer without a bias on one row keeps inner products
    case.trunk, case.x = nn.Linear(8, 8, bias=False), torch.eye(8)[:1].expand(B, 8).clone()
    case.rows = torch.zeros(4, B, dtype=torch.bool)
    case.rows[:, 0] = True
    at_features, exact = case.step(way="features"), case.step(way="layers")
    torch.testing.assert_close(at_features.gramian, exact.gramian, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["mlp", "wide", "transformer", "resnet"])
def test_heads_that_share_a_projection_of_their_own_go_the_long_way(name):
    """Its gradient is the plain sum, and every pass begins at the loss."""
    case = Case(name)
    common = nn.Linear(8, 8)
    torch.manual_seed(3)
    trunk = case.trunk

    def losses():
        return case.losses(trunk=lambda x: torch.relu(common(trunk(x))))

    sums = torch.autograd.grad(sum(losses().values()), list(common.parameters()))
    for way in ("auto", "layers", "features", "rows"):
        common.zero_grad()
        step = case.step(losses(), way=way)
        assert step.way == ("features" if way == "features" else "layers")
        assert step.note == (
            "the tasks' own parameters are not apart from the shared ones" if way == "rows" else ""
        )
        for parameter, wanted in zip(common.parameters(), sums, strict=True):
            torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-6)
        jacobian = jacobian_of(losses().values(), learnt(trunk))
        assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian.double()) < EXACT
        if way != "features":
            assert error(step.gramian, jacobian.double() @ jacobian.double().T) < EXACT


def test_tasks_read_different_stages():
    """Heads at depths: the tasks meet in two places, of which one leads to the other."""
    torch.manual_seed(0)
    first, second = nn.Linear(10, 8), nn.Linear(8, 8)
    heads = nn.ModuleList(nn.Linear(8, 1) for _ in range(4))
    x = torch.randn(B, 10)

    def losses():
        early = torch.relu(first(x))
        late = torch.relu(second(early))
        return [(h(z) ** 2).mean() for h, z in zip(heads, (early, late, early, late), strict=True)]

    shared = [*first.parameters(), *second.parameters()]
    jacobian = jacobian_of(losses(), shared)
    for way in ("layers", "rows", "features"):
        for p in [*shared, *heads.parameters()]:
            p.grad = None
        step = backward(losses(), weighting=Given(), shared=shared, way=way)
        assert step.way == way
        found = torch.cat([p.grad.flatten() for p in shared])
        torch.testing.assert_close(found, torch.arange(1.0, 5.0) / 2 @ jacobian, rtol=1e-4, atol=1e-6)
        if way != "features":
            torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-7)


def test_a_shared_parameter_that_heads_use_themselves():
    """It is shared, and lies above the place where the tasks part."""
    torch.manual_seed(0)
    trunk, gate = nn.Linear(10, 8), nn.Parameter(torch.randn(8))
    heads = nn.ModuleList(nn.Linear(8, 1) for _ in range(3))
    x = torch.randn(B, 10)
    shared = [*trunk.parameters(), gate]

    def losses():
        z = torch.relu(trunk(x))
        return [(h(z) * (h.weight * gate).sum()).square().mean() for h in heads]

    jacobian = jacobian_of(losses(), shared)
    step = backward(losses(), weighting=Given(), shared=shared)
    torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-7)
    found = torch.cat([p.grad.flatten() for p in shared])
    torch.testing.assert_close(found, torch.arange(1.0, 4.0) / 2 @ jacobian, rtol=1e-4, atol=1e-6)


def test_tasks_that_meet_nowhere():
    torch.manual_seed(0)
    trunks = nn.ModuleList(nn.Linear(10, 1) for _ in range(3))
    x = torch.randn(B, 10)
    for way in ("auto", "rows", "features"):
        trunks.zero_grad()
        step = backward([(t(x) ** 2).mean() for t in trunks], weighting=Given(), shared=trunks, way=way)
        off = step.gramian - torch.diag(step.gramian.diagonal())
        assert off.abs().max() == 0
        one = torch.autograd.grad((trunks[2](x) ** 2).mean(), trunks[2].weight)[0]
        torch.testing.assert_close(trunks[2].weight.grad, 1.5 * one)


def test_one_task():
    case = Case("wide", tasks=1)
    for way in ("auto", "layers", "rows"):
        check(case, case.step(way=way))


def test_losses_that_are_columns_of_one_head():
    """One head for all tasks: shared with the trunk, the tasks part at its outputs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = torch.randn(B, 10), torch.randn(B, 3)

    def losses():
        return list(((model(x) - y) ** 2).mean(0))

    jacobian = jacobian_of(losses(), list(model.parameters()))
    for way in ("auto", "rows", "layers"):
        model.zero_grad()
        step = backward(losses(), weighting=Given(), shared=model, way=way)
        torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-7)


def test_parameters_that_a_task_does_not_reach():
    torch.manual_seed(0)
    one, two = nn.Linear(10, 8), nn.Linear(10, 8)
    heads = nn.ModuleList(nn.Linear(8, 1) for _ in range(4))
    x = torch.randn(B, 10)

    def losses():
        a, b = torch.relu(one(x)), torch.relu(two(x))
        return [h(z).square().mean() for h, z in zip(heads, (a, a, b, b), strict=True)]

    shared = [*one.parameters(), *two.parameters()]
    jacobian = jacobian_of(losses(), shared)
    for way in ("layers", "rows"):
        for p in shared:
            p.grad = None
        step = backward(losses(), weighting=Given(), shared=[one, two], way=way)
        torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-7)
        found = torch.cat([p.grad.flatten() for p in shared])
        torch.testing.assert_close(found, torch.arange(1.0, 5.0) / 2 @ jacobian, rtol=1e-4, atol=1e-6)


def test_half_precision_keeps_a_float32_gramian():
    case = Case("wide")
    for rows in (None, disjoint()):
        case.rows = torch.ones(4, B, dtype=torch.bool) if rows is None else rows
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = case.losses()
        step = case.step(losses)
        assert step.gramian.dtype == torch.float32
        jacobian, _ = case.reference()
        assert error(step.gramian, jacobian @ jacobian.T) < 0.05  # bfloat16 has three digits
        assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian) < 0.05
        assert all(p.grad.dtype == torch.float32 for p in case.trunk.parameters())


def test_double_precision_stays_double():
    case = Case("wide")
    case.trunk, case.heads, case.x = case.trunk.double(), case.heads.double(), case.x.double()
    step = case.step()
    jacobian, _ = case.reference()
    assert step.gramian.dtype == torch.float64
    assert error(step.gramian, jacobian @ jacobian.T) < 1e-12


def test_wide_layers_are_products_of_rows_and_narrow_ones_are_not():
    case = Case("wide")
    assert case.step().formed == {"Addmm": 770}  # the first layer, with ten inputs
    long = Case("sequence")
    assert set(long.step().formed) >= {"Addmm", "NativeLayerNorm"}
    assert "LinalgMatrixExp" not in Case("strange").step().formed
    assert sum(Case("strange").step().formed.values()) == 80


def test_what_a_layer_is_made_of_is_read_from_the_graph():
    case = Case("twice")
    graph = read(list(case.losses().values()), case.trunk.parameters())
    layers = layers_of(uses_of(graph, graph.shared, graph.cut(graph.boundary())))
    found = {(type(layer).__name__, layer.size, len(layer.parameters)) for layer in layers}
    assert found == {("Linear", (2 * B, 10), 2), ("Linear", (2 * B, 8), 1)}
