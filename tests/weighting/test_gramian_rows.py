"""Where rows are followed through a graph, and where they are known to meet."""

import numpy as np
import pytest
import torch
from gramian_cases import MODELS, B, Case, Given, ResNet, disjoint, error, jacobian_of, learnt
from torch import nn
from torch.nn import functional as F

from jointset.training.mixup import Mixup
from jointset.weighting import backward
from jointset.weighting.gramian.graph import read
from jointset.weighting.gramian.row_rules import Mixed, Place, _in_shape
from jointset.weighting.gramian.rows import plan

N = 6


def reason(trunk, x):
    """Why the rows of ``trunk(x)`` cannot be told apart; '' where they can."""
    z = trunk(x)
    graph = read([(z * i).square().sum() for i in (1.0, 2.0)], trunk.parameters())
    try:
        plan(graph, graph.cut(graph.boundary()))
    except Mixed as mixed:
        return str(mixed)
    return ""


class Through(nn.Module):
    """A layer, and a function behind it."""

    def __init__(self, function, width=4):
        super().__init__()
        self.layer, self.function = nn.Linear(4, width), function

    def forward(self, x):
        return self.function(self.layer(x))


APART = {
    "transposed twice": lambda h: h.mT.contiguous().transpose(1, 2),
    "permuted": lambda h: h.permute(1, 0, 2).relu().permute(1, 0, 2),
    "flattened": lambda h: h.flatten(1),
    "rows and places as one": lambda h: h.reshape(-1, 4).tanh().reshape(N, 3, 4),
    "places first": lambda h: h.transpose(0, 1).reshape(-1, 4).tanh().reshape(3, N, 4).transpose(0, 1),
    "heads of attention": lambda h: h.view(N, 3, 2, 2).transpose(1, 2).reshape(2 * N, 3, 2).tanh().view(N, 2, 3, 2),
    "softmax": lambda h: h.softmax(-1) * h.log_softmax(1),
    "attention": lambda h: F.scaled_dot_product_attention(h, h, h),
    "products within a row": lambda h: torch.bmm(h, h.mT),
    "mean": lambda h: h.mean(1) + h.sum((1,)) + h.amax(1) + h.max(1)[0],
    "norm of a row": lambda h: h / h.norm(dim=-1, keepdim=True),
    "pieces": lambda h: torch.cat([h[:, 1:], h[:, :1]], 1) + torch.stack([h[:, i] for i in range(3)], 1),
    "split": lambda h: sum(h.split(1, 1)) + sum(p[:, None] for p in h.unbind(1)) + h.chunk(2, -1)[0].sum(-1)[..., None],
    "gated": lambda h: F.glu(h),
    "one more dimension": lambda h: h[:, None].squeeze(1),
    "some rows": lambda h: torch.zeros(N, 3, 4).index_add(0, torch.tensor([4, 0, 1]), h[:3]),
    "picked rows": lambda h: h.index_select(0, torch.tensor([5, 1, 0, 2, 4, 3])),
    "joined rows": lambda h: torch.cat([h[:2].relu(), h[2:].tanh()]),
    "where": lambda h: torch.where(h > 0, h, 0.1 * h).masked_fill(h > 1, 0.0).clamp(-1, 1),
}  # fmt: skip
MEET = {
    "mean over rows": lambda h: h - h.mean(0),
    "softmax over rows": lambda h: h.softmax(0),
    "flipped and added": lambda h: h + h.flip(0),
    "mixed up": lambda h: torch.lerp(h[torch.tensor([1, 0, 3, 2, 5, 4])], h, 0.3),
    "moved by one": lambda h: h[1:] + h[:-1],
    "picked twice": lambda h: h.index_select(0, torch.tensor([0, 0, 1, 2, 3, 4])),
    "products between rows": lambda h: (h[:, 0] @ h[:, 0].T) @ h[:, 1],
    "attention between rows": lambda h: F.scaled_dot_product_attention(*[h.transpose(0, 1)] * 3).transpose(0, 1),
    "everything": lambda h: h * h.sum(),
    "running sum": lambda h: h.cumsum(0),
    "sorted": lambda h: h.sort(0)[0],
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_rows_are_followed(name):
    torch.manual_seed(0)
    assert reason(Through(APART[name]), torch.randn(N, 3, 4)) == ""


@pytest.mark.parametrize("name", MEET)
def test_rows_that_meet_are_noticed(name):
    torch.manual_seed(0)
    assert reason(Through(MEET[name]), torch.randn(N, 3, 4))


@pytest.mark.parametrize("name", APART)
def test_what_is_followed_is_followed_right(name):
    """One pass gives what autograd gives for each task."""
    torch.manual_seed(0)
    trunk, x = Through(APART[name]), torch.randn(N, 3, 4)
    width = trunk(x).flatten(1).shape[1]
    heads, tasks = nn.ModuleList(nn.Linear(width, 1) for _ in range(2)), torch.arange(N) % 2

    def losses():
        z = trunk(x).flatten(1)
        return [(h(z)[:, 0].square() * (tasks[: len(z)] == k)).sum() for k, h in enumerate(heads)]

    jacobian = jacobian_of(losses(), list(trunk.parameters()))
    step = backward(losses(), weighting=Given(), shared=trunk)
    assert step.way == "rows"
    torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-6)
    found = torch.cat([p.grad.flatten() for p in trunk.parameters()])
    torch.testing.assert_close(found, torch.tensor([0.5, 1.0]) @ jacobian, rtol=1e-4, atol=1e-6)


