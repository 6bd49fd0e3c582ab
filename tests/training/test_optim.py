"""The optimiser: Adam on dense gradients, the same on rows of sparse ones, a state that goes on exactly."""

import pytest
import torch
from torch import nn

from jointset.training.average import WeightAverage
from jointset.training.optim import LazyAdam, Optimizer, schedule, sparse_names


class Bag(nn.Module):
    sparse_parameters = ("bag.weight",)

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(6, 3, mode="sum", sparse=True)
        self.out = nn.Linear(3, 2)

    def forward(self, ids):
        return self.out(self.bag(ids))


def model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.ModuleDict({"encoder": Bag()})


def settings(**changes):
    return {"lr": 0.1, "weight_decay": 0.01, "total_steps": 20, "warmup": 0.1, **changes}


def run(net, optimizer, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        ids = torch.randint(0, 6, (4, 2), generator=generator)
        optimizer.zero_grad()
        net["encoder"](ids).square().mean().backward()
        optimizer.step()


def test_schedule_rises_and_falls_linearly():
    values = [schedule(s, 100, 0.1) for s in range(101)]
    assert values[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert values[10:] == pytest.approx([(100 - s) / 90 for s in range(10, 101)])


@pytest.mark.parametrize(("total", "warmup"), [(1, 0.0), (1, 0.9), (3, 0.1)])
def test_schedule_of_few_steps_is_positive(total, warmup):
    assert all(0 < schedule(s, total, warmup) <= 1 for s in range(total))


def test_schedule_stays_at_zero_after_its_end():
    assert schedule(30, 20, 0.1) == 0.0


def test_names_of_sparse_parameters_are_full():
    assert sparse_names(model()) == {"encoder.bag.weight"}


def test_lazy_adam_is_sparse_adam_of_torch():
    ours, theirs = model(), model()
    lazy = LazyAdam(ours["encoder"].bag.weight)
    peer = torch.optim.SparseAdam([theirs["encoder"].bag.weight], lr=0.1)
    for ids in ([[0, 1], [1, 2]], [[0, 5], [5, 5]], [[3, 3], [1, 0]]):
        for net in (ours, theirs):
            net.zero_grad()
            net["encoder"](torch.tensor(ids)).square().mean().backward()
        lazy.step(0.1)
        peer.step()
    assert torch.allclose(ours["encoder"].bag.weight, theirs["encoder"].bag.weight, atol=1e-6)


def test_lazy_adam_on_a_dense_gradient_is_adam():
    ours, theirs = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4, 3))
    lazy, peer = LazyAdam(ours), torch.optim.Adam([theirs], lr=0.1)
    for step in range(3):
        for parameter in (ours, theirs):
            parameter.grad = torch.arange(1.0, 13.0).reshape(4, 3) * (step - 0.5)
        lazy.step(0.1)
        peer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_only_rows_of_the_batch_change():
    net = model()
    optimizer = Optimizer(net, **settings(warmup=0.0, sparse_weight_decay=1.0))
    before = net["encoder"].bag.weight.detach().clone()
    net["encoder"](torch.tensor([[1, 4]])).sum().backward()
    optimizer.step()
    changed = (net["encoder"].bag.weight != before).any(1)
    assert changed.tolist() == [False, True, False, False, True, False]


def test_dense_parameters_follow_adamw():
    ours, theirs = model(), model()
    optimizer = Optimizer(ours, **settings(warmup=0.0, total_steps=10**9, sparse_lr=1.0))
    linear = theirs["encoder"].out
    decayed, other = [linear.weight], [linear.bias]
    peer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": other, "weight_decay": 0.0}], lr=0.1
    )
    lazy = torch.optim.SparseAdam([theirs["encoder"].bag.weight], lr=0.1)
    for _ in range(3):
        for net in (ours, theirs):
            net.zero_grad()
            net["encoder"](torch.tensor([[0, 1], [2, 3]])).square().mean().backward()
        optimizer.step()
        peer.step()
        lazy.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_extra_tensors_are_learnt_and_not_decayed():
    extra = torch.zeros(2, 2, requires_grad=True)
    still = torch.ones(2, 2, requires_grad=True)
    optimizer = Optimizer(nn.Linear(1, 1), extra=[extra, still], **settings(weight_decay=0.5))
    extra.sum().backward()
    still.grad = torch.zeros(2, 2)
    optimizer.step()
    assert bool((extra < 0).all()) and torch.equal(still.detach(), torch.ones(2, 2))


def test_a_rate_of_its_own_follows_the_same_schedule_and_the_nearest_holds():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 1))
    model.learning_rates = {"0": 1e-4}
    model[0].learning_rates = {"1": None}
    optimizer = Optimizer(model, lr=0.1, weight_decay=0.0, total_steps=4, warmup=0.0)
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()  # Adam's first step is the rate, in the gradient's direction
    moved = [(p - q).abs().max().item() for p, q in zip(model.parameters(), before, strict=True)]
    assert moved == pytest.approx([1e-4, 1e-4, 0.1, 0.1, 0.1, 0.1], rel=1e-3)
    optimizer.step()
    assert sorted({g["lr"] for g in optimizer.adamw.param_groups}) == pytest.approx([0.75e-4, 0.075])


def test_the_average_leaves_out_what_is_frozen():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    average = WeightAverage(model, decay=0.5)
    assert set(average.tensors()) == {"average.1.weight", "average.1.bias", "steps"}
    with average.in_place():
        assert torch.isfinite(model(torch.ones(1, 2))).all()


def test_a_parameter_without_gradient_stays():
    net = model()
    optimizer = Optimizer(net, **settings())
    before = [p.detach().clone() for p in net.parameters()]
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), before, strict=True))


def test_restored_state_goes_on_exactly():
    whole = model()
    run(whole, Optimizer(whole, **settings()), 5, seed=1)
    first = model()
    optimizer = Optimizer(first, **settings())
    run(first, optimizer, 5, seed=1)
    tensors = {k: v.clone() for k, v in optimizer.tensors().items()}
    second = model(seed=7)
    second.load_state_dict(first.state_dict())
    again = Optimizer(second, **settings())
    again.restore(tensors)
    run(first, optimizer, 5, seed=2)
    run(second, again, 5, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_state_survives_a_safetensors_file(tmp_path):
    from safetensors.torch import load_file, save_file

    net = model()
    optimizer = Optimizer(net, **settings())
    run(net, optimizer, 3)
    save_file(optimizer.tensors(), tmp_path / "state.safetensors")
    again = Optimizer(net, **settings())
    again.restore(load_file(tmp_path / "state.safetensors"))
    before, after = optimizer.tensors(), again.tensors()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)


def test_a_model_of_sparse_parameters_only_can_be_trained():
    bag = nn.EmbeddingBag(3, 1, mode="sum", sparse=True)
    bag.sparse_parameters = ("weight",)
    optimizer = Optimizer(bag, **settings(warmup=0.0, sparse_lr=2.0))
    before = bag.weight.detach().clone()
    bag(torch.tensor([[0]])).sum().backward()
    optimizer.step()
    assert float((before - bag.weight)[0].detach()) == pytest.approx(0.2)
