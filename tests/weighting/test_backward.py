"""``backward`` in anybody's loop: what it leaves behind, whom it leaves out, and what it refuses."""

import copy

import pytest
import torch
from gramian_cases import MODELS, B, Case, Given, disjoint, error, flat, jacobian_of, learnt
from torch import nn

from jointset.errors import ArrayError
from jointset.weighting import (
    FAMO,
    MGDA,
    WEIGHTINGS,
    Equal,
    GradDrop,
    GradVac,
    JacobianWeighting,
    LossWeighting,
    MoCo,
    Uncertainty,
    UPGrad,
    backward,
    make_weighting,
)
from jointset.weighting.shared import Shared

WAYS = ["auto", "layers", "rows", "features"]


class Mean(JacobianWeighting):
    """The mean of the gradients."""

    def init(self, tasks):
        return {}

    def combine(self, jacobian, losses, tasks, state):
        return jacobian.mean(0), state


def gradients(case):
    """Copies of all gradients, those of the heads by task."""
    heads = [[None if p.grad is None else p.grad.clone() for p in h.parameters()] for h in case.heads]
    return case.found(), heads


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rows", ["every", "disjoint"])
@pytest.mark.parametrize("why", ["none", "missing", "nan", "infinite", "constant", "zero", "nan gradient"])
def test_an_absent_task_changes_nothing_for_the_others(way, rows, why):
    """As if it were not in the mapping: the update, the weights and the state."""
    case = Case("wide", rows=None if rows == "every" else disjoint())
    method = GradVac()
    state = method.init([f"t{k}" for k in range(4)])
    losses = case.losses()
    del losses["t2"]
    alone = case.step(losses, method, way=way, state=state)
    wanted = gradients(case)
    losses = case.losses()
    reasons = {
        "none": "no loss", "missing": None, "nan": "the loss is nan", "infinite": "the loss is inf",
        "constant": "the gradient is zero", "zero": "the gradient is zero",
        "nan gradient": "the gradient is not finite",
    }  # fmt: skip
    loss = losses["t2"]
    losses["t2"] = {
        "none": lambda: None,
        "nan": lambda: loss * float("nan"),
        "infinite": lambda: loss * float("inf"),
        "constant": loss.detach,
        "zero": lambda: loss * 0.0,
        "nan gradient": lambda: (loss * 0.0).sqrt(),
        "missing": lambda: None,
    }[why]()
    if why == "missing":
        del losses["t2"]
    step = case.step(losses, method, way=way, state=state)
    assert step.absent == ({"t2": reasons[why]} if reasons[why] else {})
    assert list(step.weights) == ["t0", "t1", "t3"]
    assert step.weights == pytest.approx(alone.weights, rel=1e-4)
    torch.testing.assert_close(step.gramian, alone.gramian, rtol=1e-4, atol=1e-8)
    found = gradients(case)
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-4, atol=1e-8)
    for k in (0, 1, 3):
        torch.testing.assert_close(found[1][k], wanted[1][k])
    assert all(g is None or bool((g == 0).all()) for g in found[1][2])
    assert step.state.keys() == alone.state.keys()
    torch.testing.assert_close(step.state, alone.state, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", [UPGrad(), Mean()])
@pytest.mark.parametrize("rows", ["every", "disjoint"])
def test_a_head_that_begins_at_zero_learns(way, method, rows):
    """Nothing of it arrives at the trunk: it has no say there, and still a gradient of its own."""
    case = Case("wide", rows=None if rows == "every" else disjoint())
    nn.init.zeros_(case.heads[2].weight)
    _, wanted = case.reference()
    step = case.step(weighting=method, way=way)
    assert step.absent == {"t2": "the gradient is zero"}
    for p, g in zip(case.heads.parameters(), wanted, strict=True):
        torch.testing.assert_close(p.grad, g.float(), rtol=1e-4, atol=1e-7)
    nn.init.zeros_(case.heads[0].weight), nn.init.zeros_(case.heads[1].weight)
    nn.init.zeros_(case.heads[3].weight)
    step = case.step(weighting=method, way=way)  # and if that holds for all
    assert len(step.absent) == 4 and all(bool(h.weight.grad.any()) for h in case.heads)


def test_all_weightings_train_a_head_from_zero():
    for name in ("upgrad", "mgda", "nash_mtl", "cagrad", "db_mtl", "graddrop", "moco"):
        case = Case("mlp")
        nn.init.zeros_(case.heads[1].weight)
        parameters = [*case.trunk.parameters(), *case.heads.parameters()]
        optimizer = torch.optim.Adam(parameters, 1e-2)
        method = make_weighting(name, {}, list(case.losses()))
        state, first = method.init(list(case.losses())), case.losses()["t1"].item()
        for _ in range(20):
            state = case.step(weighting=method, state=state).state
            optimizer.step()
        assert case.losses()["t1"].item() < first - 0.1, name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", [UPGrad(), Mean()])
def test_a_head_whose_own_gradient_is_not_finite_stays_out_of_all(way, method):
    """Although what arrives at the trunk is finite."""
    case = Case("wide")
    case.step({k: v for k, v in case.losses().items() if k != "t2"}, method, way=way)
    wanted = case.found()
    losses = case.losses()
    losses["t2"] = losses["t2"] + (case.heads[2].bias * 0.0).sum().sqrt()
    step = case.step(losses, method, way=way)
    assert step.absent == {"t2": "the gradient is not finite"}
    torch.testing.assert_close(case.found(), wanted, rtol=1e-4, atol=1e-8)
    assert all(p.grad is None for p in case.heads[2].parameters())


@pytest.mark.parametrize("method", [MGDA(), Equal(), Mean()])
def test_nothing_is_done_when_all_tasks_are_absent(method):
    case = Case("mlp")
    step = case.step({"a": None, "b": torch.tensor(float("nan"), requires_grad=True)}, method)
    assert step.absent == {"a": "no loss", "b": "the loss is nan"}
    assert step.weights == {} and step.gramian is None
    assert all(p.grad is None for p in case.trunk.parameters())
    step = case.step({k: v * 0 for k, v in case.losses().items()}, MGDA())
    assert set(step.absent) == set(case.losses())


@pytest.mark.parametrize("method", [Mean(), GradDrop(), MoCo()])
def test_methods_that_mix_gradients_see_them_all(method):
    case = Case("sparse embedding", rows=disjoint())
    tasks = list(case.losses())
    state = method.init(tasks)
    losses = case.losses()
    jacobian = jacobian_of(losses.values(), learnt(case.trunk))
    values = torch.stack([v.detach() for v in losses.values()])
    wanted, _ = method.combine(jacobian, values, tasks, state)
    step = case.step(losses, method, state=state)
    assert step.way == "jacobian"
    assert error(case.found(), wanted.double()) < 1e-4
    _, heads = case.reference()
    assert all(error(p.grad, g) < 1e-4 for p, g in zip(case.heads.parameters(), heads, strict=True))


def test_a_task_absent_from_a_jacobian():
    case = Case("mlp")
    losses = case.losses()
    jacobian = jacobian_of([losses["t0"], losses["t3"]], learnt(case.trunk))
    losses |= {"t1": None, "t2": losses["t2"] * 0}
    step = case.step(losses, Mean())
    assert step.absent == {"t1": "no loss", "t2": "the gradient is zero"}
    assert error(case.found(), jacobian.double().mean(0)) < 1e-4


def test_methods_on_losses_are_a_plain_backward():
    case = Case("mlp")
    step = case.step(weighting=Equal())
    assert (step.way, step.weights, step.gramian) == ("losses", {}, None)
    jacobian, _ = case.reference()
    assert error(case.found(), jacobian.sum(0)) < 1e-5
    method = Uncertainty()
    state = method.init(list(case.losses()))
    losses = case.losses() | {"t1": None}
    step = case.step(losses, method, state=state)
    assert step.absent == {"t1": "no loss"}
    assert step.state["log_variance.t0"].grad != 0
    assert step.state["log_variance.t1"].grad in (None, 0)


ON_LOSSES = [n for n in WEIGHTINGS if issubclass(WEIGHTINGS[n], LossWeighting)]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("name", ON_LOSSES)
def test_a_finite_loss_with_an_infinite_gradient_is_left_out_of_methods_on_losses(name, held):
    """As if it had not been there, whatever ``.grad`` held before; the root of zero has an infinite slope."""
    case = Case("mlp")
    tasks = list(case.losses())
    method = make_weighting(name, {}, tasks)
    parameters = [*case.trunk.parameters(), *case.heads.parameters()]

    def after(losses):
        state = method.init(tasks)
        for p in parameters:
            p.grad = torch.ones_like(p) if held else None
        step = backward(losses, weighting=method, shared=case.trunk, state=state)
        learnt = [t.grad for t in state.values() if t.requires_grad]
        return step, [p.grad for p in parameters], learnt

    alone, wanted, learnt = after({k: v for k, v in case.losses().items() if k != "t2"})
    losses = case.losses()
    losses["t2"] = (losses["t2"] * 0.0).sqrt() + 1.0
    step, found, told = after(losses)
    assert step.absent == {"t2": "the gradient is not finite"} and not alone.absent
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(told, learnt)
    torch.testing.assert_close(step.state, alone.state)


def test_without_the_graph_the_whole_step_is_left_out():
    case = Case("mlp")
    losses = case.losses()
    losses["t2"] = (losses["t2"] * 0.0).sqrt()
    step = case.step(losses, Equal(), recover=False)
    assert set(step.absent) == set(losses)
    assert all(p.grad is None for p in case.trunk.parameters())
    losses = {k: (v * 0.0).sqrt() for k, v in case.losses().items()}
    assert set(case.step(losses, Equal()).absent) == set(losses)  # nobody is left
    assert all(p.grad is None for p in case.trunk.parameters())
    losses = case.losses()
    case.step(losses, Equal(), recover=False)
    with pytest.raises(RuntimeError, match="second time"):
        case.step(losses, Equal())


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_method_of_the_table_trains(name):
    case = Case("mlp", rows=disjoint())
    tasks = list(case.losses())
    method = make_weighting(name, {}, tasks)
    state, shared = method.init(tasks), Shared(case.trunk)
    extra = [t for t in state.values() if t.requires_grad]
    optimizer = torch.optim.Adam([*case.trunk.parameters(), *case.heads.parameters(), *extra], lr=3e-2)
    first = sum(case.losses().values()).item()
    for number in range(20):
        optimizer.zero_grad()
        losses = case.losses()
        if number % 3 == 0:
            losses["t1"] = None
        state = backward(losses, weighting=method, shared=shared, state=state).state
        optimizer.step()
    assert sum(case.losses().values()).item() < 0.8 * first
    assert all(torch.isfinite(p).all() for p in case.trunk.parameters())


@pytest.mark.parametrize("name", ["wide", "sparse embedding", "bag"])
@pytest.mark.parametrize("way", ["layers", "rows", "features"])
def test_gradients_of_several_calls_add_up(name, way):
    case = Case(name, rows=disjoint())
    case.step(way=way)
    once = case.found()
    backward(case.losses(), weighting=Given(), shared=case.trunk, way=way)
    assert error(case.found(), 2 * once) < 1e-5
    dense = {id(p): p.grad.is_sparse for p in case.trunk.parameters()}
    sum(case.losses().values()).backward()  # and with what torch leaves there
    jacobian, _ = case.reference()
    assert error(case.found(), 2 * once + jacobian.sum(0)) < 1e-4
    assert {id(p): p.grad.is_sparse for p in case.trunk.parameters()} == dense


@pytest.mark.parametrize("way", ["layers", "rows", "features"])
def test_sparse_gradients_stay_sparse(way):
    for name in ("bag", "sparse embedding"):
        case = Case(name, rows=disjoint())
        case.step(way=way)
        tables = [p for p in case.trunk.parameters() if p.grad.is_sparse]
        assert len(tables) == 1
        torch.optim.SparseAdam(tables).step()


def test_any_optimizer_goes_on_from_it():
    case = Case("wide")
    parameters = [*case.trunk.parameters(), *case.heads.parameters()]
    for optimizer in (torch.optim.SGD(parameters, 0.1, momentum=0.9), torch.optim.AdamW(parameters)):
        before = flat(parameters, parameters).clone()
        case.step()
        optimizer.step()
        assert not torch.equal(before, flat(parameters, parameters))


def test_features_may_be_given():
    case = Case("wide")
    z = case.trunk(case.x)
    losses = case.losses(trunk=lambda x: z)
    at_z = torch.stack([torch.autograd.grad(v, z, retain_graph=True)[0].flatten() for v in losses.values()])
    step = case.step(losses, features=z)
    assert step.way == "features"
    torch.testing.assert_close(step.gramian, at_z @ at_z.T, rtol=1e-4, atol=1e-8)
    jacobian, _ = case.reference()
    assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian) < 1e-4
    # deeper in the trunk: what lies above is then trained with the weights, too
    inner = case.trunk[:2](case.x)
    losses = case.losses(trunk=lambda x: case.trunk[2:](inner))
    step = case.step(losses, features=[inner])
    assert step.way == "features"
    assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian) < 1e-4
    assert backward(case.losses(), weighting=MGDA(), shared=case.trunk, features=None).way == "layers"


