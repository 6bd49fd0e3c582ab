"""Learnt structure: policies and trees."""

import pytest
import torch
from torch import nn

from jointset.models.sharing import SHARINGS
from jointset.models.sharing.adashare import AdaShare
from jointset.models.sharing.branching import Branching

TASKS = ["a", "b", "c"]
WIDTH = 6


def made(name, depth=3, **options):
    torch.manual_seed(0)
    sharing = SHARINGS[name](TASKS, width=WIDTH, depth=depth, dropout=0.0, **options)
    for n, parameter in sharing.named_parameters():
        if not n.endswith("change"):
            nn.init.normal_(parameter, std=0.4)
    return sharing


def hard_like(sharing):
    hard = SHARINGS["hard"](TASKS, width=WIDTH, depth=len(sharing.layers), dropout=0.0)
    hard.layers.load_state_dict(sharing.layers.state_dict())
    return hard


@pytest.mark.parametrize("training", [True, False])
def test_adashare_starts_as_hard_sharing(training):
    sharing = made("adashare").train(training)
    sharing.advance(0.0, 20)
    x = torch.randn(5, WIDTH)
    for task, out in hard_like(sharing)(x).items():
        torch.testing.assert_close(sharing(x)[task], out)
    assert sharing.penalty(sharing.trunk(x)) is None


def test_layers_are_put_up_for_choice_from_the_last_to_the_first():
    sharing = made("adashare", warmup=2.0).train()
    odds = torch.full((3,), -50.0)
    used = {}
    for epoch in (1.9, 2.1, 4.1, 6.1, 30.0):
        sharing.advance(epoch, 40)
        used[epoch] = sharing.use(odds).round().tolist()
    assert used == {1.9: [1, 1, 1], 2.1: [1, 1, 0], 4.1: [1, 0, 0], 6.1: [0, 0, 0], 30.0: [0, 0, 0]}


def test_policies_are_zero_or_one_when_predicting_and_near_it_at_the_end():
    sharing = made("adashare", cold=0.1)
    torch.manual_seed(1)
    odds = torch.randn(10_000) * 2

    def doubtful(epoch):
        sharing.advance(epoch, 10)
        p = sharing.train().use(odds)
        assert ((p >= 0) & (p <= 1)).all()
        return ((p > 0.1) & (p < 0.9)).float().mean()

    sharing.layers.extend([nn.Identity()] * (10_000 - 3))  # as many layers as odds
    sharing.warmup = 0.0
    assert doubtful(1.0) > 0.5 and doubtful(10.0) < 0.15
    p = sharing.eval().use(odds)
    assert set(p.tolist()) == {0.0, 1.0} and torch.equal(p == 1, odds >= 0)


def test_the_draw_is_unbiased_in_the_sense_of_gumbel():
    sharing = AdaShare(TASKS, width=WIDTH, depth=1, dropout=0.0, warmup=0.0).train()
    sharing.temperature = 0.05
    torch.manual_seed(0)
    odds = torch.tensor([0.8])
    share = torch.stack([sharing.use(odds).round() for _ in range(4000)]).mean()
    assert share.item() == pytest.approx(torch.sigmoid(odds).item(), abs=0.03)


def test_skipped_layers_change_nothing_and_others_are_run():
    sharing = made("adashare").eval()
    with torch.no_grad():
        sharing.policies[1].change.copy_(torch.tensor([1.0, -1.0, -1.0]))
        sharing.policies[2].change.fill_(-1.0)
    x = torch.randn(5, WIDTH)
    out = sharing(x)
    torch.testing.assert_close(out["b"], sharing.layers[0](x))
    assert torch.equal(out["c"], x)


def test_sparsity_lowers_all_policies_and_sharing_draws_them_together():
    x = torch.randn(2, WIDTH)
    sparse = made("adashare", warmup=0.0, sparsity=1.0, sharing=0.0)
    sparse.penalty(sparse.trunk(x)).backward()
    assert all((policy.change.grad > 0).all() for policy in sparse.policies)
    near = made("adashare", warmup=0.0, sparsity=0.0, sharing=1.0)
    assert near.penalty(near.trunk(x)).item() == 0.0
    with torch.no_grad():
        near.policies[0].change[0] = -1.0
    near.penalty(near.trunk(x)).backward()
    assert near.policies[0].change.grad[0] < 0 < near.policies[1].change.grad[0]


