"""Every encoder of the table keeps the contract of Encoder (text encoders have more tests of their own)."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset.errors import ConfigError, DataError
from jointset.models.encoders import ENCODERS, make_encoders
from jointset.models.encoders.image import SmallResNet
from jointset.models.encoders.tabular import Tabular

N = 12


def pictures(n, seed=0, side=8):
    """A column of arrays, of which the fourth is missing, with the shape in the field's metadata."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, side * side), np.uint8)
    mask = np.arange(n) == 3
    values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), side * side, mask=pa.array(mask))
    field = pa.field("image", values.type, metadata={"jointset.shape": f"{side},{side}"})
    return pa.table([values], schema=pa.schema([field]))


def sounds(n, wav, seed=0):
    """A column of WAV files of several lengths, of which the fourth is missing."""
    rng = np.random.default_rng(seed)
    clips = [wav(rng.normal(0, 0.1, 200 + 311 * i)) for i in range(n)]
    return pa.table({"audio": pa.array([None if i == 3 else c for i, c in enumerate(clips)], pa.binary())})


def tables(modality, wav, seed=0):
    rng = np.random.default_rng(seed)
    if modality == "audio":
        return sounds(N, wav, seed)
    if modality == "image":
        return pictures(N, seed)
    if modality == "text":
        words = np.array(["good", "bad", "book", "read", "twice", "never"])
        texts = [" ".join(rng.choice(words, 4)) for _ in range(N)]
        texts[3] = None
        return pa.table({"body": pa.array(texts, pa.large_string())})
    age = rng.normal(40, 10, N)
    age[3] = np.nan
    jobs = [None if i == 3 else "xyz"[i % 3] for i in range(N)]
    return pa.table({"age": age, "job": jobs, "count": rng.integers(0, 5, N)})


SMALL = {
    ("tabular", "mlp"): {"hidden": 8},
    ("text", "bag"): {"bits": 8, "dim": 4},
    ("text", "cnn"): {"bits": 6, "length": 6, "dim": 4, "filters": 3},
    ("image", "resnet"): {"widths": (4, 8)},
    ("audio", "melcnn"): {"mels": 16, "channels": 4, "widths": (6, 8)},
}
CASES = [(m, n) for m, table in ENCODERS.items() for n in table if n != "huggingface"]


@pytest.fixture(params=CASES, ids="-".join)
def case(request, wav):
    modality, name = request.param
    encoder = make_encoders({modality: (name, SMALL.get(request.param, {}))})[modality]
    return encoder, tables(modality, wav), tables(modality, wav, 1)


def run(module, encoder, arrays, index):
    module.eval()
    with torch.no_grad():
        return module(**encoder.batch(arrays, np.asarray(index)))


def made(encoder, state, width=6):
    torch.manual_seed(0)
    module = encoder.module(state, width)
    for parameter in module.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter)
    return module


def test_names_and_modalities_are_those_of_the_table():
    for modality, table in ENCODERS.items():
        assert all((cls.modality, cls.name) == (modality, name) for name, cls in table.items())


def test_the_state_is_json_and_deterministic(case):
    encoder, first, second = case
    state = encoder.fit([first, second])
    assert json.loads(json.dumps(state)) == state
    assert encoder.fit([first, second]) == state


def test_prepared_arrays_are_plain_and_deterministic(case):
    encoder, first, _ = case
    state = encoder.fit([first])
    arrays, again = encoder.prepare(first, state), encoder.prepare(first, state)
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray)
        assert array.dtype != object
        np.testing.assert_array_equal(array, again[name])


def test_the_module_gives_a_vector_per_row(case):
    encoder, first, _ = case
    state = encoder.fit([first])
    out = run(made(encoder, state), encoder, encoder.prepare(first, state), range(N))
    assert out.shape == (N, 6)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()