def test_losses_may_be_a_sequence():
    case = Case("mlp")
    step = case.step([*case.losses().values(), None])
    assert list(step.weights) == ["0", "1", "2", "3"]
    assert step.absent == {"4": "no loss"}


@pytest.mark.parametrize("shape", ["module", "modules", "parameters", "list", "object"])
def test_shared_may_be_modules_or_parameters(shape):
    case = Case("wide")
    shared = {
        "module": case.trunk,
        "modules": list(case.trunk),
        "parameters": case.trunk.parameters(),
        "list": [case.trunk[0], *case.trunk[2:].parameters()],
        "object": Shared(case.trunk),
    }[shape]
    step = case.step(shared=shared)
    jacobian, _ = case.reference()
    assert error(step.gramian, jacobian @ jacobian.T) < 1e-4


def test_what_is_not_named_as_shared_gets_the_plain_sum():
    case = Case("wide")
    step = case.step(shared=case.trunk[2:])
    jacobian, _ = case.reference()
    first = sum(p.numel() for p in case.trunk[0].parameters())
    assert error(step.gramian, jacobian[:, first:] @ jacobian[:, first:].T) < 1e-4
    assert error(case.found()[:first], jacobian[:, :first].sum(0)) < 1e-4
    assert error(case.found()[first:], (torch.arange(1, 5).double() / 2 @ jacobian)[first:]) < 1e-4


