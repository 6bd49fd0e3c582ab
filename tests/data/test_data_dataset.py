"""A dataset: stable ids, checked inputs, a cache named by content."""

import errno
import os
import re
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointset.data import load_dataset, storage
from jointset.errors import DataError, RunError

REVIEWS = {"body": ["good", "bad", "good", "fine"], "stars": [5, 1, 5, None]}


def load(source, cache, inputs=None, **options):
    return load_dataset("d", source, inputs=inputs or {"text": "body"}, cache=cache / "cache", **options)


def test_columns_order_and_single_mapped_chunk(tmp_path):
    d = load(pa.concat_tables([pa.table(REVIEWS)] * 2), tmp_path)
    assert d.table.column_names == ["body", "stars"] and len(d) == 8
    assert all(c.num_chunks == 1 for c in d.table.columns)
    assert (tmp_path / f"cache/arrow/{d.fingerprint}.arrow").is_file()
    assert pq.read_table(tmp_path / f"cache/base/{d.fingerprint}.parquet").equals(d.table)
    assert re.fullmatch("[0-9a-f]{64}", d.fingerprint)


def test_ids_are_the_same_from_csv_parquet_and_other_types(tmp_path):
    table = pa.table({**REVIEWS, "n": pa.array([0.5, None, 3.0, 1e-7])})
    pq.write_table(
        table.cast(pa.schema([("body", pa.large_string()), ("stars", pa.int8()), ("n", pa.float64())])),
        tmp_path / "a.parquet",
    )
    pacsv.write_csv(table, tmp_path / "a.csv")
    table.to_pandas().to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    ids = [load(tmp_path / f"a.{x}", tmp_path).row_ids.tolist() for x in ("parquet", "csv", "jsonl")]
    ids.append(load(table.to_pandas(), tmp_path).row_ids.tolist())
    assert ids[0] == ids[1] == ids[2] == ids[3]


def test_ids_do_not_depend_on_the_place_of_a_row_or_column(tmp_path):
    table = pa.table(REVIEWS)
    ids = load(table, tmp_path).row_ids
    back = load(table.take([3, 2, 1, 0]).select(["stars", "body"]), tmp_path).row_ids
    assert set(ids) == set(back) and back[0] == ids[3]


def test_ids_golden(tmp_path):
    assert load({"body": ["a"]}, tmp_path).row_ids.tolist() == ["5e84b0f5a8c8abce"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), min_size=1, max_size=20))
def test_ids_are_unique(tmp_path, rows):
    d = load({"body": [t for t, _ in rows], "n": [n for _, n in rows]}, tmp_path)
    assert len(set(d.row_ids)) == len(rows)


def test_given_ids(tmp_path):
    d = load({"body": ["a", "b"], "k": [7, 8]}, tmp_path, id="k")
    assert d.row_ids.tolist() == ["7", "8"]


def test_fingerprint_follows_content_and_types(tmp_path):
    def fingerprint(**columns):
        return load({"body": ["a", "b"], **columns}, tmp_path).fingerprint

    base = fingerprint(n=np.array([1, 2]))
    assert fingerprint(n=np.array([1, 2])) == base
    others = [np.array([1, 3]), np.array([2, 1]), np.array([1, 2], np.int8), np.array([1.0, 2.0])]
    assert len({fingerprint(n=o) for o in others} | {base}) == 5


def test_cache_is_reused_and_mended(tmp_path, monkeypatch):
    d = load(REVIEWS, tmp_path)
    path = tmp_path / f"cache/arrow/{d.fingerprint}.arrow"
    path.unlink()  # not over the file that is mapped
    path.write_bytes(b"damaged")
    assert load(REVIEWS, tmp_path).table.equals(d.table)
    monkeypatch.setattr(storage, "write_atomically", None)  # nothing is written when all is there
    assert load(REVIEWS, tmp_path).table.equals(d.table)


def test_sources_are_not_touched(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("body\nx\n")
    os.utime(path, (1, 1))
    path.chmod(0o444)
    load(path, tmp_path)
    assert path.stat().st_mtime == 1 and path.read_text() == "body\nx\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "cache"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "the disk is full; nothing was changed; free some space",
        ),
        (
            OSError(errno.EACCES, "Permission denied"),
            r"cannot write \(Permission denied\); choose another folder",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["write", "move"])
