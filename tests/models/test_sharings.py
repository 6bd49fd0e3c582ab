"""Every way of sharing keeps the contract of Sharing."""

import pytest
import torch
from torch import nn

from jointset.models.sharing import SHARINGS, Sharing

TASKS = ["a", "b", "c"]
WIDTH = 8


@pytest.fixture(params=list(SHARINGS))
def name(request):
    return request.param


def made(name, tasks=TASKS, depth=2, dropout=0.0, **options) -> Sharing:
    """One past its warm-up, with no weight at zero."""
    torch.manual_seed(0)
    sharing = SHARINGS[name](tasks, width=WIDTH, depth=depth, dropout=dropout, **options)
    for parameter in sharing.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    sharing.advance(9.0, 10)
    return sharing


def separate(name) -> bool:
    """Whether the method can have encoders of each column's own."""
    return made(name).columns > 1 and "encoders" in SHARINGS[name].__init__.__annotations__


def reached(sharing, task, x):
    """Names of the parameters that the task's loss moves; draws while training may miss some, so several are made."""
    sharing.zero_grad()
    for _ in range(40):
        sharing(x)[task].square().sum().backward()
    return {n for n, p in sharing.named_parameters() if p.grad is not None and p.grad.any()}


def test_a_vector_per_row_and_task(name):
    out = made(name)(torch.randn(5, WIDTH))
    assert list(out) == TASKS
    assert all(x.shape == (5, WIDTH) for x in out.values())


def test_the_embedding_is_one_vector_per_row(name):
    sharing = made(name)
    assert sharing.embedding(sharing(torch.randn(5, WIDTH))).shape == (5, WIDTH)


def test_rows_do_not_see_each_other(name):
    sharing, x = made(name).eval(), torch.randn(5, WIDTH)
    whole, alone = sharing(x), sharing(x[[3]])
    for task in TASKS:
        torch.testing.assert_close(whole[task][[3]], alone[task])


@pytest.mark.parametrize("tasks", [["only"], TASKS])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_any_number_of_tasks_and_layers(name, tasks, depth):
    sharing = made(name, tasks, depth)
    x = torch.randn(2, WIDTH, requires_grad=True)
    for training in (True, False):
        out = sharing.train(training)(x)
        assert set(out) == set(tasks)
        assert all(bool(z.isfinite().all()) for z in out.values())
    penalty = sharing.train().penalty(sharing.trunk(x))
    assert penalty is None or (penalty.shape == () and bool(penalty.isfinite()) and penalty >= 0)


def test_columns_of_their_own_are_taken_and_all_are_used(name):
    sharing = made(name)
    x = torch.randn(sharing.columns, 5, WIDTH, requires_grad=True)
    out = sharing(x if sharing.columns > 1 else x[0])
    sum(z.square().sum() for z in out.values()).backward()
    assert bool((x.grad.flatten(1).abs().sum(1) > 0).all())


def test_equal_columns_are_as_one(name):
    sharing, x = made(name).eval(), torch.randn(5, WIDTH)
    one, many = sharing(x), sharing(x.expand(sharing.columns, 5, WIDTH) if sharing.columns > 1 else x)
    for task in TASKS:
        torch.testing.assert_close(one[task], many[task])


def test_every_task_reaches_the_input(name):
    sharing = made(name)
    for task in TASKS:
        x = torch.randn(5, WIDTH, requires_grad=True)
        sharing(x)[task].square().sum().backward()
        assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("depth", [0, 2])
def test_parts_hold_every_parameter_and_say_which_tasks_train_it(name, depth):
    sharing = made(name, depth=depth)
    x = torch.randn(5, WIDTH, requires_grad=True)
    trained = {task: reached(sharing, task, x) for task in TASKS}
    said = {n: set() for n, _ in sharing.named_parameters()}
    names = {id(p): n for n, p in sharing.named_parameters()}
    for part in sharing.parts():
        for parameter in part.parameters():
            said[names[id(parameter)]] |= set(part.tasks)
    assert all(said.values())
    for parameter, tasks in said.items():
        assert tasks >= {t for t in TASKS if parameter in trained[t]}, parameter
    assert {n for n in said if any(n in t for t in trained.values())} == set(said)