def test_an_object_made_once_serves_steps_of_any_size():
    case = Case("wide")
    shared = Shared(case.trunk)
    for rows in (None, disjoint()):
        case.rows = torch.ones(4, B, dtype=torch.bool) if rows is None else rows
        jacobian, _ = case.reference()
        for way in ("layers", "auto", "features"):
            step = case.step(shared=shared, way=way)
            assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian) < 1e-4
            kept = step.gramian.clone()
            case.step({k: v for k, v in case.losses().items() if k != "t1"}, shared=shared, way=way)
            torch.testing.assert_close(step.gramian, kept)
    case.trunk[0].requires_grad_(False)
    case.step(shared=shared)
    assert case.trunk[0].weight.grad is None and case.trunk[2].weight.grad is not None


def test_rows_are_numbered_by_the_tasks_that_were_given():
    case = Case("wide", rows=disjoint())
    rows = torch.where(case.rows.any(0), case.rows.int().argmax(0), -1)
    losses = case.losses()
    wanted = case.step({k: v for k, v in losses.items() if k != "t1"}).gramian
    step = case.step(case.losses() | {"t1": None}, rows=rows)
    assert step.way == "rows"
    torch.testing.assert_close(step.gramian, wanted, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_step_twice_gives_the_same_bits(name):
    first, second = Case(name, rows=disjoint()), Case(name, rows=disjoint())
    assert torch.equal(first.step(weighting=UPGrad()).gramian, second.step(weighting=UPGrad()).gramian)
    assert torch.equal(first.found(), second.found())


def test_the_graph_is_used_up_and_nothing_is_left_behind():
    case = Case("wide")
    losses = case.losses()
    case.step(losses)
    with pytest.raises(RuntimeError, match="second time"):
        case.step(losses)
    z = case.trunk(case.x)
    hooks = []
    case.heads[0].register_full_backward_hook(lambda *_: hooks.append(1))
    case.step(case.losses(trunk=lambda x: z))
    assert hooks == [1]


def test_half_of_a_batch_at_a_time_is_the_whole_batch():
    """Accumulated over parts of the batch, with weights that do not change."""
    case = Case("wide")
    whole = copy.deepcopy(case)
    whole.step(way="layers")
    for p in [*case.trunk.parameters(), *case.heads.parameters()]:
        p.grad = None
    for part in (slice(0, B // 2), slice(B // 2, B)):
        half = copy.copy(case)
        half.x, half.y, half.rows = case.x[part], case.y[:, part], case.rows[:, part]
        losses = {k: v / 2 for k, v in half.losses().items()}
        backward(losses, weighting=Given(), shared=case.trunk)
    assert error(case.found(), whole.found()) < 1e-5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"way": "row"}, r"no way 'row' \(did you mean 'rows'\?\); one of auto, features, layers, rows"),
        ({"shared": []}, "shared holds no parameter that requires a gradient"),
        ({"shared": nn.Linear(2, 2)}, "none of the losses depends on a parameter of shared"),
        ({"rows": torch.zeros(B)}, r"rows has the shape \(24,\) and type torch.float32"),
        ({"weighting": GradVac()}, r"GradVac keeps a state from step to step; begin with state=weighting\.init"),
        ({"weighting": FAMO()}, "FAMO keeps a state"),
        ({"features": torch.zeros(2, 3)}, r"features of the shape \(2, 3\) have no gradient"),
        ({"features": torch.zeros(2, 3, requires_grad=True)}, "no loss depends on the features"),
        ({"losses": {"a": torch.zeros(3, requires_grad=True)}}, r"task 'a' has the shape \(3,\), and one number"),
        ({"weighting": "upgrad"}, "str is none of the three kinds of weighting"),
    ],
)  # fmt: skip
def test_mistakes_are_named(options, says):
    case = Case("wide")
    with pytest.raises(ArrayError, match=says):
        case.step(**options)


