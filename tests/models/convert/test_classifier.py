"""A task as a classifier of transformers says what the joint model says."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset.errors import DataError, InternalError, RunError
from jointset.models.convert import huggingface
from jointset.models.grouped import TaskGroup
from jointset.records import Task

TEXTS = ["a good book", "bad", "so so so good , a book to read twice", "", "bad book unheard of"]
TABLES = {"posts": pa.table({"body": TEXTS})}
GROUPS = (TaskGroup(("mood", "topics", "price")), TaskGroup(("urgent",), ("mood",)))
INPUTS = {"posts": {"text": ["body"]}}


@pytest.fixture
def text_model(saved, backbone):
    def make(folder=backbone, inputs=INPUTS, tables=TABLES, **plan):
        return saved(
            {"text": ("huggingface", {"path": str(folder), "max_length": 8})}, tables, inputs, **plan
        )

    return make


def loaded(folder, **options):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, told = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True, **options
    )
    assert not told["missing_keys"] and not told["unexpected_keys"]
    return model.eval(), tokenizer


def differs(model, task, folder, **options):
    """How far the written classifier is from the joint model, in deviations for numbers."""
    classifier, tokenizer = loaded(folder, **options)
    expected = model.outputs(TABLES["posts"])[task]
    found = huggingface.outputs(classifier, tokenizer, TEXTS)
    assert np.abs(expected - expected.mean(0)).max() > 1e-3  # it says different things of different texts
    return np.abs(found - expected).max() / (7.5 if task == "price" else 1.0)


@pytest.mark.parametrize(
    ("plan", "task"),
    [
        ({"sharing": "hard", "depth": 2}, "mood"),
        ({"sharing": "hard", "depth": 0}, "price"),
        ({"sharing": "lora", "depth": 1, "options": {"rank": 2}}, "urgent"),
        ({"sharing": "adapters", "depth": 1, "options": {"size": 3}}, "topics"),
        ({"sharing": "soft", "depth": 0, "options": {"encoders": "separate"}}, "urgent"),
        ({"sharing": "shared_init", "depth": 2}, "price"),
        ({"sharing": "mmoe", "taps": {"urgent": ("text.embeddings", "text.layer1")}}, "urgent"),
        ({"sharing": "lora", "depth": 1, "taps": {"topics": ("text.layer2",)}}, "topics"),
        ({"sharing": "hard", "depth": 1, "groups": GROUPS}, "urgent"),
    ],
    ids=lambda p: p if isinstance(p, str) else f"{p['sharing']}-{p.get('depth', 'tap')}",
)
def test_the_classifier_says_the_same(text_model, tmp_path, plan, task):
    model = text_model(**plan)
    out = huggingface.write(model, task, tmp_path / "out", texts=TEXTS)
    assert differs(model, task, out, trust_remote_code=True) < 1e-4
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    given = next(t for t in model.tasks if t.name == task)
    assert list(config["id2label"].values()) == list(given.classes or (task,))
    assert config["label2id"] == {n: i for i, n in enumerate(given.classes or (task,))}
    assert config["problem_type"] == huggingface.PROBLEMS[given.kind]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "trust_remote_code=True" in card and "modeling_jointset.py" in card
    assert (out / "modeling_jointset.py").is_file()


def test_it_goes_on_learning(text_model, tmp_path):
    model = text_model(depth=1)
    out = huggingface.write(model, "topics", tmp_path / "out")
    classifier, tokenizer = loaded(out, trust_remote_code=True)
    encoded = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    made = classifier(**encoded, labels=torch.ones(len(TEXTS), 4))
    made.loss.backward()
    assert made.loss > 0 and classifier.backbone.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.fixture(scope="module")
def eurobert(tmp_path_factory, backbone):
    """The folder of a tiny random EuroBERT, with the tokenizer of the tiny BERT."""
    import shutil

    from transformers import EuroBertConfig, EuroBertModel

    folder = tmp_path_factory.mktemp("eurobert")
    for file in backbone.glob("token*"):
        shutil.copy(file, folder)
    config = EuroBertConfig(
        vocab_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        mask_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        EuroBertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("task", ["mood", "price"])
def test_where_the_backbones_own_class_says_the_same_it_is_used(text_model, eurobert, tmp_path, task):
    model = text_model(folder=eurobert, sharing="hard", depth=0)
    out = huggingface.write(model, task, tmp_path / "out", texts=TEXTS)
    assert differs(model, task, out) < 1e-4
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["EuroBertForSequenceClassification"]
    assert not list(out.glob("*.py")) and "no code" in (out / "README.md").read_text(encoding="utf-8")


def test_with_layers_between_it_is_not(text_model, eurobert, tmp_path):
    model = text_model(folder=eurobert, sharing="hard", depth=1)
    out = huggingface.write(model, "mood", tmp_path / "out")
    assert differs(model, "mood", out, trust_remote_code=True) < 1e-4
    assert (out / "modeling_jointset.py").is_file()


def test_what_a_loss_adds_is_part_of_the_classifier(text_model, tmp_path):
    loss = {"name": "logit_adjustment", "tau": 1.0}
    model = text_model(tasks=(Task("mood", "multiclass", ("sad", "so so", "glad"), loss=loss),))
    assert (
        differs(model, "mood", huggingface.write(model, "mood", tmp_path / "out"), trust_remote_code=True)
        < 1e-4
    )


def test_what_no_classifier_says_is_refused(text_model, saved, tmp_path):
    model = text_model(sharing="mmoe")
    with pytest.raises(RunError, match=r"MMoE sharing mixes layers of several tasks.*--format onnx"):
        huggingface.write(model, "mood", tmp_path / "out")
    with pytest.raises(DataError, match=r"no task 'moood' \(did you mean 'mood'\?\); one of mood, urgent"):
        huggingface.write(model, "moood", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("loss", ["focal", "ldam"])
def test_a_loss_that_bends_probabilities_is_refused(text_model, tmp_path, loss):
    model = text_model(tasks=(Task("mood", "multiclass", ("a", "b"), loss={"name": loss}),))
    with pytest.raises(RunError, match=f"the loss {loss} turns scores into probabilities"):
        huggingface.write(model, "mood", tmp_path / "out")


def test_a_run_without_a_backbone_or_with_more_than_text_is_refused(saved, backbone, tmp_path):
    bag = saved({"text": ("bag", {"bits": 6})}, TABLES, INPUTS)
    with pytest.raises(RunError, match=r"needs model.text.encoder: huggingface, found text bag"):
        huggingface.write(bag, "mood", tmp_path / "out")


def test_rows_that_always_have_more_than_text_are_refused(text_model, backbone, saved, tmp_path):
    tables = {"posts": TABLES["posts"].append_column("age", pa.array([1.0, 2.0, 3.0, 4.0, 5.0]))}
    model = saved(
        {"text": ("huggingface", {"path": str(backbone)}), "tabular": None},
        tables,
        {"posts": {"text": ["body"], "tabular": ["age"]}},
    )
    with pytest.raises(RunError, match="no dataset has text alone"):
        huggingface.write(model, "mood", tmp_path / "out")


def test_rows_that_may_have_more_than_text_are_said_for_text_alone(saved, backbone, tmp_path):
    tables = {**TABLES, "people": pa.table({"note": TEXTS, "age": [1.0, 2.0, 3.0, 4.0, 5.0]})}
    model = saved(
        {
            "text": ("huggingface", {"path": str(backbone), "max_length": 8}),
            "tabular": ("mlp", {"hidden": 4}),
        },
        tables,
        {**INPUTS, "people": {"text": ["note"], "tabular": ["age"]}},
        depth=1,
        taps={"mood": ("tabular.hidden",), "urgent": ("text.layer1", "tabular.hidden")},
    )
    for task in ("mood", "urgent"):
        out = huggingface.write(model, task, tmp_path / task, texts=TEXTS)
        assert differs(model, task, out, trust_remote_code=True) < 1e-4


def test_nothing_is_written_that_differs(text_model, tmp_path, monkeypatch):
    whole = huggingface._own

    def other(found, task):
        made = whole(found, task)
        with torch.no_grad():
            made.classifier.bias[0] += 1.0
        return made

    monkeypatch.setattr(huggingface, "_own", other)
    with pytest.raises(InternalError, match=r"differs from the joint model by .* nothing was written"):
        huggingface.write(text_model(), "mood", tmp_path / "out")
    assert not (tmp_path / "out").exists()
