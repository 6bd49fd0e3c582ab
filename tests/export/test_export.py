import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from jointset.errors import ArrayError, DataError, RunError
from jointset.export import TaskColumns, clashes, write
from jointset.export.card import statistics
from jointset.export.columns import columns
from jointset.records import Task

MOOD = Task("mood", "multiclass", ("NA", "1", "good"))  # names that readers like to mistake
TOPICS = Task("topics", "multilabel", ("a", "b", "c"))
PRICE = Task("price", "regression", unit="EUR")
TASKS = [MOOD, TOPICS, PRICE]
ROWS = [f"r{i}" for i in range(6)]
KEEP = np.array([True] * 5 + [False])


def original(extra=()):
    columns = {
        "text": ["plain", 'comma, quote " and\nline', "你好", "", None, "last"],
        "when": pa.array([1, 2, None, 4, 5, 6], pa.timestamp("us")),
        "blob": [b"\x00\xff"] * 6,
        "kind": pa.array(["u", "v"] * 3).dictionary_encode(),
        "points": [[1, 2], None, [], [3], [4], [5]],
    }
    return pa.table({**columns, **dict.fromkeys(extra, ["o"] * 6)})


def mood():
    return TaskColumns(
        task=MOOD,
        final=np.array([0, 1, 2, -1, 1, 0]),
        given=np.array([0, 1, 1, -1, -1, 0]),
        source=np.array([1, 1, 2, 0, 3, 1]),
        quality=np.array([0.9, 0.8, 0.1, 0.5, 0.5, np.nan]),
        suggested=np.array([-1, -1, 2, 2, 1, -1]),
        confidence=np.array([0.3, 0.3, 0.95, 0.6, 0.9, 0.3]),
        weight=np.array([1, 0.5, 1, 1, 0.8, 1]),
    )


def topics():
    final = np.array([[1, 0, 1], [0, 0, 0], [1, -1, -1], [-1, -1, -1], [0, 1, 0], [1, 1, 1]], np.int8)
    given = np.where(np.arange(6)[:, None] == 4, -1, final).astype(np.int8)
    each = np.arange(18).reshape(6, 3) / 18
    return TaskColumns(TOPICS, final, given, np.where(given >= 0, 1, 3), each, final, each, np.ones((6, 3)))


def price():
    final = np.array([1.5, np.nan, 3, 4, 5, 6])
    return TaskColumns(PRICE, final, final, np.ones(6, int), np.ones(6), final, np.ones(6), np.ones(6))


def tables():
    return {
        "re views": columns(original(), [mood(), topics()], rows=ROWS, keep=KEEP),
        "tickets": columns(original(["topics"]), [mood(), price()], rows=ROWS, keep=np.ones(6, bool)),
    }


INPUTS = {"re views": ["text"], "tickets": ["text"]}


def test_the_original_comes_first_and_stays_as_it_was():
    found = columns(original(), [mood(), topics()], rows=ROWS, keep=KEEP)
    parts = ["", "__given", "__source", "__quality", "__suggested", "__confidence", "__weight"]
    added = [t + p for t in ("mood", "topics") for p in parts]
    assert found.column_names == [*original().column_names, *added, "jointset_row", "jointset_keep"]
    for name in original().column_names:
        assert found.column(name).to_pylist() == original().column(name).to_pylist()
    assert found.column("kind").type == pa.string()


def test_labels_by_name():
    found = columns(original(), [mood(), topics(), price()], rows=ROWS, keep=KEEP).to_pydict()
    assert found["mood"] == ["NA", "1", "good", None, "1", "NA"]
    assert found["mood__given"] == ["NA", "1", "1", None, None, "NA"]
    assert found["mood__source"] == ["given", "given", "relabelled", None, "filled", "given"]
    assert found["mood__quality"] == pytest.approx([0.9, 0.8, 0.1, None, None, None])
    assert found["mood__suggested"] == [None, None, "good", "good", "1", None]
    assert found["mood__confidence"] == pytest.approx([None, None, 0.95, 0.6, 0.9, None])
    assert found["mood__weight"] == pytest.approx([1, 0.5, 1, None, 0.8, 1])
    assert found["topics"] == [["a", "c"], [], ["a"], None, ["b"], ["a", "b", "c"]]
    assert found["topics__source"] == ["given", "given", "filled", None, "filled", "given"]
    assert found["topics__quality"] == pytest.approx([0, 3 / 18, 6 / 18, None, None, 15 / 18])
    assert found["price"] == [1.5, None, 3, 4, 5, 6]
    assert found["jointset_keep"] == KEEP.tolist()


def test_types_do_not_depend_on_the_rows():
    full = columns(original(), [mood(), topics(), price()], rows=ROWS, keep=KEEP)
    nothing = TaskColumns(MOOD, *(MOOD.missing(6) for _ in range(2)), np.zeros(6, int), np.full(6, np.nan),
                          MOOD.missing(6), np.full(6, np.nan), np.full(6, np.nan))  # fmt: skip
    empty = columns(original(), [nothing, topics(), price()], rows=ROWS, keep=KEEP)
    assert full.schema == empty.schema
    assert full.schema.field("mood__quality").type == pa.float32()
    assert full.schema.field("topics").type == pa.list_(pa.string())


@pytest.mark.parametrize("name", ["mood", "mood__given", "jointset_row"])
def test_a_clash_is_an_error_and_nothing_is_overwritten(name):
    assert clashes([*original().column_names, name], ["mood"]) == [name]
    with pytest.raises(DataError, match=f"column '{name}' of the data has the name .* rename the task"):
        columns(original([name]), [mood()], rows=ROWS, keep=KEEP)


