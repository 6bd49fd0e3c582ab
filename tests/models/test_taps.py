"""Tasks that read a stage of an encoder, and heads that only training uses."""

import dataclasses

import numpy as np
import pytest
import torch

from jointset.errors import ConfigError
from jointset.models.encoders import make_encoders
from jointset.models.taps import find_stages
from jointset.training.mixup import Mixup
from jointset.training.problem import ModelPlan

ENCODERS = make_encoders(
    {"tabular": ("mlp", {}), "text": ("bag", {}), "image": ("resnet", {"widths": (4, 8, 8)})}
)
STATES = {"tabular": {}, "text": {}, "image": {}}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("stage2", ("image.stage2",)),
        ("image.stem", ("image.stem",)),
        ("hidden", ("tabular.hidden",)),
        (1, ("tabular.columns", "image.stem")),
        (4, ("image.stage3",)),
    ],
)
def test_a_stage_is_found_by_name_or_number(given, found):
    assert find_stages("here", given, ENCODERS, STATES) == found


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("stage9", ["here: no stage 'stage9' (did you mean 'stage", "image.stage1, image.stage2"]),
        ("text.bag", ["no stage 'text.bag'"]),
        (0, ["no stage 0", "numbered from 1"]),
        (7, ["no stage 7"]),
    ],
)
def test_a_stage_that_is_not_there_is_told_with_those_that_are(given, parts):
    with pytest.raises(ConfigError) as caught:
        find_stages("here", given, ENCODERS, STATES)
    assert all(part in str(caught.value) for part in parts)


def test_an_encoder_of_one_stage_says_so():
    with pytest.raises(
        ConfigError, match=r"the encoders in use \(text\) have nothing to tap but their output"
    ):
        find_stages("here", 1, {"text": ENCODERS["text"]}, STATES)


def planned(problem, **plan):
    return dataclasses.replace(problem, plan=ModelPlan(width=16, **plan))


def run(model, problem, rows):
    return model.trunk(problem.inputs.batch(np.asarray(rows)), len(rows))


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.to_dense().any())}


def test_a_task_at_a_shallow_stage_leaves_the_deep_ones_alone(problem):
    model = planned(problem, taps={"risky": ("tabular.columns",)}).build(0)
    logits, _ = model.outputs(run(model, problem, range(20)))  # people have both modalities
    reached = gradients(model, logits["risky"].square().sum())
    assert any(n.startswith("encoders.tabular.embeddings") for n in reached)
    assert any(n.startswith("taps.maps") for n in reached)
    assert not any(
        n.startswith(("encoders.tabular.hidden", "encoders.tabular.out", "encoders.text")) for n in reached
    )
    assert not any(n.startswith("sharing") for n in reached)
    others = gradients(model, run_logits(model, problem)["level"].square().sum())
    assert not any(n.startswith("taps") for n in others) and "encoders.tabular.out.weight" in others


def run_logits(model, problem, rows=range(20)):
    return model.outputs(run(model, problem, rows))[0]


def test_a_row_without_the_stage_is_judged_by_the_trunk(bench, problem):
    posts = bench.work.pool.rows_of("posts")
    rows = np.arange(posts.start, posts.start + 6)
    torch.manual_seed(0)
    tapped = planned(problem, taps={"level": ("tabular.hidden",)}).build(0).eval()
    plain = planned(problem).build(0).eval()
    plain.load_state_dict({n: p for n, p in tapped.state_dict().items() if not n.startswith("taps")})
    assert torch.equal(run_logits(tapped, problem, rows)["level"], run_logits(plain, problem, rows)["level"])
    assert not torch.allclose(run_logits(tapped, problem)["level"], run_logits(plain, problem)["level"])
    both = [0, rows[0], 1]
    mixed = run_logits(tapped, problem, both)["level"]
    torch.testing.assert_close(mixed[[1]], run_logits(tapped, problem, rows[:1])["level"])


def test_two_stages_are_their_sum_over_the_root_of_two(problem):
    model = planned(problem, taps={"level": ("tabular.columns", "tabular.hidden")}).build(0).eval()
    trunk = run(model, problem, [0, 1])
    parts = [trunk.taps[s][0] for s in ("tabular.columns", "tabular.hidden")]
    read = model.taps.features("level", torch.zeros(2, 16), trunk.taps)
    torch.testing.assert_close(read, sum(parts) / 2**0.5)


