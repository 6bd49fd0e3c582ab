"""The ONNX file says what ``jointset predict`` says, run by onnxruntime."""

import json

import numpy as np
import pyarrow as pa
import pytest

from jointset.errors import MissingExtra, RunError
from jointset.models.convert import onnx
from jointset.models.sharing import SHARINGS
from jointset.records import Task

onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime is not installed: pip install jointset[onnx]"
)
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install jointset[onnx]")

N = 9
RNG = np.random.default_rng(0)


def people():
    frame = {
        "age": [20.0, None, 40.0, 31.0, 22.0, 8.0, 77.0, 15.0, 50.0],
        "job": ["a", "b", None, "a", "c", "c", "b", "a", "zz"],
        "note": [
            "loud wild",
            "calm",
            None,
            "",
            "quiet slow plain",
            "rare",
            "even usual",
            "wild",
            "a b c d e f g h",
        ],
    }
    return pa.table(frame)


def sounds(wav, tone):
    files = [wav(tone(300.0 + 90 * i, 0.05 + 0.04 * i, seed=i)) for i in range(N)]
    files[4] = None
    return pa.table({"clip": pa.array(files, pa.binary())})


def said(folder, model, table, **options):
    session = onnxruntime.InferenceSession(str(folder / onnx.MODEL), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, onnx.feeds(model, folder, table, **options)), strict=True))


MIXED = {
    "people": {"tabular": ["age", "job"], "text": ["note"]},
    "posts": {"text": ["body"]},
}
ENCODERS = {"tabular": ("mlp", {"hidden": 8}), "text": ("bag", {"bits": 8, "words": 2})}


@pytest.fixture
def mixed(saved):
    tables = {"people": people(), "posts": pa.table({"body": ["loud", "calm quiet", "wild wild", None]})}

    def make(**plan):
        return saved(ENCODERS, tables, MIXED, **plan), tables

    return make


@pytest.mark.parametrize(
    "plan",
    [
        {"sharing": "hard", "depth": 2},
        {"sharing": "mtan", "depth": 2},
        {"sharing": "mmoe", "options": {"encoders": "separate"}},
        {
            "sharing": "cross_stitch",
            "options": {"encoders": "separate"},
            "taps": {"urgent": ("tabular.hidden",)},
        },
        {"sharing": "hard", "joint_inference": "predictions"},
    ],
    ids=["hard", "mtan", "mmoe", "cross_stitch, a tap", "predictions heeded"],
)
def test_tables_and_texts_with_gaps(mixed, apart, tmp_path, plan):
    model, tables = mixed(**plan)
    out = onnx.write(model, tmp_path / "out", tables)
    for name, table in tables.items():
        for rows in (table, table.slice(1, 1), table.slice(0, 2)):
            expected = model.outputs(rows, dataset=name)
            assert apart(said(out, model, rows, dataset=name), expected) < 1e-4
    assert sorted(p.name for p in out.iterdir()) == ["README.md", "model.json", "model.onnx"]
    described = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert described["tasks"][0]["classes"] == ["sad", "so so", "glad"]
    assert described["encoders"]["tabular"]["state"]["categories"]["job"][:2] == ["a", "b"]
    assert described["inputs"]["tabular.numbers"] == {"type": "float32", "shape": ["rows", 2]}
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "| `text.words_ids` | int32 | text_word_ngrams | hashed word n-grams" in readme


def test_images_and_sounds(saved, apart, wav, tone, tmp_path):
    scans = RNG.integers(0, 255, (N, 8, 8, 3)).astype(np.uint8)
    tables = {
        "clips": sounds(wav, tone),
        "scans": pa.table({"scan": pa.FixedShapeTensorArray.from_numpy_ndarray(scans)}),
    }
    inputs = {"clips": {"audio": ["clip"]}, "scans": {"image": ["scan"]}}
    encoders = {
        "image": ("resnet", {"widths": [4, 8]}),
        "audio": ("melcnn", {"mels": 16, "channels": 4, "widths": [8, 8], "rate": 8000}),
    }
    model = saved(encoders, tables, inputs)
    out = onnx.write(model, tmp_path / "out", tables)
    for name, table in tables.items():
        for rows in (table, table.slice(0, 1)):
            assert apart(said(out, model, rows, dataset=name), model.outputs(rows, dataset=name)) < 1e-4