def test_where_tasks_part_no_parameter_behind_serves_two(name):
    sharing = made(name)
    if not sharing.parted:
        pytest.skip("tasks use shared layers after they part")
    shared = [y.detach().requires_grad_() for y in sharing.trunk(torch.randn(5, WIDTH))]
    seen = {}
    for task in TASKS:
        sharing.zero_grad()
        sharing.branches(tuple(shared))[task].square().sum().backward()
        for n, p in sharing.named_parameters():
            if p.grad is not None and p.grad.any():
                seen.setdefault(n, set()).add(task)
    assert not {n for n, tasks in seen.items() if len(tasks) > 1}


def test_dropout_is_for_training_only(name):
    sharing, x = made(name, dropout=0.5), torch.randn(5, WIDTH)
    sharing.train()
    assert any(not torch.equal(sharing(x)[t], sharing(x)[t]) for t in TASKS)
    sharing.eval()
    assert all(torch.equal(sharing(x)[t], sharing(x)[t]) for t in TASKS)


def test_draws_come_from_the_generator_alone(name):
    sharing, x = made(name, dropout=0.2).train(), torch.randn(5, WIDTH)
    outs = []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(sharing(x))
    assert all(torch.equal(outs[0][t], outs[1][t]) for t in TASKS)


def test_the_state_restores_the_predictions_whatever_the_time(name):
    sharing, x = made(name).eval(), torch.randn(5, WIDTH)
    other = SHARINGS[name](TASKS, width=WIDTH, depth=2, dropout=0.0).eval()
    other.load_state_dict(sharing.state_dict())
    assert all(torch.equal(sharing(x)[t], other(x)[t]) for t in TASKS)


def test_the_time_alone_decides_the_phase(name):
    first, second = made(name), made(name)
    for epoch in (0.0, 0.5, 3.0, 7.5):
        first.advance(epoch, 10)
    second.advance(7.5, 10)
    x = torch.randn(5, WIDTH)
    for sharing in (first, second):
        sharing.train()
    torch.manual_seed(1)
    one = first(x)
    torch.manual_seed(1)
    two = second(x)
    assert all(torch.equal(one[t], two[t]) for t in TASKS)


def test_encoders_are_apart_where_the_paper_has_them_and_they_are_light(name):
    sharing = made(name)
    assert not sharing.apart(heavy=True)
    assert sharing.apart(heavy=False) == (separate(name) and sharing.papers == "separate")
    if separate(name):
        assert made(name, encoders="separate").apart(heavy=True)
        assert not made(name, encoders="shared").apart(heavy=False)


def test_hard_sharing_begins_as_the_identity():
    x = torch.randn(3, WIDTH)
    sharing = SHARINGS["hard"](TASKS, width=WIDTH, depth=3, dropout=0.0)
    assert all(torch.equal(out, x) for out in sharing(x).values())


W, K, L = WIDTH, len(TASKS), 2
BLOCK = 2 * W * W + 4 * W
COUNTS = {  # parameters at depth 2, in closed form
    "hard": L * BLOCK,
    "shared_init": K * L * BLOCK,
    "soft": K * L * BLOCK,
    "trace_norm": K * L * BLOCK,
    "tensor_factors": L * (2 * (K * W * W + K * K) + 2 * W + 2 * K * W),
    "cross_stitch": K * L * BLOCK + L * K * K,
    "sluice": K * L * BLOCK + L * (2 * K) ** 2 + K * L,
    "nddr": K * L * BLOCK + L * K * (K * W * W + W),
    "mmoe": 4 * L * BLOCK + K * (W * 4 + 4),
    "cgc": (2 + K) * L * BLOCK + K * (W * 3 + 3),
    "ple": (2 + K) * L * BLOCK + L * K * (W * 3 + 3) + (L - 1) * (W + 1) * (2 + K),
    "mtan": L * BLOCK + (L - 1) * (W * W + W) + K * (2 * W * W + 2 * W + (L - 1) * (3 * W * W + 2 * W)),
    "dselect_k": 4 * L * BLOCK + K * (W + 1) * (2 * 2 + 2),
    "adashare": L * BLOCK + K * L,
    "branching": 3 * L * BLOCK + (L - 1) * 3 * 3 + K * 3,
    "lora": L * BLOCK,
    "adapters": L * BLOCK,
}


def test_parameters_are_as_many_as_the_formula_says(name):
    assert sum(p.numel() for p in made(name).parameters()) == COUNTS[name]