def test_mixing_mixes_stages_and_who_has_them(bench, problem):
    model = planned(problem, taps={"risky": ("tabular.hidden",)}).build(0).eval()
    posts = bench.work.pool.rows_of("posts")
    rows = np.array([0, 1, posts.start])
    mixup = Mixup(torch.tensor([0.6, 0.7, 0.8]), torch.tensor([1, 2, 0]))
    batch = problem.inputs.batch(rows)
    plain = model.trunk(batch, 3).taps["tabular.hidden"][0]
    mixed, present = model.trunk(batch, 3, mixup.features).taps["tabular.hidden"]
    torch.testing.assert_close(mixed[0], 0.6 * plain[0] + 0.4 * plain[1])
    torch.testing.assert_close(mixed[2], 0.2 * plain[0])
    torch.testing.assert_close(present[:, 0], torch.tensor([1.0, 0.7, 0.2]))
    trunk = torch.ones(3, 16)
    read = model.taps.features("risky", trunk, {"tabular.hidden": (mixed, present)})
    torch.testing.assert_close(read[1], mixed[1] + 0.3)


def test_further_heads_learn_from_their_stage_and_predictions_do_without(problem):
    model = planned(problem, auxiliary={"level": ("tabular.hidden",), "price": ("tabular.columns",)}).build(0)
    trunk = run(model, problem, range(10))
    made = model.auxiliary(trunk)
    assert {t: [tuple(z.shape) for z, _ in heads] for t, heads in made.items()} == {
        "level": [(10, 3)],
        "price": [(10, 1)],
    }
    reached = gradients(model, made["level"][0][0].square().sum())
    assert any(n.startswith("encoders.tabular.hidden") for n in reached)
    assert not any(n.startswith(("heads", "sharing", "encoders.tabular.out")) for n in reached)
    plain = planned(problem).build(0).eval()
    model.eval()
    assert torch.equal(run_logits(model, problem)["level"], run_logits(plain, problem)["level"])


def test_columns_with_encoders_of_their_own_are_tapped_each(problem):
    plan = {"sharing": "soft", "options": {"encoders": "separate"}, "taps": {"risky": ("tabular.hidden",)}}
    model = planned(problem, **plan).build(0)
    reached = gradients(model, run_logits(model, problem)["risky"].square().sum())
    assert {n.split(".")[2] for n in reached if n.startswith("further.tabular")} == {
        "0"
    }  # risky is the second task
    assert not any(n.startswith("encoders.tabular") for n in reached)


def test_experts_with_encoders_of_their_own_are_tapped_at_the_first(problem):
    plan = {"sharing": "mmoe", "options": {"encoders": "separate"}, "taps": {"risky": ("tabular.hidden",)}}
    model = planned(problem, **plan).build(0)
    assert run(model, problem, [0, 1]).taps["tabular.hidden"][0].shape == (2, 16)


@pytest.mark.parametrize("modality", ["tabular", "text", "image", "audio"])
def test_stages_are_what_the_module_says(modality):
    names = {"text": ("cnn", {"bits": 4}), "image": ("resnet", {}), "tabular": ("mlp", {})}
    encoder = make_encoders({**names, "audio": ("melcnn", {"mels": 8})})[modality]
    states = {
        "text": {},
        "image": {"size": 8, "channels": 1},
        "tabular": {"numeric": {"x": [[0.0], [1.0]]}, "categories": {"c": ["u"]}},
        "audio": {"rate": 8000},
    }
    batches = {
        "text": {"ids": torch.tensor([[1, 2, 0], [3, 0, 0]])},
        "image": {"pixels": torch.randint(0, 255, (2, 1, 8, 8), dtype=torch.uint8)},
        "tabular": {"numbers": torch.randn(2, 2), "categories": torch.zeros(2, 1, dtype=torch.long)},
        "audio": {
            "mel": torch.randint(0, 255, (2, 9, 8), dtype=torch.uint8),
            "lengths": torch.tensor([9, 4]),
        },
    }
    module = encoder.module(states[modality], 6).eval()
    names = encoder.stages(states[modality])
    assert tuple(module.stage_widths) == names and len(names) > 1
    out, found = module.staged(names, **batches[modality])
    assert torch.equal(out, module(**batches[modality]))
    assert {n: tuple(x.shape) for n, x in found.items()} == {n: (2, module.stage_widths[n]) for n in names}
    assert module.staged(names[:1], **batches[modality])[1].keys() == {names[0]}


def test_hidden_states_of_a_backbone_are_stages(backbone):
    encoder = make_encoders({"text": ("huggingface", {"path": str(backbone)})})["text"]
    state = encoder.fit([])
    assert encoder.stages(state) == ("embeddings", "layer1", "layer2")
    module = encoder.module(state, 6).eval()
    ids = torch.tensor([[2, 4, 3], [2, 5, 0]])
    mask = ids > 0
    out, found = module.staged(("embeddings", "layer2"), ids, mask)
    assert torch.equal(out, module(ids, mask))
    torch.testing.assert_close(module.out(found["layer2"]), out)
    assert found["embeddings"].shape == (2, 16)
