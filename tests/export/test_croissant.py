"""Croissant: the reference implementation validates the metadata and reads the rows."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jointset.export import TaskColumns, write
from jointset.export.columns import columns
from jointset.records import Task

MOOD = Task("my mood", "multiclass", ("NA", "good"))
TOPICS = Task("topics", "multilabel", ("a", "b"))
N = 4


def known(task, labels):
    ones = np.ones(labels.shape)
    return TaskColumns(task, labels, labels, np.ones(labels.shape, int), ones, labels, ones, ones)


def original():
    image = [{"bytes": b"\x89PNG", "path": None}] * N
    return pa.table(
        {
            "body text": ["plain", "你好", "", None],
            "größe/#1": [1.5, None, 2.0, -1.0],
            "count": pa.array([1, None, 3, 4], pa.int32()),
            "when": pa.array([1, 2, None, 4], pa.timestamp("us")),
            "flag": [True, False, None, True],
            "points": [[1, 2], None, [], [3]],
            "photo": image,
            "odd": [{"x": 1}] * N,
        }
    )


@pytest.fixture
def folder(tmp_path):
    labels = np.array([0, 1, -1, 1]), np.array([[1, 0], [1, 1], [0, 0], [-1, -1]], np.int8)
    tasks = [known(MOOD, labels[0]), known(TOPICS, labels[1])]
    rows = [f"r{i}" for i in range(N)]
    tables = {"re views": columns(original(), tasks, rows=rows, keep=np.ones(N, bool))}
    return write(
        tmp_path / "out", tables, [MOOD, TOPICS], inputs={"re views": ["body text"]},
        media={"re views": {"photo": "image"}}, name="demo set",
    )  # fmt: skip


def metadata(folder):
    return json.loads((folder / "croissant.json").read_text("utf-8"))


def test_every_file_has_its_hash_and_every_column_a_type(folder):
    found = metadata(folder)
    files = {f["@id"]: f for f in found["distribution"]}
    assert len(files) == len(list(folder.rglob("*.parquet"))) == 3
    for file in files.values():
        path = folder / file["contentUrl"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
        assert file["encodingFormat"] == "application/x-parquet"
    for records in found["recordSet"]:
        sources = {f["source"]["fileObject"]["@id"] for f in records["field"]}
        (source,) = sources
        names = pq.read_schema(folder / files[source]["contentUrl"]).names
        assert [f["source"]["extract"]["column"] for f in records["field"]] == [
            n for n in names if n != "odd"
        ]
    whole = {f["name"]: f for f in found["recordSet"][0]["field"]}
    types = {
        n: whole[n]["dataType"] for n in ("body text", "größe/#1", "count", "when", "flag", "points", "photo")
    }
    assert list(types.values()) == [
        "sc:Text", "sc:Float", "sc:Integer", "sc:DateTime", "sc:Boolean", "sc:Integer", "sc:ImageObject",
    ]  # fmt: skip
    assert whole["points"]["repeated"] and whole["topics"]["repeated"] and "repeated" not in whole["flag"]
    assert whole["my mood__quality"]["description"].startswith("my mood: of the given label")
    assert len({f["@id"] for r in found["recordSet"] for f in r["field"]}) == sum(
        len(r["field"]) for r in found["recordSet"]
    )


def test_other_formats_carry_none(tmp_path, folder):
    table = pq.read_table(folder / "re_views.parquet").select(["jointset_row"])
    assert not (write(tmp_path / "csv", {"d": table}, [], "csv") / "croissant.json").exists()


@pytest.mark.filterwarnings("ignore")  # third parties' own
def test_the_reference_implementation_validates_and_reads(folder):
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    found = mlc.Dataset(folder / "croissant.json")
    assert not found.metadata.issues.errors
    assert {w.split('"')[1].rsplit("/")[-1] for w in found.metadata.issues.warnings} <= {
        "license", "citeAs", "datePublished", "version", "url",
    }  # fmt: skip
    assert [r.name for r in found.metadata.record_sets] == ["re_views", "task-my_mood", "task-topics"]
    rows = [{k.split("/", 1)[1]: v for k, v in r.items()} for r in found.records("task-my_mood")]
    assert [r["label"] for r in rows] == [b"NA", b"good", b"good"]
    assert [r["jointset_row"] for r in rows] == [b"r0", b"r1", b"r3"]
    topics = list(found.records("task-topics"))
    assert [list(r["task-topics/label"]) for r in topics] == [[b"a"], [b"a", b"b"], []]


@pytest.mark.filterwarnings("ignore")
def test_a_changed_file_is_noticed(folder):
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    path = folder / "tasks" / "my_mood.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(mlc.GenerationError) as caught:
        list(mlc.Dataset(folder / "croissant.json").records("task-my_mood"))
    assert "hash" in str(caught.value.__cause__).lower()
