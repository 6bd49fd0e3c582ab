"""Experts: gates, and what they choose."""

import itertools

import pytest
import torch
from torch import nn

from jointset.errors import ConfigError
from jointset.models.sharing import SHARINGS
from jointset.models.sharing.dselect_k import Selectors, smooth_step

TASKS = ["a", "b", "c"]
WIDTH = 6


def made(name, depth=2, seed=0, **options):
    torch.manual_seed(seed)
    sharing = SHARINGS[name](TASKS, width=WIDTH, depth=depth, dropout=0.0, **options)
    for parameter in sharing.parameters():
        nn.init.normal_(parameter, std=0.4)
    return sharing


@pytest.mark.parametrize("name", ["mmoe", "cgc"])
@pytest.mark.parametrize("depth", [0, 2])
def test_gates_sum_to_one_and_differ_by_row_and_task(name, depth):
    sharing, x = made(name, depth), torch.randn(7, WIDTH)
    weights = torch.stack([gate(x) for gate in sharing.gates])
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 7))
    assert (weights > 0).all()
    assert not torch.allclose(weights[0], weights[1]) and not torch.allclose(weights[:, 0], weights[:, 1])


def test_a_mixture_is_the_papers_formula():
    sharing, x = made("mmoe", experts=3), torch.randn(5, WIDTH)
    outputs = [expert(x) for expert in sharing.experts]
    for t, task in enumerate(TASKS):
        weights = torch.softmax(x @ sharing.gates[t].linear.weight.T + sharing.gates[t].linear.bias, 1)
        torch.testing.assert_close(sharing(x)[task], sum(weights[:, [e]] * outputs[e] for e in range(3)))


@pytest.mark.parametrize("name", ["mmoe", "dselect_k"])
def test_one_expert_is_hard_sharing(name):
    sharing, x = made(name, experts=1, **({"k": 1} if name == "dselect_k" else {})), torch.randn(5, WIDTH)
    if name == "dselect_k":  # one digit still tells the expert from nothing
        with torch.no_grad():
            for gate in sharing.gates:
                gate.z.weight.zero_()
                gate.z.bias.fill_(-1.0)
    for out in sharing(x).values():
        torch.testing.assert_close(out, sharing.experts[0](x))


def test_own_experts_are_of_one_task():
    sharing, x = made("cgc"), torch.randn(5, WIDTH)
    before = sharing(x)
    with torch.no_grad():
        for parameter in sharing.own[1].parameters():
            parameter.add_(1.0)
    after = sharing(x)
    assert torch.equal(before["a"], after["a"]) and torch.equal(before["c"], after["c"])
    assert not torch.equal(before["b"], after["b"])


def test_one_level_of_extraction_is_customised_gate_control():
    ple, cgc = made("ple", depth=1), made("cgc", depth=1)
    for source, target in (
        (ple.last.shared, cgc.experts),
        (ple.last.own, cgc.own),
        (ple.last.gates, cgc.gates),
    ):
        target.load_state_dict(source.state_dict())
    x = torch.randn(5, WIDTH)
    for task in TASKS:
        torch.testing.assert_close(ple(x)[task], cgc(x)[task])


def test_the_shared_gate_of_a_lower_level_mixes_all_experts():
    sharing = made("ple", depth=2)
    level, x = sharing.levels[0], torch.randn(4, 5, WIDTH)
    outputs = [e(x[3]) for e in level.shared] + [own[0](x[i]) for i, own in enumerate(level.own)]
    weights = level.common(x[3])
    torch.testing.assert_close(level(x)[3], sum(weights[:, [e]] * outputs[e] for e in range(5)))
    torch.testing.assert_close(weights.sum(1), torch.ones(5))


def test_the_smooth_step_is_a_step_with_a_continuous_slope():
    t = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64, requires_grad=True)
    for gamma in (0.5, 1.0, 2.0):
        value = smooth_step(t, gamma)
        (slope,) = torch.autograd.grad(value.sum(), t)
        assert (value[t <= -gamma / 2] == 0).all() and (value[t >= gamma / 2] == 1).all()
        assert (slope >= 0).all() and slope.diff().abs().max() < 0.2 / gamma**2
        torch.testing.assert_close(value + value.flip(0), torch.ones_like(value))


@pytest.mark.parametrize("experts", [2, 4, 5, 8])
def test_selectors_with_settled_digits_choose_single_experts(experts):
    gate = Selectors(WIDTH, experts, 2, 1.0, static=True)
    digits = gate.codes.shape[1]
    for first, second in itertools.product(range(experts), repeat=2):
        with torch.no_grad():
            gate.z.bias.copy_(torch.cat([gate.codes[first], gate.codes[second]]).float() * 2 - 1)
        weights = gate(torch.randn(3, WIDTH))
        assert gate.z.bias.shape == (2 * digits,)
        assert set(weights[0].nonzero()[:, 0].tolist()) == {first, second}
        torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_the_entropy_penalty_is_that_of_the_formula():
    gate = Selectors(WIDTH, 3, 2, 1.0, static=False)
    nn.init.normal_(gate.z.weight, std=0.1)
    x = torch.randn(4, WIDTH)
    p = gate.selectors(x).detach().double()
    entropy = -(p * (p + 1e-6).log()).sum((1, 2)) + (1 / p.sum(2)).sum(1)
    assert gate.penalty(x).item() == pytest.approx(entropy.mean().item(), rel=1e-5)


@pytest.mark.parametrize(("experts", "gates"), [(4, "static"), (6, "row")])
def test_training_ends_with_at_most_k_experts(experts, gates):
    torch.manual_seed(0)
    sharing = SHARINGS["dselect_k"](
        TASKS, width=WIDTH, depth=1, dropout=0.0, experts=experts, k=2, gates=gates, strength=0.3
    )
    x = torch.randn(48, WIDTH)
    y = torch.stack([torch.tanh(x @ torch.randn(WIDTH, WIDTH)) for _ in TASKS])
    solver = torch.optim.Adam(sharing.parameters(), lr=0.05)
    for _ in range(120):
        solver.zero_grad()
        shared = sharing.trunk(x)
        out = sharing.branches(shared)
        loss = sum((out[t] - y[i]).square().mean() for i, t in enumerate(TASKS)) + sharing.penalty(shared)
        loss.backward()
        solver.step()
    chosen = torch.stack([(gate(x) > 1e-3).sum(1) for gate in sharing.gates])
    assert (chosen >= 1).all()
    # Gates of rows are continuous, so that rows between two choices keep more than k.
    assert (chosen <= 2).float().mean() >= (1.0 if gates == "static" else 0.7)


def test_more_than_there_are_cannot_be_chosen():
    with pytest.raises(ConfigError, match=r"model\.sharing\.k: 5 experts cannot be chosen out of 4; lower k"):
        made("dselect_k", experts=4, k=5)