def test_a_pretrained_backbone_with_updates_of_each_task(saved, backbone, apart, tmp_path):
    texts = ["a good book", "bad", "so so so good , a book to read twice", "", "bad book unheard of"]
    tables, inputs = {"posts": pa.table({"body": texts})}, {"posts": {"text": ["body"]}}
    encoders = {"text": ("huggingface", {"path": str(backbone), "max_length": 12})}
    model = saved(encoders, tables, inputs, sharing="lora", options={"rank": 2})
    out = onnx.write(model, tmp_path / "out", tables)
    for rows in (tables["posts"], tables["posts"].slice(2, 1), tables["posts"].slice(0, 2)):
        assert apart(said(out, model, rows), model.outputs(rows)) < 1e-4


def test_decisions_have_outputs_of_their_own(saved, tmp_path):
    loss = {"name": "logit_adjustment", "tau": 1.0}
    tables = {"people": people().select(["note"])}
    tasks = (Task("mood", "multiclass", ("a", "b", "c"), loss=loss),)
    model = saved({"text": ENCODERS["text"]}, tables, {"people": {"text": ["note"]}}, tasks=tasks)
    out = onnx.write(model, tmp_path / "out", tables)
    outputs, decisions = model.judged(tables["people"])
    found = said(out, model, tables["people"])
    assert np.abs(found["mood"] - outputs["mood"]).max() < 1e-5
    assert np.abs(found["mood.decided"] - decisions["mood"]).max() < 1e-5
    assert np.abs(decisions["mood"] - outputs["mood"]).max() > 0.01
    assert "`mood.decided`" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("sharing", [s for s in SHARINGS if s not in ("lora", "adapters")])
def test_every_way_of_sharing(mixed, apart, tmp_path, sharing):
    model, tables = mixed(sharing=sharing, depth=2)
    out = onnx.write(model, tmp_path / "out", tables)
    for name, table in tables.items():
        assert apart(said(out, model, table, dataset=name), model.outputs(table, dataset=name)) < 1e-4


def test_what_cannot_be_exported_is_one_line(mixed, tmp_path, monkeypatch):
    model, tables = mixed()

    def odd(self, x):
        return tuple(x for _ in range(int(x.sum().item() > 0) + 1))[:1]

    monkeypatch.setattr(type(model.network.sharing), "trunk", odd)
    with pytest.raises(
        RunError, match=r"hard sharing, tabular mlp, text bag.* cannot be exported to ONNX"
    ) as caught:
        onnx.write(model, tmp_path / "out", tables)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_for_one_number_of_rows_is_not_left(tmp_path):
    from onnx import TensorProto, helper, save

    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5, 2])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [5, 2])]
    file = tmp_path / "model.onnx"
    save(
        helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", given, made)), file
    )
    with pytest.raises(RunError, match="tied this model to 5 rows of x"):
        onnx._any_size(file, {"x": ["rows", 2]})
    assert not file.exists()


def test_without_the_extra_the_command_is_told(mixed, tmp_path, monkeypatch):
    import sys

    model, tables = mixed()
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r'an ONNX file needs onnxscript.*pip install "jointset\[onnx\]"'):
        onnx.write(model, tmp_path / "out", tables)
    assert not (tmp_path / "out").exists()


def test_a_modality_that_no_row_has_is_told(mixed, tmp_path):
    model, tables = mixed()
    with pytest.raises(RunError, match="no dataset has a readable row with tabular"):
        onnx.write(model, tmp_path / "out", {"posts": tables["posts"]})
    assert not (tmp_path / "out").exists()
