"""Every way of sharing keeps the contract of Sharing."""

import pytest
import torch
from torch import nn

from jointset.models.sharing import SHARINGS, Sharing

TASKS = ["a", "b", "c"]


@pytest.fixture(params=list(SHARINGS))
def name(request):
    return request.param


def made(name, tasks=TASKS, depth=2, dropout=0.0) -> Sharing:
    torch.manual_seed(0)
    sharing = SHARINGS[name](tasks, width=8, depth=depth, dropout=dropout)
    for parameter in sharing.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return sharing


def test_a_vector_per_row_and_task(name):
    out = made(name)(torch.randn(5, 8))
    assert list(out) == TASKS
    assert all(x.shape == (5, 8) for x in out.values())


def test_the_embedding_is_one_vector_per_row(name):
    sharing = made(name)
    assert sharing.embedding(sharing(torch.randn(5, 8))).shape == (5, 8)


def test_rows_do_not_see_each_other(name):
    sharing, x = made(name).eval(), torch.randn(5, 8)
    whole, alone = sharing(x), sharing(x[[3]])
    for task in TASKS:
        torch.testing.assert_close(whole[task][[3]], alone[task])


@pytest.mark.parametrize("tasks", [["only"], TASKS])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_any_number_of_tasks_and_layers(name, tasks, depth):
    sharing = made(name, tasks, depth)
    assert set(sharing(torch.randn(2, 8))) == set(tasks)


def test_every_task_reaches_the_input_and_some_parameter_is_shared(name):
    sharing = made(name)
    reached = []
    for task in TASKS:
        sharing.zero_grad()
        x = torch.randn(5, 8, requires_grad=True)
        sharing(x)[task].square().sum().backward()
        assert x.grad.abs().sum() > 0
        reached.append({n for n, p in sharing.named_parameters() if p.grad is not None and p.grad.any()})
    assert set.intersection(*reached)


def test_dropout_is_for_training_only(name):
    sharing, x = made(name, dropout=0.5), torch.randn(5, 8)
    sharing.train()
    assert any(not torch.equal(sharing(x)[t], sharing(x)[t]) for t in TASKS)
    sharing.eval()
    assert all(torch.equal(sharing(x)[t], sharing(x)[t]) for t in TASKS)


def test_hard_sharing_begins_as_the_identity():
    x = torch.randn(3, 8)
    sharing = SHARINGS["hard"](TASKS, width=8, depth=3, dropout=0.0)
    assert all(torch.equal(out, x) for out in sharing(x).values())