def test_full_or_locked_disk_leaves_nothing_behind(tmp_path, monkeypatch, error, message, stage):
    def fail(*args, **kwargs):
        raise error

    def half(table, path, **kwargs):
        path.write_bytes(b"half")
        raise error

    if stage == "write":
        monkeypatch.setattr(storage.pq, "write_table", half)
    else:
        monkeypatch.setattr(storage.os, "replace", fail)
    with pytest.raises(RunError, match=message) as caught:
        load(REVIEWS, tmp_path)
    assert "\n" not in str(caught.value)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_cache_under_a_file(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(RunError, match="cannot write"):
        load(REVIEWS, tmp_path)


def test_star_takes_every_column_without_another_role(tmp_path):
    columns = ["k", "g", "s", "t", "y", "body", "a", "b", "empty", "blob"]
    rows = {c: [f"{c}1", f"{c}2"] for c in columns} | {"empty": [None, None], "blob": [b"1", b"2"]}
    roles = {"id": "k", "group": "g", "split": "s", "trusted": "t", "label_columns": ["y"]}
    d = load(pa.table(rows), tmp_path, {"tabular": "*", "text": "body"}, **roles)
    assert d.inputs == {"tabular": ("a", "b"), "text": ("body",)}
    assert d.notes == (
        "dataset d: column 'empty' is no input: it is empty in every row",
        "dataset d: column 'blob' is no input: it is binary; "
        "tabular columns hold numbers, text, truth values or dates",
    )
    assert d.input_table("tabular").column_names == ["a", "b"]
    assert d.table.column_names == columns


def test_numbers_as_text(tmp_path):
    d = load({"body": [1, None]}, tmp_path)
    assert d.input_table("text")["body"].to_pylist() == ["1", None]
    assert d.table["body"].to_pylist() == [1, None]


def test_nan_is_a_missing_value(tmp_path):
    d = load(pa.table({"a": [1.0, float("nan")]}), tmp_path, {"tabular": "a"})
    assert len(d) == 2


def test_arrays_as_inputs(tmp_path):
    rows = {"px": np.zeros((3, 2, 2), np.uint8), "v": np.ones((3, 4))}
    d = load(rows, tmp_path, {"image": "px", "tabular": "v"})
    assert d.table.schema.field("px").metadata[b"jointset.shape"] == b"2,2"  # survives the cache


def test_image_paths_and_root(tmp_path):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics/1.png").write_bytes(b"x")
    (tmp_path / "a.csv").write_text("pic\npics/1.png\n")
    d = load(tmp_path / "a.csv", tmp_path, {"image": "pic"})
    assert d.root == tmp_path.resolve()
    (tmp_path / "a.csv").write_text("pic,n\npics/1.png,1\npics/2.png,2\n,3\n")
    with pytest.raises(
        DataError, match=r"image input 'pic' names 1 files that do not exist \(first 'pics/2.png' in row 1"
    ):
        load(tmp_path / "a.csv", tmp_path, {"image": "pic"})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x", None]),
        pa.array([{"bytes": b"x", "path": "gone.wav"}, None]),
        pa.array([{"array": [0.0], "sampling_rate": 8000}, None]),
        pa.array([[0.0, 1.0], None]),
        pa.array([[0, 1], [1, 2]], pa.list_(pa.int16(), 2)),
    ],
    ids=lambda c: str(c.type),
)
def test_forms_of_sounds(tmp_path, column):
    d = load(pa.table({"a": column}), tmp_path, {"audio": "a"})
    assert d.inputs == {"audio": ("a",)} and len(set(d.row_ids)) == 2