def test_batch_norm_lets_rows_meet_in_training_only():
    case = Case("resnet", rows=disjoint())
    step = case.step(way="rows")
    assert (step.way, step.note) == ("layers", "batch norm in training mode lets rows meet")
    jacobian, _ = case.reference()
    assert error(step.gramian, jacobian @ jacobian.T) < 1e-4
    case.trunk.eval()
    step = case.step(way="rows")
    assert (step.way, step.note) == ("rows", "")
    jacobian, _ = case.reference()
    assert error(step.gramian, jacobian @ jacobian.T) < 1e-4
    assert error(case.found(), torch.arange(1, 5).double() / 2 @ jacobian) < 1e-4


def test_modalities_that_some_rows_have_come_together():
    """As in the joint model: each encoder sees some rows, which are added up where they belong."""
    torch.manual_seed(0)
    one, two, trunk = nn.Linear(4, 5), ResNet(lambda c: nn.GroupNorm(2, c)), nn.Linear(8, 8)
    first, second = torch.tensor([0, 2, 3, 7]), torch.tensor([1, 2, 4, 5, 6])
    project = nn.Linear(5, 8)
    a, b = torch.randn(4, 4), torch.randn(5, 2, 6, 6)
    heads, tasks = nn.ModuleList(nn.Linear(8, 1) for _ in range(3)), torch.arange(8) % 3
    shared = nn.ModuleList([one, two, trunk, project])

    def losses():
        rows = torch.zeros(8, 8).index_add(0, first, project(torch.relu(one(a)))).index_add(0, second, two(b))
        z = torch.relu(trunk(rows / torch.full((8, 1), 2.0).sqrt()))
        return [(h(z)[:, 0] * (tasks == k)).square().sum() for k, h in enumerate(heads)]

    jacobian = jacobian_of(losses(), list(shared.parameters()))
    step = backward(losses(), weighting=Given(), shared=shared)
    assert step.way == "rows"
    torch.testing.assert_close(step.gramian, jacobian @ jacobian.T, rtol=1e-4, atol=1e-6)


def test_a_parameter_for_every_row_cannot_be_told_apart():
    class PerRow(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.bias = nn.Linear(4, 4), nn.Parameter(torch.zeros(N, 4))

        def forward(self, x):
            return self.layer(x) + self.bias

    assert "AddBackward0" in reason(PerRow(), torch.randn(N, 4))


def test_a_count_of_rows_that_is_not_the_features_is_said():
    case = Case("wide", rows=disjoint())
    step = case.step(rows=torch.zeros(B + 1, dtype=torch.long))
    assert step.way == "layers"
    assert step.note == f"rows counts {B + 1}, and the tensors where the tasks meet have {B}"


def test_views_of_rows():
    ids = torch.arange(4)
    place = Place(0, ids)
    assert _in_shape((4, 3, 2), place, (12, 2)).ids.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert _in_shape((12, 2), Place(0, ids.repeat_interleave(3)), (4, 3, 2)) == (0, pytest.approx(ids))
    turned = _in_shape((3, 4, 2), Place(1, ids), (12, 2))
    assert turned.ids.tolist() == [0, 1, 2, 3] * 3
    back = _in_shape((12, 2), turned, (3, 4, 2))
    assert back.axis == 1 and back.ids.tolist() == [0, 1, 2, 3]
    assert _in_shape((4, 6), place, (2, 12)) is None


@pytest.mark.parametrize("name", [n for n in MODELS if n != "strange"])
def test_a_task_on_few_rows_keeps_to_them(name):
    """Rows of one task alone change nothing of the other tasks' products."""
    if name == "resnet":
        pytest.skip("batch norm lets rows meet")
    case = Case(name, rows=disjoint())
    before = case.step().gramian
    case.y[0] = (case.y[0] + 1) % 3
    after = case.step().gramian
    torch.testing.assert_close(before[1:, 1:], after[1:, 1:])
    assert not torch.allclose(before[0], after[0])


@pytest.mark.parametrize("name", ["wide", "mlp", "transformer"])
def test_rows_of_one_task_may_meet_one_another(name):
    """Mixup within a task, in front of the last layers and behind the first ones: one pass, and exact."""
    case = Case(name, rows=disjoint())
    owner = torch.where(case.rows.any(0), case.rows.int().argmax(0), -1)
    share = 0.5 + 0.5 * torch.rand(B, 1)
    after = nn.Linear(8, 8)

    def mixed(partner):
        return lambda x: after(torch.lerp((z := case.trunk(x)).index_select(0, partner), z, share))

    groups = owner.numpy()
    partner = Mixup.draw(B, 1.0, np.random.default_rng(0), groups).partner
    assert bool((owner[partner] == owner).all()) and not bool((partner == torch.arange(B)).all())
    shared = [case.trunk, after]
    jacobian = jacobian_of(case.losses(mixed(partner)).values(), [*learnt(case.trunk), *learnt(after)])
    wanted = (jacobian @ jacobian.T).double()
    step = case.step(case.losses(mixed(partner)), shared=shared, rows=owner, way="rows")
    assert (step.way, step.note) == ("rows", "")
    assert error(step.gramian, wanted) < 1e-4
    assert error(case.found(), (torch.arange(1, 5) / 2 @ jacobian[:, : len(case.found())]).double()) < 1e-4
    strangers = torch.arange(B).roll(1)
    step = case.step(case.losses(mixed(strangers)), shared=shared, rows=owner, way="rows")
    assert step.way == "layers" and "meet" in step.note
    step = case.step(case.losses(mixed(partner)), shared=shared, way="rows")  # nobody said whose they are
    assert step.way == "layers" and "meet" in step.note
