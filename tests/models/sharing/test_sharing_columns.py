"""Columns: what their papers promise of stitches, penalties, factors and a shared start."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from jointset.errors import ConfigError
from jointset.models.sharing import SHARINGS
from jointset.models.sharing.tensor_factors import Factored
from jointset.models.sharing.trace_norm import trace_norm

TASKS = ["a", "b", "c"]
WIDTH = 6


def made(name, depth=2, seed=0, **options):
    torch.manual_seed(seed)
    return SHARINGS[name](TASKS, width=WIDTH, depth=depth, dropout=0.0, **options)


def stirred(module, seed=1):
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def columns(*names, depth=2, **options):
    """Structures of the given names whose columns have the same weights, unlike one another."""
    first = stirred(made("soft", depth).layers)
    found = []
    for name in names:
        sharing = made(name, depth, **options.get(name, {}))
        sharing.layers.load_state_dict(first.state_dict())
        found.append(sharing.eval())
    return found


@pytest.mark.parametrize("name", ["cross_stitch", "nddr", "sluice"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_with_the_identity_for_a_start_columns_are_separate_networks(name, depth):
    stitched, apart = columns(name, "soft", depth=depth, **{name: {"same": 1.0}})
    x = torch.randn(3, 5, WIDTH)
    for task in TASKS:
        torch.testing.assert_close(stitched(x)[task], apart(x)[task])


@pytest.mark.parametrize("name", ["nddr", "sluice"])
def test_relatives_of_cross_stitch_start_as_it_does(name):
    one, other = columns("cross_stitch", name)
    x = torch.randn(3, 5, WIDTH)
    for task in TASKS:
        torch.testing.assert_close(one(x)[task], other(x)[task])


def test_a_stitch_is_the_papers_formula():
    sharing = stirred(made("cross_stitch", depth=1)).eval()
    x = torch.randn(3, 5, WIDTH)
    passed = [column[0](own) for column, own in zip(sharing.layers, x, strict=True)]
    alpha = sharing.units[0].start + sharing.units[0].change
    for t, task in enumerate(TASKS):
        expected = sum(alpha[t, s] * passed[s] for s in range(3))
        torch.testing.assert_close(sharing(x)[task], expected)


def test_stitches_by_feature_have_one_weight_a_feature():
    sharing = made("cross_stitch", by="feature")
    assert sharing.units[0].alpha.shape == (3, 3, WIDTH)
    plain, x = made("cross_stitch"), torch.randn(4, WIDTH)
    torch.testing.assert_close(sharing(x)["b"], plain(x)["b"])


def test_sluice_keeps_subspaces_apart_and_wants_them_equal():
    sharing = made("sluice", depth=1)
    last = sharing.layers[0][0][-1].weight
    with torch.no_grad():
        last.copy_(torch.eye(WIDTH))
    assert sharing.penalty(()).item() == pytest.approx(0.0)
    with torch.no_grad():
        last.copy_(torch.ones(WIDTH, WIDTH))  # G1 G2ᵀ is (3, 3) of 6
    assert sharing.penalty(()).item() == pytest.approx(0.01 * 9 * 36)
    with pytest.raises(ConfigError, match=r"model\.sharing\.subspaces: a width of 6 cannot be cut into 4"):
        made("sluice", subspaces=4)


def test_the_distance_is_that_of_the_formula_and_zero_at_the_start():
    sharing = made("soft", strength=3.0)
    assert sharing.penalty(()).item() == pytest.approx(0.0, abs=1e-10)
    stirred(sharing.layers)
    theta = np.stack([np.concatenate([p.detach().ravel() for p in c.parameters()]) for c in sharing.layers])
    expected = 1.5 * ((theta - theta.mean(0)) ** 2).sum()
    assert sharing.penalty(()).item() == pytest.approx(expected, rel=1e-5)


def minimise(sharing, loss):
    """Put a quadratic ``loss`` at its minimum: gradients at zero and along every axis give the Newton step."""
    vector = nn.utils.parameters_to_vector(sharing.parameters()).detach()

    def gradient(theta):
        nn.utils.vector_to_parameters(theta, sharing.parameters())
        sharing.zero_grad()
        loss().backward()
        return torch.cat([p.grad.ravel() for p in sharing.parameters()])

    zero = gradient(torch.zeros_like(vector))
    hessian = torch.stack([gradient(axis) - zero for axis in torch.eye(len(vector), dtype=vector.dtype)])
    nn.utils.vector_to_parameters(-torch.linalg.pinv(hessian) @ zero, sharing.parameters())


def test_a_large_distance_penalty_is_hard_sharing_and_none_is_apart():
    torch.manual_seed(2)
    x, targets = torch.randn(40, WIDTH).double(), torch.randn(3, 40, WIDTH).double()

    def fitted(tasks, strength):
        sharing = SHARINGS["soft"](tasks, width=WIDTH, depth=0, dropout=0.0, strength=strength).double()

        def loss():
            out = [*sharing(x).values()] * (3 // len(tasks))
            fit = sum((o - y).square().mean() for o, y in zip(out, targets, strict=True))
            return fit + sharing.penalty(())

        minimise(sharing, loss)
        return [y.detach() for y in sharing(x).values()]

    (one,), tied, free = fitted(["all"], 0.0), fitted(TASKS, 1e5), fitted(TASKS, 0.0)
    design = torch.cat([x, torch.ones(40, 1)], 1)
    for t in range(3):
        torch.testing.assert_close(tied[t], one, atol=1e-4, rtol=0)
        best = design @ torch.linalg.lstsq(design, targets[t]).solution
        torch.testing.assert_close(free[t], best, atol=1e-6, rtol=0)


def test_penalties_reach_encoders_of_the_columns_but_not_sparse_tables():
    class Table(nn.Module):
        sparse_parameters = ("bag.weight",)

        def __init__(self):
            super().__init__()
            self.bag, self.out = nn.EmbeddingBag(5, 4, sparse=True), nn.Linear(4, WIDTH)

    encoders = [Table() for _ in TASKS]
    for name in ("soft", "trace_norm"):
        penalty = made(name).penalty((), [encoders])
        for encoder in encoders:
            encoder.zero_grad()
        penalty.backward()
        assert all(e.bag.weight.grad is None for e in encoders)
        assert all(e.out.weight.grad.any() for e in encoders)


@pytest.mark.parametrize("shape", [(3, 20), (8, 5), (1, 4)])
def test_the_trace_norm_and_its_gradient_are_those_of_the_singular_values(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    other = matrix.detach().clone().requires_grad_()
    value, expected = trace_norm(matrix), torch.linalg.svdvals(other).sum()
    assert value.item() == pytest.approx(expected.item())
    value.backward()
    expected.backward()
    torch.testing.assert_close(matrix.grad, other.grad)


def test_the_trace_norm_of_equal_columns_pulls_along_their_common_direction_only():
    row = torch.randn(1, 9)
    matrix = row.repeat(3, 1).requires_grad_()
    value = trace_norm(matrix)
    assert value.item() == pytest.approx(3**0.5 * row.norm().item(), rel=1e-5)
    value.backward()
    torch.testing.assert_close(matrix.grad, (row / row.norm() / 3**0.5).repeat(3, 1))


def test_every_unfolding_counts_in_the_tucker_form():
    sharing = stirred(made("trace_norm", depth=0, strength=1.0, unfolding="each"))
    stacked = torch.stack([c[0].weight for c in sharing.layers])
    expected = sum(
        torch.linalg.matrix_norm(stacked.movedim(axis, 0).flatten(1), "nuc").item() for axis in range(3)
    )
    assert sharing.penalty(()).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["last", "tucker", "tt"])
def test_factors_make_the_weights_that_the_paper_says(form):
    torch.manual_seed(0)
    layer = Factored(3, 4, form, 2)
    f = {n: p.detach().double().numpy() for n, p in layer.factors.items()}
    made = np.zeros((3, 4, 4))
    for t, o, i in np.ndindex(3, 4, 4):
        if form == "last":
            made[t, o, i] = sum(f["basis"][r, o, i] * f["mix"][r, t] for r in range(2))
        elif form == "tucker":
            made[t, o, i] = sum(
                f["core"][a, b, c] * f["out"][o, a] * f["into"][i, b] * f["mix"][c, t]
                for a, b, c in np.ndindex(2, 2, 2)
            )
        else:
            made[t, o, i] = f["out"][o] @ f["middle"][:, i] @ f["mix"][:, t]
    np.testing.assert_allclose(layer.weights().detach().numpy(), made, atol=1e-6)
    unfolded = layer.weights().detach().flatten(1)
    assert torch.linalg.matrix_rank(unfolded) <= 2


@pytest.mark.parametrize("form", ["last", "tucker", "tt"])
def test_factored_trunks_start_as_the_identity_and_all_factors_learn(form):
    sharing, x = made("tensor_factors", form=form, rank=3), torch.randn(5, WIDTH)
    torch.testing.assert_close(sharing(x)["c"], x)
    solver = torch.optim.Adam(sharing.parameters(), lr=0.01)
    before = copy.deepcopy(sharing.state_dict())
    for _ in range(3):
        solver.zero_grad()
        sum((z - t).square().mean() for t, z in enumerate(sharing(x).values())).backward()
        solver.step()
    after = sharing.state_dict()
    assert all(not torch.equal(before[n], after[n]) for n in before if "norms" not in n)


class Encoder(nn.Module):
    """One with a buffer that training changes."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(4, WIDTH), nn.BatchNorm1d(WIDTH)

    def forward(self, x):
        return self.norm(self.linear(x))