INF = float("inf")
ERRORS = {
    "near column": (
        REVIEWS,
        {"text": "bodi"},
        {},
        r"no text input column 'bodi' \(did you mean 'body'\?\); columns: 'body', 'stars'",
    ),
    "space": ({"body ": ["x"]}, {"text": "body"}, {}, r"did you mean 'body ', with a trailing space\?"),
    "many columns": ({f"c{i}": [1] for i in range(40)}, {"tabular": "x"}, {}, "'c29' and 10 more"),
    "id column": (REVIEWS, None, {"id": "key"}, "no id column 'key'; columns"),
    "group column": (REVIEWS, None, {"group": "user"}, "no group column 'user'"),
    "label column": (
        REVIEWS,
        None,
        {"label_columns": ["star"]},
        r"no label column 'star' \(did you mean 'stars'",
    ),
    "label as input": (
        REVIEWS,
        {"tabular": "stars"},
        {"label_columns": ["stars"]},
        "'stars' is both a label and a tabular input",
    ),
    "no inputs": (REVIEWS, {"text": []}, {}, "no input columns; name at least one"),
    "star of nothing": (
        REVIEWS,
        {"tabular": "*", "text": "body"},
        {"label_columns": ["stars"]},
        "'\\*' leaves no column",
    ),
    "modality": (
        REVIEWS,
        {"sound": "body"},
        {},
        "unknown modality 'sound'; known: tabular, text, image, audio",
    ),
    "ids repeat": (
        {"body": ["a", "b", "c"], "k": [1, 1, 1]},
        None,
        {"id": "k"},
        r"'k' repeats values in 2 rows \(first '1' in row 1\)",
    ),
    "ids empty": (
        {"body": ["a", "b"], "k": [1, None]},
        None,
        {"id": "k"},
        r"'k' has 1 empty values \(first in row 1\)",
    ),
    "ids nested": ({"body": ["a"], "k": [[1]]}, None, {"id": "k"}, "ids are numbers or text"),
    "infinite": (
        {"a": [1.0, INF, -INF]},
        {"tabular": "a"},
        {},
        r"tabular input 'a' has 2 infinite values \(first in row 1\)",
    ),
    "infinite star": ({"a": [1.0, INF]}, {"tabular": "*"}, {}, "'a' has 1 infinite values"),
    "infinite array": ({"a": np.array([[1.0, 2.0], [3.0, INF]])}, {"tabular": "a"}, {}, "first in row 1"),
    "empty input": (
        {"body": [None, None], "a": [1, 2]},
        None,
        {},
        "text input 'body' is empty in every row; name another",
    ),
    "blank input": ({"body": [" ", None]}, None, {}, "is empty in every row"),
    "nan input": (pa.table({"a": [float("nan")] * 2}), {"tabular": "a"}, {}, "is empty in every row"),
    "all of star": (
        {"a": [None], "b": [None]},
        {"tabular": "*"},
        {},
        "no tabular input column can be used: .*'a'.*'b'",
    ),
    "text of lists": (
        {"body": [["a", "b"]]},
        None,
        {},
        r"text input 'body' is list<.*>; text columns hold text",
    ),
    "table of lists": ({"a": [[1, 2]]}, {"tabular": "a"}, {}, "tabular input 'a' is list"),
    "sound of numbers": (
        {"a": [1, 2]},
        {"audio": "a"},
        {},
        "audio input 'a' is int64; audio columns hold paths, encoded bytes",
    ),
    "sound without a rate": (
        {"a": [{"array": [0.0], "rate": 8000}]},
        {"audio": "a"},
        {},
        "audio input 'a' has the fields array, rate; sounds have bytes or path, or array and sampling_rate",
    ),
    "sound that is not there": (
        {"a": ["gone.wav", None]},
        {"audio": "a"},
        {},
        r"audio input 'a' names 1 files that do not exist \(first 'gone.wav' in row 0",
    ),
    "image of numbers": (
        {"a": [1]},
        {"image": "a"},
        {},
        "image input 'a' is int64; image columns hold paths",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_mistakes_are_one_clear_line(case, tmp_path):
    source, inputs, options, message = ERRORS[case]
    with pytest.raises(DataError) as caught:
        load(source, tmp_path, inputs, **options)
    said = str(caught.value)
    assert re.search(message, said), said
    assert said.startswith("dataset d: ") and "\n" not in said
    assert not (tmp_path / "cache").exists()


def test_large_text_gets_wide_offsets(monkeypatch):
    monkeypatch.setattr(storage, "_OFFSETS_END", 10)
    table = storage.single_chunk(pa.table({"a": pa.chunked_array([["x" * 20], ["y"]])}))
    assert table.schema.field("a").type == pa.large_string() and table["a"].num_chunks == 1


@pytest.mark.slow
def test_a_million_rows_in_seconds(tmp_path):
    rng = np.random.default_rng(0)
    source = pd.DataFrame({f"c{i}": rng.integers(0, 1000, 1_000_000) for i in range(5)})
    start = time.perf_counter()
    load(source, tmp_path, {"tabular": "*"})
    assert time.perf_counter() - start < 5