@pytest.mark.parametrize("way", WAYS)
def test_parameters_that_are_added_have_gradients_of_their_own(way):
    """Autograd hands both addends one tensor, and an expanded one where a parameter is summed."""
    torch.manual_seed(0)
    x, y = torch.randn(12, 4), torch.randn(12, 2)
    made = [nn.Parameter(torch.randn(3, 4)) for _ in range(2)]
    heads = [nn.Parameter(torch.randn(2, 3)) for _ in range(2)]
    off = nn.Parameter(torch.zeros(3))
    everything = [*made, *heads, off]

    def losses():
        z = torch.nn.functional.linear(x, made[0] + made[1]).tanh()
        a = torch.nn.functional.linear(z, heads[0] + heads[1])
        return {"a": ((a - y) ** 2).mean(), "b": z.pow(2).mean() + off.sum()}, z

    for _ in range(2):
        sum(losses()[0].values()).backward()
    wanted = [p.grad.clone() for p in everything]
    for p in everything:
        p.grad = None
    for _ in range(2):
        found, z = losses()
        features = z if way == "features" else None
        backward(found, weighting=Given(torch.ones(2)), shared=made, features=features, way=way)
    for p, grad in zip(everything, wanted, strict=True):
        torch.testing.assert_close(p.grad, grad)
    assert len({p.grad.data_ptr() for p in everything}) == len(everything)