def test_a_policy_learns_which_layers_serve_its_task():
    torch.manual_seed(0)
    sharing = AdaShare(
        ["in", "out"], width=WIDTH, depth=1, dropout=0.0, warmup=0.0, sparsity=0.02, sharing=0.0
    )
    x = torch.randn(128, WIDTH)
    deep = x + torch.relu(x @ torch.randn(WIDTH, WIDTH))
    solver = torch.optim.Adam(sharing.parameters(), lr=0.02)
    for step in range(200):
        sharing.advance(step / 20, 10)
        solver.zero_grad()
        shared = sharing.trunk(x)
        out = sharing.branches(shared)
        loss = (out["in"] - deep).square().mean() + (out["out"] - x).square().mean()
        (loss + sharing.penalty(shared)).backward()
        solver.step()
    assert sharing.eval().use(sharing.log_odds()).tolist() == [[1.0], [0.0]]


def test_one_node_a_level_is_hard_sharing():
    sharing = made("branching", nodes=1)
    hard = SHARINGS["hard"](TASKS, width=WIDTH, depth=3, dropout=0.0)
    for layer, level in zip(hard.layers, sharing.levels, strict=True):
        layer.load_state_dict(level[0][0].state_dict())
    x = torch.randn(5, WIDTH)
    for training in (True, False):
        out = sharing.train(training)(x)
        for task, expected in hard(x).items():
            torch.testing.assert_close(out[task], expected)


def test_predictions_follow_the_likeliest_tree():
    sharing = made("branching", depth=2, nodes=2).eval()
    with torch.no_grad():
        sharing.parents[0][0].change.copy_(torch.tensor([0.0, 1.0]))
        sharing.parents[0][1].change.copy_(torch.tensor([1.0, 0.0]))
        for leaf, node in zip(sharing.leaves, (0, 1, 1), strict=True):
            leaf.change.copy_(torch.eye(2)[node])
    assert sharing.tree() == [[1, 0], [0, 1, 1]]
    x = torch.randn(5, WIDTH)
    out = sharing(x)
    (low, other), (top, side) = sharing.levels
    torch.testing.assert_close(out["a"], top(other(x)))
    torch.testing.assert_close(out["b"], side(low(x)))
    assert torch.equal(out["b"], out["c"])


def test_a_training_step_runs_a_tree_drawn_for_all_rows():
    sharing, x = made("branching", depth=1, nodes=3).train(), torch.randn(5, WIDTH)
    nodes = [node(x) for node in sharing.levels[0]]
    seen = set()
    for _ in range(60):
        out = sharing(x)["a"]
        (number,) = [i for i, node in enumerate(nodes) if torch.allclose(out, node, atol=1e-5)]
        seen.add(number)
    assert seen == {0, 1, 2}


def test_the_entropy_of_settled_choices_is_zero():
    sharing = made("branching", entropy=1.0)
    start = sharing.penalty(()).item()
    assert start == pytest.approx(torch.log(torch.tensor(3.0)).item(), abs=1e-3)
    with torch.no_grad():
        for parameter in (p for n, p in sharing.named_parameters() if n.endswith("change")):
            parameter.copy_(torch.tensor([9.0, 0.0, 0.0]))
    assert sharing.penalty(()).item() == pytest.approx(0.0, abs=1e-6)


def test_tasks_that_disagree_end_on_different_branches():
    torch.manual_seed(0)
    sharing = Branching(["a", "twin", "b"], width=WIDTH, depth=1, dropout=0.0, nodes=2, entropy=0.05)
    x = torch.randn(128, WIDTH)
    one, other = (torch.tanh(x @ torch.randn(WIDTH, WIDTH)) for _ in range(2))
    solver = torch.optim.Adam(sharing.parameters(), lr=0.02)
    for step in range(250):
        sharing.advance(step / 25, 10)
        solver.zero_grad()
        out = sharing(x)
        loss = sum((out[t] - y).square().mean() for t, y in (("a", one), ("twin", one), ("b", other)))
        (loss + sharing.penalty(())).backward()
        solver.step()
    a, twin, b = sharing.tree()[0]
    assert a == twin != b