def test_lengths_are_checked():
    with pytest.raises(ArrayError, match="6 row ids and keep flags expected, found 5 and 6"):
        columns(original(), [], rows=ROWS[:5], keep=KEEP)
    with pytest.raises(ArrayError, match="task mood: final has 6 rows, the dataset has 3"):
        columns(original().slice(0, 3), [mood()], rows=ROWS[:3], keep=KEEP[:3])


def test_parquet_holds_what_the_table_holds(tmp_path):
    folder = write(tmp_path / "out", tables(), TASKS, inputs=INPUTS)
    for stem, table in zip(("re_views", "tickets"), tables().values(), strict=True):
        assert pq.read_table(folder / f"{stem}.parquet").to_pylist() == table.to_pylist()
    narrow = pq.read_table(folder / "tasks" / "mood.parquet")
    assert narrow.column_names == ["dataset", "jointset_row", "label", "weight", "source", "text"]
    assert narrow.column("label").to_pylist() == ["NA", "1", "good", "1", "NA", "1", "good", "1", "NA"]
    assert narrow.column("dataset").to_pylist() == ["re views"] * 4 + ["tickets"] * 5
    # An original column called "topics" in tickets is not the task of that name.
    assert set(pq.read_table(folder / "tasks" / "topics.parquet").column("dataset").to_pylist()) == {
        "re views"
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_inputs_are_left_out_where_they_differ(tmp_path):
    folder = write(tmp_path / "out", tables(), TASKS, inputs={"re views": ["text"], "tickets": ["when"]})
    own = ["dataset", "jointset_row", "label", "weight", "source"]
    assert pq.read_schema(folder / "tasks" / "mood.parquet").names == own
    assert pq.read_schema(folder / "tasks" / "price.parquet").names == [*own, "when"]


def test_card(tmp_path):
    text = (write(tmp_path / "out", tables(), TASKS, inputs=INPUTS, name="demo") / "README.md").read_text(
        "utf-8"
    )
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "unknown" and head["pretty_name"] == "demo"
    names = [c["config_name"] for c in head["configs"]]
    assert names == ["re_views", "tickets", "task-mood", "task-topics", "task-price"]
    assert "| re views | mood | 4 | 1 | 1 | 0 | 1 | 4 |" in text
    assert "licence of the sources was not recorded" in text
    expected = {"given": 4, "relabelled": 1, "filled": 1, "reviewed": 0, "dropped": 1, "labelled": 4}
    assert statistics(tables()["re views"], "mood") == expected


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    datasets = pytest.importorskip("datasets")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    return lambda folder, name: datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))[
        "train"
    ]


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl", "arrow"])
def test_hugging_face_reads_it(tmp_path, load, format):
    folder = write(tmp_path / "out", tables(), TASKS, format, inputs=INPUTS)
    assert [load(folder, n).num_rows for n in ("re_views", "tickets")] == [6, 6]
    mood, topics, price = (load(folder, f"task-{n}") for n in ("mood", "topics", "price"))
    assert (mood.num_rows, topics.num_rows, price.num_rows) == (9, 4, 5)
    assert price["label"] == [1.5, 3, 4, 5, 6]
    whole = load(folder, "re_views")
    assert whole["mood"] == ["NA", "1", "good", None, "1", "NA"]
    if format == "csv":
        assert json.loads(topics["label"][0]) == ["a", "c"]
    elif format == "parquet":
        assert mood.features["label"].names == ["NA", "1", "good"]
        assert mood["label"][:4] == [0, 1, 2, 1] and topics["label"][0] == [0, 2]
        assert whole["blob"][0] == b"\x00\xff" and whole["points"][0] == [1, 2]
    else:
        assert mood["label"][:4] == ["NA", "1", "good", "1"] and topics["label"][:2] == [["a", "c"], []]


def test_arrow_loads_from_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = write(tmp_path / "out", tables(), TASKS, "arrow", inputs=INPUTS)
    assert datasets.load_from_disk(str(folder / "re_views")).to_list() == tables()["re views"].to_pylist()
    assert datasets.load_from_disk(str(folder / "tasks" / "price")).num_rows == 5


def test_an_earlier_export_is_replaced_and_nothing_else(tmp_path):
    folder = write(tmp_path / "out", tables(), TASKS)
    write(folder, {"tickets": tables()["tickets"]}, [MOOD], "csv")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "jointset_export.json",
        "tasks",
        "tickets.csv",
    ]
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match=r"holds mine\.txt, which jointset did not write"):
        write(folder, tables(), TASKS)
    assert (folder / "mine.txt").read_text() == "precious"
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.csv").write_text("x\n")
    with pytest.raises(RunError, match="not an export of jointset"):
        write(other, tables(), TASKS)


def test_a_failure_leaves_the_earlier_export(tmp_path, monkeypatch):
    folder = write(tmp_path / "out", tables(), TASKS)
    before = (folder / "tickets.parquet").read_bytes()

    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("jointset.export.parquet.card", fail)
    with pytest.raises(OSError, match="no space"):
        write(folder, tables(), TASKS)
    assert (folder / "tickets.parquet").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_same_data_same_bytes_and_odd_names(tmp_path):
    odd = {"a/b*[c]": tables()["tickets"], "A_B__C_": tables()["tickets"]}
    first, second = (write(tmp_path / n, odd, [PRICE], name="x") for n in ("one", "two"))
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert [str(f) for f in files] == [
        "A_B__C_-2.parquet", "README.md", "a_b__c_.parquet", "croissant.json", "jointset_export.json",
        "tasks/price.parquet",
    ]  # fmt: skip
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)


def test_unknown_format(tmp_path):
    with pytest.raises(
        DataError, match="no export format is called 'xlsx'; known: parquet, csv, jsonl, arrow"
    ):
        write(tmp_path / "out", tables(), TASKS, "xlsx")