@pytest.mark.parametrize("way", ["auto", "layers", "rows"])
@pytest.mark.parametrize("size", [(6, 6), (7, 6)])
@pytest.mark.parametrize("bag", [False, True])
def test_a_table_that_is_turned_round_before_it_is_looked_up(way, size, bag):
    torch.manual_seed(0)
    table = nn.Parameter(torch.randn(size))
    ids = torch.randint(0, size[1], (B, 3))

    def losses():
        found = (
            nn.functional.embedding_bag(ids, table.t())
            if bag
            else nn.functional.embedding(ids, table.t()).mean(1)
        )
        return {"a": found.pow(2).mean(), "b": found.sin().mean()}

    sum(losses().values()).backward()
    wanted, table.grad = table.grad, None
    backward(losses(), weighting=Given(torch.ones(2)), shared=[table], way=way)
    torch.testing.assert_close(table.grad, wanted)


def joined(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def trunk_and_losses(scale=1.0):
    """Two tasks on rows of their own; the second one's gradient overflows half precision where ``scale`` is large."""
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4), nn.ModuleDict({n: nn.Linear(4, 1) for n in "ab"})
    x = torch.randn(8, 3)

    def losses():
        z = trunk(x)
        return {
            "a": heads["a"](z[:4]).square().mean(),
            "b": heads["b"](z[4:]).square().mean() * scale,
        }

    return trunk, heads, losses


@pytest.mark.parametrize("name", list(WEIGHTINGS))
def test_a_scaler_changes_no_weight_and_no_update(name):
    found = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=1024.0)):
        trunk, heads, losses = trunk_and_losses()
        parameters = [*trunk.parameters(), *heads.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        method = make_weighting(name, {}, ["a", "b"])
        state = method.init(["a", "b"])
        for _ in range(4):
            optimizer.zero_grad()
            second = losses() if getattr(method, "samples", 1) == 2 else None
            step = backward(
                losses(), weighting=method, shared=trunk, state=state, second=second, scaler=scaler
            )
            state = {k: v.detach().requires_grad_(v.requires_grad) for k, v in step.state.items()}
            if scaler:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
        found.append((step.weights, joined(p.detach() for p in parameters), step.gramian))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)
    if found[0][2] is not None:
        assert torch.allclose(found[0][2], found[1][2], rtol=1e-4)


