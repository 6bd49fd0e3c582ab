"""FiftyOne: the folder has the structure that its importer reads, and every picture is the one of its row."""

import io
import json
import os
import subprocess

import numpy as np
import pyarrow as pa
import pytest

from jointset.errors import DataError
from jointset.export import TaskColumns, fiftyone
from jointset.export.columns import columns
from jointset.records import Task

MOOD = Task("mood", "multiclass", ("bad", "good"))
TOPICS = Task("topics", "multilabel", ("a", "b"))
PRICE = Task("price", "regression")
N = 5


def known(task, labels, confidence):
    sure = np.full(labels.shape, confidence)
    return TaskColumns(task, labels, labels, np.ones(labels.shape, int), sure, labels, sure, sure)


def picture(shade, format="PNG"):
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(out, format)
    return out.getvalue()


@pytest.fixture
def write(tmp_path):
    """Write one dataset whose pictures are these values."""
    pytest.importorskip("PIL", reason="the image extra is not installed")

    def call(values, root=None, field=None):
        field = field or pa.field("photo", pa.infer_type(values))
        column = pa.chunked_array([pa.array(values, field.type)])
        table = pa.table(
            {"photo": column, "text": ["x", None, "ü", "", "z"], "size": [1.5, float("nan"), 2, 3, 4]}
        )
        tasks = [
            known(MOOD, np.array([0, 1, -1, 1, 0]), 0.75),
            known(TOPICS, np.array([[1, 1], [0, 0], [-1, -1], [1, 0], [0, 1]], np.int8), 0.5),
            known(PRICE, np.array([1.5, np.nan, 2, 3, 4]), 0.25),
        ]
        keep = np.array([True, True, True, False, True])
        made = columns(table, tasks, rows=[f"r{i}" for i in range(N)], keep=keep)
        shown = fiftyone.Pictures(column, field, root, np.array([0, 1, 2, 0, 0]))
        out = fiftyone.write(
            tmp_path / "out", {"d/1": made}, [MOOD, TOPICS, PRICE], {"d/1": shown},
            inputs={"d/1": ["photo", "text", "size"]}, name="demo",
        )  # fmt: skip
        return out, json.loads((out / "samples.json").read_text("utf-8"))["samples"]

    return call


def test_samples_say_what_is_known_of_their_labels(write):
    folder, samples = write([picture(i) for i in range(N)])
    assert [s["filepath"] for s in samples] == [f"data/d_1-{i}.png" for i in range(N)]
    assert [s["tags"] for s in samples] == [["train"], ["holdout"], ["test"], ["train", "dropped"], ["train"]]
    first = samples[0]
    assert (first["dataset"], first["jointset_row"], first["text"], first["size"]) == ("d/1", "r0", "x", 1.5)
    assert "text" not in samples[1] and "size" not in samples[1]
    assert first["mood"] == {"_cls": "Classification", "label": "bad"}
    assert first["mood__suggested"] == {"_cls": "Classification", "label": "bad", "confidence": 0.75}
    assert samples[2]["mood"] is None and first["mood__source"] == "given"
    assert [c["label"] for c in first["topics"]["classifications"]] == ["a", "b"]
    assert samples[1]["topics"] == {"_cls": "Classifications", "classifications": []}
    assert first["price__suggested"] == {"_cls": "Regression", "value": 1.5, "confidence": 0.25}
    facts = json.loads((folder / "metadata.json").read_text("utf-8"))
    assert facts["classes"] == {"mood": ["bad", "good"], "topics": ["a", "b"]}
    assert "version" not in facts  # else the importer wants documents of its database


def test_encoded_pictures_and_files_are_copied_as_they_are(write, tmp_path):
    values = [picture(i, "JPEG" if i else "PNG") for i in range(N)]
    folder, samples = write(values)
    assert [(folder / s["filepath"]).read_bytes() for s in samples] == values
    assert [s["filepath"].rsplit(".")[-1] for s in samples] == ["png", *["jpeg"] * 4]
    root = tmp_path / "photos"
    root.mkdir()
    for i, content in enumerate(values):
        (root / f"{i}.img").write_bytes(content)
    folder, samples = write([f"{i}.img" for i in range(N)], root)
    assert [(folder / s["filepath"]).read_bytes() for s in samples] == values


def test_pixels_become_png(write):
    from PIL import Image

    field = pa.field("photo", pa.list_(pa.uint8(), 4), metadata={"jointset.shape": "(2, 2)"})
    folder, samples = write([[i, 1, 2, 3] for i in range(N)], field=field)
    assert [np.asarray(Image.open(folder / s["filepath"])).ravel().tolist() for s in samples] == [
        [i, 1, 2, 3] for i in range(N)
    ]


def test_rows_without_a_picture_are_left_out_and_no_other_file_is_read(write, tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(picture(1))
    (root / "text.png").write_text("no picture")
    (root / "ok.png").write_bytes(picture(2))
    _, samples = write(["../secret.png", "text.png", "ok.png", None, "gone.png"], root)
    assert [s["jointset_row"] for s in samples] == ["r2"]


def test_a_run_without_pictures_is_told_so(tmp_path):
    with pytest.raises(DataError, match="no dataset of the run has pictures"):
        fiftyone.write(tmp_path / "out", {}, [MOOD], {}, inputs={}, name="x")
    assert not list(tmp_path.iterdir())


IMPORT = """
import json, sys
from fiftyone.utils.data.importers import FiftyOneDatasetImporter
found = FiftyOneDatasetImporter(sys.argv[1])
assert found._is_legacy_format_data()
with found._to_legacy_importer() as samples:
    print(json.dumps([[s.filepath, s["mood__suggested"] and s["mood__suggested"].label, s.tags] for s in samples]))
"""


@pytest.mark.slow
def test_the_real_importer_reads_it(write):
    """It wants a MongoDB to keep a dataset, but none to read samples; JOINTSET_FIFTYONE names a Python that has it."""
    python = os.environ.get("JOINTSET_FIFTYONE")
    if not python:
        pytest.skip("JOINTSET_FIFTYONE names no Python that has fiftyone")
    folder, samples = write([picture(i) for i in range(N)])
    quiet = {**os.environ, "FIFTYONE_DISABLE_SERVICES": "1", "FIFTYONE_DO_NOT_TRACK": "1"}
    done = subprocess.run([python, "-c", IMPORT, folder], capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [f[0] for f in found] == [str(folder / s["filepath"]) for s in samples]
    assert [f[1] for f in found] == ["bad", "good", None, "good", "bad"]
    assert [f[2] for f in found] == [s["tags"] for s in samples]
