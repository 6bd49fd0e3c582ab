"""Tasks' own updates in a pretrained backbone."""

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from jointset.errors import ConfigError
from jointset.models.describe import describe
from jointset.models.encoders.huggingface import HuggingFaceText
from jointset.models.encoders.text_bag import TextBag
from jointset.models.joint import JointModel
from jointset.models.sharing.lora import Update
from jointset.records import Task
from jointset.training.optim import Optimizer, own_rates

TEXTS = ["a good book", "bad", "so so so good , a book to read twice", "bad book"]
TASKS = [Task("a", "binary", ("n", "y")), Task("b", "binary", ("n", "y")), Task("c", "regression")]
HIDDEN, LAYERS = 16, 2


@pytest.fixture(params=["lora", "adapters"])
def method(request):
    return request.param


def build(backbone, sharing="lora", options=None, **encoder):
    text = HuggingFaceText(path=str(backbone), max_length=8, **encoder)
    state = text.fit([])
    torch.manual_seed(0)
    model = JointModel(
        TASKS,
        {"text": text},
        {"text": state},
        sharing=sharing,
        options=options,
        width=8,
        depth=1,
        dropout=0.0,
    )
    arrays = text.prepare(pa.table({"body": TEXTS}), state)
    where = torch.arange(len(TEXTS))
    return model, {"text": (where, text.batch(arrays, np.arange(len(TEXTS))))}


def heads_alike(model):
    for head in model.heads[1:2]:
        head.load_state_dict(model.heads[0].state_dict())


def loss(model, batch):
    logits, _ = model(batch, len(TEXTS))
    return (
        logits["a"][:, 0].square().mean()
        + (logits["b"][:, 0] - 1).square().mean()
        + logits["c"].square().mean()
    )


def steps(model, batch, n=4, lr=0.05):
    solver = Optimizer(model, lr=lr, weight_decay=0.0, total_steps=100, warmup=0.0)
    model.train()
    for _ in range(n):
        solver.zero_grad()
        loss(model, batch).backward()
        solver.step()
    return model.eval()


def test_every_task_starts_from_the_backbone_as_it_is(backbone, method):
    plain, batch = build(backbone, "hard", frozen=True)
    own, _ = build(backbone, method)
    own.heads.load_state_dict(plain.heads.state_dict())
    own.sharing.layers.load_state_dict(plain.sharing.layers.state_dict())
    own.encoders["text"].out.load_state_dict(plain.encoders["text"].out.state_dict())
    with torch.no_grad():
        (first, hidden), (second, other) = (m.eval()(batch, len(TEXTS)) for m in (plain, own))
    for task in first:
        torch.testing.assert_close(first[task], second[task])
    torch.testing.assert_close(hidden, other)


def test_the_backbone_stands_still_and_tasks_go_ways_of_their_own(backbone, method):
    model, batch = build(backbone, method)
    heads_alike(model)
    before = copy.deepcopy(model.encoders["text"].state_dict())
    steps(model, batch)
    heads_alike(model)
    moved = {n for n, p in model.encoders["text"].state_dict().items() if not torch.equal(p, before[n])}
    assert moved and all("additions" in n or n.startswith("out.") for n in moved)
    logits, _ = model(batch, len(TEXTS))
    assert not torch.allclose(logits["a"], logits["b"])


def test_an_update_moves_for_its_own_task_only(backbone, method):
    model, batch = build(backbone, method)
    logits, _ = model(batch, len(TEXTS))
    logits["b"].square().sum().backward()
    for part in model.parts():
        if part.what in ("low-rank updates", "adapters"):
            grads = [p.grad is not None and bool(p.grad.any()) for p in part.parameters()]
            assert any(grads) == (part.tasks == ("b",))


def test_an_update_is_the_papers_formula():
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 4), torch.randn(3, 5, 6)
    update = Update(layer, 2, 8.0, 0.0)
    nn.init.normal_(update.up.weight)
    merged = layer.weight + 8.0 * update.up.weight @ update.down.weight
    torch.testing.assert_close(update(x, layer(x)), nn.functional.linear(x, merged, layer.bias))


@pytest.mark.parametrize(
    ("name", "options", "each"),
    [
        ("lora", {"rank": 3}, LAYERS * 2 * 3 * 2 * HIDDEN),  # query and value, in and out
        ("lora", {"rank": 2, "targets": ["key"]}, LAYERS * 2 * 2 * HIDDEN),
        ("adapters", {"size": 5}, LAYERS * 2 * (2 * 5 * HIDDEN + 5 + HIDDEN)),  # attention and feed-forward
    ],
)
def test_parameters_are_as_many_as_the_formula_says(backbone, name, options, each):
    entries = {e.what: e for e in describe(build(backbone, name, options)[0])}
    own = entries["low-rank updates" if name == "lora" else "adapters"]
    assert (own.count, own.tasks, own.parameters, own.learnt) == (3, (), 3 * each, 3 * each)
    text = entries["text encoder"]
    assert text.learnt == HIDDEN * 8 + 8  # the linear map behind it
    plain, _ = build(backbone, "hard")
    assert text.parameters == sum(p.numel() for p in plain.encoders.parameters())


def test_what_the_tasks_share_leaves_their_updates_out(backbone, method):
    model, _ = build(backbone, method)
    names = {id(p): n for n, p in model.named_parameters()}
    shared = {names[id(p)] for p in model.shared_parameters()}
    assert shared and not any("additions" in n or "backbone" in n or n.startswith("heads") for n in shared)
    assert {id(p) for m in model.shared_modules() for p in m.parameters(recurse=False)} == {
        id(p) for p in model.shared_parameters()
    }


def test_a_backbone_with_a_rate_learns_at_it(backbone, method):
    model, batch = build(backbone, method, backbone_lr=1e-4)
    rates = own_rates(model)
    assert rates and set(rates.values()) == {1e-4}
    assert not any("additions" in n for n in rates)
    before = copy.deepcopy(model.state_dict())
    steps(model, batch, n=2, lr=0.05)  # the first step leaves the products' inner side where it is
    change = {n: (p - before[n]).abs().max().item() for n, p in model.state_dict().items() if p.numel()}
    query = "encoders.text.backbone.encoder.layer.1.output.dense"
    name = query + (".base.weight" if method == "adapters" else ".weight")
    assert 0 < change[name] <= 2.1e-4
    assert max(v for n, v in change.items() if "additions" in n) > 1e-2


def test_a_frozen_backbone_has_no_rate(backbone):
    with pytest.raises(ConfigError, match="a frozen backbone has no backbone_lr"):
        build(backbone, frozen=True, backbone_lr=1e-5)


def test_without_a_backbone_there_is_nothing_to_adapt(method):
    bag = TextBag(bits=6)
    with pytest.raises(ConfigError, match=r"need a pretrained backbone.*\(text\); set model\.text\.encoder"):
        JointModel(TASKS, {"text": bag}, {"text": {}}, sharing=method, width=8)


def test_layers_that_are_not_there_are_told_with_those_that_are(backbone):
    with pytest.raises(ConfigError) as caught:
        build(backbone, options={"targets": ["querry"]})
    message = str(caught.value)
    assert (
        "no linear layer that ends in querry" in message and "self.query" in message and "\n" not in message
    )


def test_dropout_of_the_backbone_is_on_once_something_in_it_learns(backbone):
    frozen, batch = build(backbone, "hard", frozen=True)
    adapted, _ = build(backbone, "lora", frozen=True)
    for model, random in ((frozen, False), (adapted, True)):
        model.train()
        outs = [model.encoders["text"](**batch["text"][1]) for _ in range(2)]
        assert torch.equal(*outs) != random