@pytest.mark.parametrize("method", [Equal(), UPGrad(), GradDrop(), MoCo()])
@pytest.mark.parametrize("scale", [1e37, float("nan")])
def test_a_scaler_sees_what_overflows_and_skips_the_step(method, scale):
    trunk, heads, losses = trunk_and_losses(scale)
    parameters = [*trunk.parameters(), *heads.parameters()]
    optimizer, scaler = torch.optim.Adam(parameters, lr=0.1), torch.amp.GradScaler("cpu", init_scale=1024.0)
    before, state = joined(p.detach().clone() for p in parameters), method.init(["a", "b"])
    step = backward(losses(), weighting=method, shared=trunk, state=state, scaler=scaler)
    assert step.state == state and not step.weights and step.absent
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(joined(p.detach() for p in parameters), before) and scaler.get_scale() == 512.0


@pytest.mark.parametrize("method", [FAMO(), Uncertainty(), GradVac(), MoCo()])
def test_a_state_that_knows_no_such_task_is_told_in_one_line(method):
    trunk, _, losses = trunk_and_losses()
    with pytest.raises(ArrayError, match=r"knows no task 'b'; name every task to weighting\.init") as caught:
        backward(losses(), weighting=method, shared=trunk, state=method.init(["a"]))
    assert "\n" not in str(caught.value)


def test_a_state_of_other_parameters_is_told_in_one_line():
    trunk, _, losses = trunk_and_losses()
    state = backward(losses(), weighting=MoCo(), shared=trunk, state=MoCo().init(["a", "b"])).state
    with pytest.raises(
        ArrayError, match="has 16 numbers, and shared has 4; where other parameters are shared"
    ):
        backward(losses(), weighting=MoCo(), shared=trunk.bias, state=state)


class Shift(nn.Module):
    """A weight, and one number that is added to every output."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(64, 48) / 8), nn.Parameter(torch.randn(1))

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


class Cast(nn.Module):
    """Numbers of another length."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype)


@pytest.mark.parametrize("way", ["layers", "rows"])
@pytest.mark.parametrize("what", ["one bias", "longer", "shorter"])
def test_unusual_layers_have_the_gramian_of_autograd(way, what):
    torch.manual_seed(0)
    double, single = torch.float64, torch.float32
    trunk, dtype = {
        "one bias": (Shift(), single),
        "longer": (
            nn.Sequential(nn.Linear(48, 64), nn.Tanh(), Cast(double), nn.Linear(64, 64).double()),
            double,
        ),
        "shorter": (
            nn.Sequential(Cast(double), nn.Linear(48, 64).double(), Cast(single), nn.Linear(64, 64)),
            single,
        ),
    }[what]
    heads, x = [nn.Linear(64, 1).to(dtype) for _ in range(2)], torch.randn(8, 48)

    def losses():
        z = trunk(x)
        return [heads[0](z[:4]).square().mean(), heads[1](z[4:]).square().mean()]

    parameters = list(trunk.parameters())
    rows = [joined(torch.autograd.grad(loss, parameters, retain_graph=True)).double() for loss in losses()]
    wanted = torch.stack(rows) @ torch.stack(rows).T
    step = backward(losses(), weighting=UPGrad(), shared=trunk, way=way)
    assert torch.allclose(step.gramian.double(), wanted, rtol=1e-4, atol=1e-6)
    weighted = sum(w * g for w, g in zip(step.weights.values(), rows, strict=True))
    assert torch.allclose(joined(p.grad for p in parameters).double(), weighted, rtol=1e-4, atol=1e-6)


class Waves(nn.Module):
    """A trunk in complex numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, dtype=torch.complex64))

    def forward(self, x):
        return torch.view_as_real(x.to(torch.complex64) @ self.weight).flatten(1)


@pytest.mark.parametrize("method", [UPGrad(), GradDrop()])
def test_complex_parameters_are_refused_by_methods_on_gradients_alone(method):
    trunk, heads, x = Waves(), [nn.Linear(4, 1) for _ in range(2)], torch.randn(8, 3)
    with pytest.raises(ArrayError, match=r"gradients of complex numbers.*torch\.view_as_real"):
        backward([h(trunk(x)).mean() for h in heads], weighting=method, shared=trunk, state=method.init("01"))
    backward([h(trunk(x)).mean() for h in heads], weighting=Equal(), shared=trunk)
    assert trunk.weight.grad.is_complex()