def test_a_row_is_the_same_in_any_batch(case):
    encoder, first, _ = case
    state = encoder.fit([first])
    module, arrays = made(encoder, state), encoder.prepare(first, state)
    whole = run(module, encoder, arrays, range(N))
    order = np.random.default_rng(0).permutation(N)
    torch.testing.assert_close(run(module, encoder, arrays, order), whole[order])
    torch.testing.assert_close(run(module, encoder, arrays, [5]), whole[[5]])
    torch.testing.assert_close(run(module, encoder, arrays, [2, 2, 7]), whole[[2, 2, 7]])


def test_rows_of_several_datasets_follow_one_another(case):
    encoder, first, second = case
    state = encoder.fit([first, second])
    parts = [encoder.prepare(t, state) for t in (first, second)]
    both, module = encoder.concat(parts), made(encoder, state)
    torch.testing.assert_close(
        run(module, encoder, both, range(2 * N)),
        torch.cat([run(module, encoder, p, range(N)) for p in parts]),
    )
    alone = encoder.concat(parts[:1])
    assert all((alone[k] == parts[0][k]).all() for k in parts[0])


def test_arrays_on_disk_serve_as_well(case, tmp_path):
    encoder, first, _ = case
    state = encoder.fit([first])
    arrays = encoder.prepare(first, state)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in arrays}
    module = made(encoder, state)
    torch.testing.assert_close(run(module, encoder, mapped, range(N)), run(module, encoder, arrays, range(N)))


def test_every_parameter_that_is_not_frozen_learns_and_sparse_ones_are_named(case):
    encoder, first, _ = case
    state = encoder.fit([first])
    module = made(encoder, state)
    module.train()
    module(**encoder.batch(encoder.prepare(first, state), np.arange(N))).square().sum().backward()
    names = {
        f"{p}.{n}" if p else n for p, m in module.named_modules() for n in getattr(m, "sparse_parameters", ())
    }
    learnt = {n: p for n, p in module.named_parameters() if p.requires_grad}
    assert learnt
    for name, parameter in learnt.items():
        assert parameter.grad is not None, name
        assert parameter.grad.is_sparse == (name in names)


def test_fitting_sees_its_tables_only_and_new_rows_can_follow(case):
    encoder, first, second = case
    state = encoder.fit([first])
    arrays = encoder.prepare(second, state)
    assert run(made(encoder, state), encoder, arrays, range(N)).shape == (N, 6)
    assert encoder.fit([first]) == state


def test_an_empty_table_is_no_trouble(case):
    encoder, first, _ = case
    state = encoder.fit([first, first.slice(0, 0)])
    empty = encoder.prepare(first.slice(0, 0), state)
    both = encoder.concat([empty, encoder.prepare(first, state)])
    assert run(made(encoder, state), encoder, both, range(N)).shape == (N, 6)


# The table of names


def test_the_default_is_the_first_of_the_table():
    encoders = make_encoders({m: ("default", {}) for m in ENCODERS})
    assert {m: e.name for m, e in encoders.items()} == {m: next(iter(t)) for m, t in ENCODERS.items()}


@pytest.mark.parametrize(
    ("modality", "name", "options", "parts"),
    [
        (
            "text",
            "bagg",
            {},
            ["model.text.encoder: 'bagg' is unknown", "did you mean 'bag'?", "one of bag, cnn"],
        ),
        ("tabular", "mlp", {"hiden": 3}, ["model.tabular", "'hiden'", "options of mlp are hidden"]),
    ],
)
def test_an_unknown_name_or_option_is_one_line(modality, name, options, parts):
    with pytest.raises(ConfigError) as caught:
        make_encoders({modality: (name, options)})
    assert all(part in str(caught.value) for part in parts)


# Tables


def test_numbers_are_standardised_as_scikit_learn_does():
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).normal(5, 3, (50, 2))
    table = pa.table({"a": x[:, 0], "b": x[:, 1]})
    encoder = Tabular()
    numbers = encoder.prepare(table, encoder.fit([table]))["numbers"]
    np.testing.assert_allclose(numbers[:, :2], StandardScaler().fit_transform(x), rtol=1e-5)
    assert not numbers[:, 2:].any()