def test_a_shared_start_keeps_columns_equal_to_one_network_and_then_they_part():
    sharing = made("shared_init", depth=1, warmup=2.0)
    stirred(sharing.layers[0])
    for other in sharing.layers[1:]:
        other.load_state_dict(sharing.layers[0].state_dict())
    torch.manual_seed(4)
    encoders = [Encoder()]
    encoders += [copy.deepcopy(encoders[0]) for _ in TASKS[1:]]
    alone = copy.deepcopy(nn.Sequential(encoders[0], *sharing.layers[0]))
    x, y = torch.randn(30, 4), torch.randn(3, 30, WIDTH)
    solver = torch.optim.AdamW(
        [*sharing.parameters(), *(p for e in encoders for p in e.parameters())], lr=0.02
    )
    single = torch.optim.AdamW(alone.parameters(), lr=0.02)

    def step(epoch):
        sharing.advance(epoch, 10)
        solver.zero_grad()
        rows = torch.stack([e(x) for e in encoders[: sharing.active()]])
        out = sharing(rows if len(rows) > 1 else rows[0])
        sum((out[t] - y[i]).square().mean() for i, t in enumerate(TASKS)).backward()
        sharing.before_step([encoders])
        solver.step()

    for epoch in (0.0, 0.6, 1.2, 1.8):
        step(epoch)
        single.zero_grad()
        made_alone = alone(x)
        sum((made_alone - own).square().mean() for own in y).backward()
        single.step()
        states = [nn.ModuleList([e, c]).state_dict() for e, c in zip(encoders, sharing.layers, strict=True)]
        for other in states[1:]:
            assert all(torch.equal(other[n], states[0][n]) for n in states[0])
    for mine, theirs in zip(states[0].values(), alone.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    assert [p.tasks for p in sharing.parts()] == [tuple(TASKS), (), ()]
    step(2.0)
    assert [p.tasks for p in sharing.parts()] == [(t,) for t in TASKS]
    assert not torch.equal(sharing.layers[0][0][1].weight, sharing.layers[1][0][1].weight)
    assert not torch.equal(encoders[0].linear.weight, encoders[2].linear.weight)


def test_predictions_use_all_columns_whatever_the_phase():
    sharing = made("shared_init", warmup=5.0)
    stirred(sharing)
    sharing.advance(0.0, 10)
    x = torch.randn(2, WIDTH)
    assert torch.equal(*(sharing.train()(x)[t] for t in "ab"))
    assert not torch.equal(*(sharing.eval()(x)[t] for t in "ab"))
