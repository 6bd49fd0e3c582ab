"""The contract of the text encoders, and what is particular to each."""

import copy
import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset.errors import ConfigError
from jointset.models.encoders.huggingface import HuggingFaceText
from jointset.models.encoders.text_bag import TextBag
from jointset.models.encoders.text_cnn import TextCNN
from jointset.training.optim import Optimizer

TEXTS = ["a good book", None, "bad", "", "so so so good , a book to read twice", "bad book"]


@pytest.fixture(
    params=["bag", "bag of words", "bag of characters", "cnn", "huggingface", "huggingface, frozen"]
)
def encoder(request):
    if request.param.startswith("huggingface"):
        folder = request.getfixturevalue("backbone")
        return HuggingFaceText(path=folder, frozen=request.param.endswith("frozen"), max_length=8)
    made = {
        "bag": TextBag(bits=10),
        "bag of words": TextBag(bits=10, chars=None),
        "bag of characters": TextBag(bits=10, words=0, chars=(3, 4)),
        "cnn": TextCNN(bits=6, length=6, dim=4, filters=3),
    }
    return made[request.param]


def table(texts=TEXTS):
    return pa.table({"body": pa.array(texts, pa.string())})


def run(encoder, texts=TEXTS, width=5, seed=0):
    state = encoder.fit([table(texts)])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = encoder.module(state, width).eval()
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and not name.startswith("backbone."):
                torch.nn.init.normal_(parameter)
        if isinstance(encoder, TextCNN):
            torch.nn.init.zeros_(module.embedding.weight[0])  # padding
    return encoder.prepare(table(texts), state), module


def vectors(encoder, module, arrays, index):
    with torch.no_grad():
        return module(**encoder.batch(arrays, np.asarray(index)))


def test_one_vector_per_row(encoder):
    arrays, module = run(encoder)
    out = vectors(encoder, module, arrays, [4, 0, 1, 3, 4])
    assert out.shape == (5, 5) and bool(out.isfinite().all())
    assert torch.allclose(out[0], out[4])


def test_a_row_does_not_depend_on_its_batch(encoder):
    arrays, module = run(encoder)
    together = vectors(encoder, module, arrays, range(len(TEXTS)))
    alone = torch.cat([vectors(encoder, module, arrays, [i]) for i in range(len(TEXTS))])
    assert torch.allclose(together, alone, atol=1e-5)


def test_an_empty_batch_is_fine(encoder):
    arrays, module = run(encoder)
    if isinstance(encoder, HuggingFaceText):
        pytest.skip("backbones refuse a batch of no rows")
    assert vectors(encoder, module, arrays, np.empty(0, np.int64)).shape == (0, 5)


def test_datasets_joined_are_their_rows_in_order(encoder):
    state = encoder.fit([table()])
    whole = encoder.prepare(table(), state)
    parts = encoder.concat([encoder.prepare(table(part), state) for part in (TEXTS[:2], TEXTS[2:])])
    assert parts.keys() == whole.keys()
    for name in whole:
        assert np.array_equal(parts[name], whole[name]) and parts[name].dtype == whole[name].dtype


def test_state_is_json_and_arrays_are_plain(encoder):
    state = encoder.fit([table()])
    assert json.loads(json.dumps(state)) == state
    assert all(a.dtype != object for a in encoder.prepare(table(), state).values())


def test_sparse_parameters_get_sparse_gradients(encoder):
    arrays, module = run(encoder)
    module(**encoder.batch(arrays, np.array([0, 4]))).sum().backward()
    sparse = set(getattr(module, "sparse_parameters", ()))
    assert sparse == {n for n, p in module.named_parameters() if p.grad is not None and p.grad.is_sparse}