def test_statistics_are_those_of_all_datasets_together():
    encoder = Tabular()
    first, second = pa.table({"a": [0.0, 2.0]}), pa.table({"a": [4.0, 6.0], "b": [1, 1]})
    state = encoder.fit([first, second])
    assert state["numeric"]["a"][0] == [3.0]
    missing = encoder.prepare(first, state)["numbers"]
    assert missing[:, 2:].tolist() == [[0, 1], [0, 1]]


def test_a_constant_column_and_an_extreme_value_stay_finite():
    encoder = Tabular(clip=3.0)
    table = pa.table({"a": [7.0] * 5, "b": [0.0, 0.0, 0.0, 0.0, 1e30]})
    state = encoder.fit([table.slice(0, 4)])
    numbers = encoder.prepare(table, state)["numbers"]
    assert np.isfinite(numbers).all()
    assert np.abs(numbers).max() <= 3.0


def test_rare_and_new_categories_share_a_code():
    encoder = Tabular(max_categories=2)
    table = pa.table({"job": ["a"] * 3 + ["b"] * 2 + ["c", None]})
    state = encoder.fit([table])
    assert state["categories"] == {"job": ["a", "b"]}
    new = pa.table({"job": ["b", "c", "d", None, "a"]})
    assert encoder.prepare(new, state)["categories"][:, 0].tolist() == [2, 3, 3, 0, 1]


def test_a_number_that_has_become_text_is_named():
    encoder = Tabular()
    state = encoder.fit([pa.table({"age": [1.0, 2.0]})])
    with pytest.raises(DataError, match="age"):
        encoder.prepare(pa.table({"age": ["old", "young"]}), state)


def test_vectors_and_truth_values_are_numbers_or_categories():
    encoder = Tabular()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2)
    table = pa.table({"v": vectors, "yes": [True, False, None, True]})
    state = encoder.fit([table])
    arrays = encoder.prepare(table, state)
    assert len(state["numeric"]["v"][0]) == 2
    assert arrays["numbers"].shape[0] == arrays["categories"].shape[0] == 4


# Images


def test_arrays_bytes_and_files_give_the_same_pixels(tmp_path):
    import io

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    encoded = []
    for i, image in enumerate(pixels):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
        (tmp_path / f"{i}.png").write_bytes(buffer.getvalue())
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 64)
    field = pa.field("image", flat.type, metadata={"jointset.shape": "8,8"})
    forms = [
        pa.table([flat], schema=pa.schema([field])),
        pa.table({"image": encoded}),
        pa.table({"image": ["0.png", "1.png", "2.png"]}).replace_schema_metadata(
            {"jointset.root": str(tmp_path)}
        ),
        pa.table({"image": [{"bytes": b, "path": None} for b in encoded]}),
    ]
    encoder = SmallResNet()
    for table in forms:
        state = encoder.fit([table])
        assert state == {"size": 8, "channels": 1}
        found = encoder.prepare(table, state)
        np.testing.assert_array_equal(found["pixels"][:, 0], pixels)
        assert found["readable"].all()


def test_colour_asks_for_three_channels():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4 * 4 * 3), np.uint8)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 48)
    field = pa.field("image", flat.type, metadata={"jointset.shape": "4,4,3"})
    table = pa.table([flat], schema=pa.schema([field]))
    encoder = SmallResNet(size=4)
    state = encoder.fit([table])
    assert state == {"size": 4, "channels": 3}
    expected = pixels.reshape(2, 4, 4, 3).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(encoder.prepare(table, state)["pixels"], expected)


def test_a_few_unreadable_images_are_missing_and_many_are_an_error(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"bad")
    names = ["bad.png"] + ["good.png"] * 9
    table = pa.table({"image": names}).replace_schema_metadata({"jointset.root": str(tmp_path)})
    lenient = SmallResNet(max_unreadable=0.1)
    assert lenient.prepare(table, lenient.fit([table]))["readable"].tolist() == [False] + [True] * 9
    strict = SmallResNet()
    with pytest.raises(DataError, match=r"1 of 10 images cannot be read, first 'bad\.png'; at most 1%"):
        strict.prepare(table, strict.fit([table]))