def test_training_separates_two_texts(encoder):
    arrays, module = run(encoder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = torch.nn.Linear(5, 1)
        both = torch.nn.ModuleList([module, head]).train()
        optimizer = Optimizer(both, lr=0.01, weight_decay=0.0, total_steps=200, warmup=0.0)
        for _ in range(200):
            out = head(module(**encoder.batch(arrays, np.array([0, 2]))))
            loss = (out - torch.tensor([[1.0], [-1.0]])).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    module.eval()
    high, low = head(vectors(encoder, module, arrays, [0, 2])).flatten().tolist()
    assert high > low + 0.5


def test_bag_of_untrained_grams_is_that_of_no_text():
    encoder = TextBag(bits=12)
    state = encoder.fit([table()])
    arrays = encoder.prepare(table(), state)
    out = vectors(encoder, encoder.module(state, 5), arrays, [0, 1])
    assert torch.equal(out[0], out[1])


def kept(encoder, module, arrays, part, row):
    start, end = arrays[f"{part}_offsets"][row : row + 2]
    ids = torch.from_numpy(arrays[f"{part}_ids"][start:end].astype(np.int64))
    share = min(max(encoder.least / len(ids), 1 - encoder.dropout), 1.0)
    return len(ids), module.bag.weight[ids].sum(0) * (share / len(ids)) ** 0.5


@pytest.mark.parametrize("least", [0, 2, 20])
def test_bag_is_the_scaled_sum_of_its_rows(least):
    encoder = TextBag(bits=12, words=1, least=least, chars=None)
    arrays, module = run(encoder)
    n, expected = kept(encoder, module, arrays, "words", 0)
    assert n == 3
    assert torch.allclose(vectors(encoder, module, arrays, [0])[0], module.out(expected), atol=1e-6)


def test_words_and_characters_are_scaled_by_their_own_number():
    encoder = TextBag(bits=12, words=1, least=0)
    arrays, module = run(encoder)
    (words, a), (chars, b) = (kept(encoder, module, arrays, part, 4) for part in ("words", "chars"))
    assert chars > 2 * words
    assert torch.allclose(vectors(encoder, module, arrays, [4])[0], module.out(a + b), atol=1e-5)


@pytest.mark.parametrize("least", [0, 1500])
def test_bag_keeps_its_scale_under_dropout(least):
    encoder = TextBag(bits=12, words=1, dropout=0.5, least=least, chars=None)
    state = encoder.fit([])
    arrays = encoder.prepare(table([" ".join(f"w{i}" for i in range(2000))]), state)
    module = encoder.module(state, 5)
    torch.nn.init.constant_(module.bag.weight, 0.01)
    batch = encoder.batch(arrays, np.array([0]))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        trained, predicted = module.train()(**batch), module.eval()(**batch)
    assert torch.allclose(trained, predicted, rtol=0.05)


def test_nothing_of_a_short_text_is_left_out():
    encoder = TextBag(bits=12, words=1, least=20)
    arrays, module = run(encoder)
    batch = encoder.batch(arrays, np.array([2, 5]))
    assert torch.allclose(module.train()(**batch), module.eval()(**batch))


@pytest.mark.parametrize(("words", "chars"), [(10, [3, 5]), (49, [3, 5]), (50, None), (300, None)])
def test_characters_are_read_where_texts_are_short(words, chars):
    texts = [" ".join(f"w{i}" for i in range(words)), None]
    assert TextBag().fit([table(texts)]) == {"chars": chars}
    assert TextBag(chars=(2, 4)).fit([table(texts)]) == {"chars": [2, 4]}
    assert TextBag(chars=None).fit([table(texts)]) == {"chars": None}


def test_texts_of_all_datasets_say_whether_they_are_short():
    long = table([" ".join(f"w{i}" for i in range(90))] * 3)
    assert TextBag().fit([long, table(["a b", "c"])]) == {"chars": None}
    assert TextBag().fit([long, table(["a b"] * 4)]) == {"chars": [3, 5]}


@pytest.mark.parametrize("chars", ["all", [3], 4, ["a", "b"]])
def test_characters_that_are_no_range_are_told(chars):
    with pytest.raises(ConfigError, match=r"model\.text\.chars: .* such as \[3, 5\]"):
        TextBag(chars=chars)


def test_bag_reads_all_columns():
    encoder = TextBag(words=1, chars=None)
    both = pa.table({"title": ["good", None], "body": ["book", None]})
    assert np.diff(encoder.prepare(both, encoder.fit([]))["words_offsets"]).tolist() == [2, 0]


def test_cnn_reads_the_first_words_only():
    encoder = TextCNN(length=2)
    arrays = encoder.prepare(table(["a b c", "a b d"]), {})
    assert np.array_equal(arrays["ids"][:2], arrays["ids"][2:])


def test_frozen_backbone_keeps_its_weights_and_dropout_off(backbone):
    encoder = HuggingFaceText(path=str(backbone), frozen=True)
    arrays, module = run(encoder)
    before = copy.deepcopy(module.backbone.state_dict())
    module.train()
    assert torch.equal(*(module(**encoder.batch(arrays, np.array([0]))) for _ in range(2)))
    module(**encoder.batch(arrays, np.array([0]))).sum().backward()
    assert all(p.grad is None for p in module.backbone.parameters()) and module.out.weight.grad is not None
    assert all(torch.equal(v, before[k]) for k, v in module.backbone.state_dict().items())


def test_backbone_truncates(backbone):
    encoder = HuggingFaceText(path=str(backbone), max_length=4)
    arrays = encoder.prepare(table(), encoder.fit([]))
    assert np.diff(arrays["offsets"]).max() == 4


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no usable config"):
        HuggingFaceText(path=str(tmp_path)).fit([])


def test_missing_transformers_names_the_extra(backbone, monkeypatch):
    from jointset.errors import MissingExtra

    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"jointset\[text\]"):
        HuggingFaceText(path=str(backbone)).fit([])
