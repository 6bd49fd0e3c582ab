"""Every source hands on the same table; what cannot be read says why in one line."""

import bz2
import gzip
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from jointset.data import sources
from jointset.data.sources.base import SPLIT_NAMES
from jointset.errors import DataError

ROWS = {"id": [1, 2, 3], "body ": ["good", "bad, really", None], "score": [0.5, None, 2.0]}
TABLE = pa.table(ROWS)


def write_csv(path, delimiter=",", opener=open):
    lines = [
        delimiter.join(["id", "body ", "score"]),
        delimiter.join(["1", "good", "0.5"]),
        delimiter.join(["2", '"bad, really"', ""]),
        delimiter.join(["3", "", "2.0"]),
    ]
    with opener(path, "wb") as file:
        file.write("\n".join(lines).encode() + b"\n")
    return path


def write_jsonl(path, opener=open):
    with opener(path, "wb") as file:
        for i in range(3):
            row = {k: v[i] for k, v in ROWS.items() if v[i] is not None}
            file.write(json.dumps(row).encode() + b"\n")
    return path


def write_stream(path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return path


def write_file(path):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return path


def write_json_list(path):
    path.write_text(json.dumps(TABLE.to_pylist(), indent=1))
    return path


def write_parquet_folder(path):
    (path / "deep").mkdir(parents=True)
    pq.write_table(TABLE.slice(0, 1), path / "a.parquet")
    pq.write_table(TABLE.slice(1), path / "deep" / "b.parquet")
    (path / "README.txt").write_text("not data")
    return path


def write_parquet(path):
    pq.write_table(TABLE, path)
    return path


def write_feather(path):
    feather.write_feather(TABLE, path)
    return path


CASES = {
    "csv": lambda p: write_csv(p / "d.csv"),
    "csv.gz": lambda p: write_csv(p / "d.csv.gz", opener=gzip.open),
    "csv.bz2": lambda p: write_csv(p / "d.csv.bz2", opener=bz2.open),
    "tsv": lambda p: write_csv(p / "d.tsv", "\t"),
    "semicolons": lambda p: write_csv(p / "d.csv", ";"),
    "jsonl": lambda p: write_jsonl(p / "d.jsonl"),
    "jsonl.gz": lambda p: write_jsonl(p / "d.jsonl.gz", gzip.open),
    "ndjson": lambda p: write_jsonl(p / "d.ndjson"),
    "json list": lambda p: write_json_list(p / "d.json"),
    "parquet": lambda p: write_parquet(p / "d.parquet"),
    "parquet folder": lambda p: write_parquet_folder(p / "d"),
    "arrow file": lambda p: write_file(p / "d.arrow"),
    "arrow stream": lambda p: write_stream(p / "d.arrow"),
    "feather": lambda p: write_feather(p / "d.feather"),
    "table": lambda p: TABLE,
    "frame": lambda p: TABLE.to_pandas(),
    "arrays": lambda p: {
        "id": np.array([1, 2, 3]),
        "body ": np.array(["good", "bad, really", None], object),
        "score": np.array([0.5, np.nan, 2.0]),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_source_gives_the_same_table(case, tmp_path):
    table = sources.read(CASES[case](tmp_path), name="d")
    assert table.column_names == ["id", "body ", "score"]  # the trailing space is the user's
    assert table.to_pydict() == ROWS


def test_quoted_newlines_and_byte_order_mark(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b'\xef\xbb\xbftext,y\n"two\nlines",1\none,2\n')
    assert sources.read(path, name="d").to_pydict() == {"text": ["two\nlines", "one"], "y": [1, 2]}


def test_the_words_na_and_null_stay_text(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("country,n\nNA,1\nnull,NA\nDE,3\n")
    assert sources.read(path, name="d").to_pydict() == {"country": ["NA", "null", "DE"], "n": [1, None, 3]}


def test_types_that_only_a_late_row_shows(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a\n" + "1\n" * 5000 + "x\n")
    assert sources.read(path, name="d").schema.field("a").type == pa.string()
    lines = tmp_path / "d.jsonl"
    lines.write_text('{"a": 1}\n\n{"a": 2.5, "b": [1, 2]}\n')
    assert sources.read(lines, name="d").to_pydict() == {"a": [1.0, 2.5], "b": [None, [1, 2]]}


def test_parquet_folder_columns_from_folders_and_file_names(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "lang=en").mkdir(exist_ok=True)
        pq.write_table(pa.table({"a": [1]}), tmp_path / "lang=en" / f"{split}-00000-of-00001.parquet")
    table = sources.read(tmp_path, name="d")
    assert table.to_pydict() == {"a": [1, 1], "split": ["test", "train"], "lang": ["en", "en"]}


def test_images_by_class_and_by_split(tmp_path):
    for path in ("cat/1.png", "cat/2.JPG", "dog/1.png", "dog/notes.txt"):
        (tmp_path / "plain" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / path).write_bytes(b"x")
        (tmp_path / "split" / "train" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "split" / "train" / path).write_bytes(b"x")
    plain = sources.read(tmp_path / "plain", name="d")
    assert plain.to_pydict() == {
        "image": ["cat/1.png", "cat/2.JPG", "dog/1.png"],
        "label": ["cat", "cat", "dog"],
    }
    split = sources.read(tmp_path / "split", name="d")
    assert split["split"].to_pylist() == ["train"] * 3 and split["label"].to_pylist() == ["cat", "cat", "dog"]
    assert "train" in SPLIT_NAMES


def test_arrays_of_images_keep_their_shape():
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    table = sources.read({"px": images}, name="d")
    field = table.schema.field("px")
    assert field.metadata[b"jointset.shape"] == b"4,5,3"
    flat = table["px"].combine_chunks().flatten().to_numpy()
    assert (flat.reshape(images.shape) == images).all()


def test_categories_become_text():
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b", None])})
    assert sources.read(frame, name="d").to_pydict() == {"c": ["a", "b", None]}


def test_frame_names_that_are_no_text_and_index_is_left_out():
    frame = pd.DataFrame([[1, 2]], columns=[0, 1], index=["row"])
    assert sources.read(frame, name="d").column_names == ["0", "1"]


DECODED = {"text": ["x", "y", "z"], "y": ["pos", "neg", None], "tags": [["a", "c"], [], ["b"]]}


class TestHuggingFace:
    def make(self):
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(
            {
                "text": datasets.Value("string"),
                "y": datasets.ClassLabel(names=["neg", "pos"]),
                "tags": datasets.Sequence(datasets.ClassLabel(names=["a", "b", "c"])),
            }
        )
        rows = {"text": ["x", "y", "z"], "y": [1, 0, -1], "tags": [[0, 2], [], [1]]}
        return datasets, datasets.Dataset.from_dict(rows, features=features)

    def test_object_and_folder(self, tmp_path):
        _, dataset = self.make()
        assert sources.read(dataset, name="d").to_pydict() == DECODED
        dataset.save_to_disk(tmp_path / "saved")
        assert sources.read(tmp_path / "saved", name="d").to_pydict() == DECODED

    def test_selected_rows_in_their_order(self):
        _, dataset = self.make()
        assert sources.read(dataset.select([2, 0]), name="d")["text"].to_pylist() == ["z", "x"]

    def test_dict_object_and_folder(self, tmp_path):
        datasets, dataset = self.make()
        both = datasets.DatasetDict({"train": dataset, "test": dataset.select([1])})
        expected = ["train"] * 3 + ["test"]
        assert sources.read(both, name="d")["split"].to_pylist() == expected
        both.save_to_disk(tmp_path / "saved")
        table = sources.read(tmp_path / "saved", name="d")
        assert table["split"].to_pylist() == expected and table["y"].to_pylist() == [
            "pos",
            "neg",
            None,
            "neg",
        ]

    def test_images_become_bytes_or_paths(self):
        info = {"info": {"features": {"img": {"_type": "Image"}}}}
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        for value, expected in (({"bytes": b"p", "path": "a"}, b"p"), ({"bytes": None, "path": "a"}, "a")):
            table = pa.table({"img": pa.array([value], kind)})
            table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
            assert sources.read(table, name="d")["img"].to_pylist() == [expected]

    @pytest.mark.parametrize(
        ("file", "content", "message"),
        [
            ("state.json", "{", "cannot be read as a saved Hugging Face dataset"),
            ("state.json", "{}", "lists no data files"),
            ("dataset_dict.json", "{}", "lists no splits"),
        ],
    )
    def test_damaged_folder(self, tmp_path, file, content, message):
        (tmp_path / file).write_text(content)
        with pytest.raises(DataError, match=message):
            sources.read(tmp_path, name="d")


def text(name, content):
    def write(folder):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def empty_folder(folder):
    (folder / "d").mkdir()
    return folder / "d"


def loose_image(folder):
    (folder / "a.png").write_bytes(b"x")
    return folder


def two_schemas(folder):
    pq.write_table(pa.table({"a": [1]}), folder / "a.parquet")
    pq.write_table(pa.table({"a": ["x"]}), folder / "b.parquet")
    return folder


LATIN = "text,y\ncafé,1\n".encode("latin-1")
ERRORS = {
    "missing file": (
        lambda p: (write_csv(p / "reviews.csv"), p / "review.csv")[1],
        r"no file review.csv in .* \(did you mean 'reviews.csv'\?\)",
    ),
    "missing folder": (lambda p: p / "no" / "d.csv", r"no folder .*no \(looking for d.csv\)"),
    "unknown extension": (text("d.xlsx", "x"), r"unknown extension '.xlsx' of d.xlsx; known: .csv, .tsv"),
    "near extension": (text("d.parqet", "x"), r"did you mean '.parquet'"),
    "compressed parquet": (text("d.parquet.gz", "x"), "unknown extension"),
    "empty folder": (empty_folder, "holds neither Parquet files"),
    "empty csv": (text("d.csv", ""), "d.csv is empty"),
    "blank csv": (text("d.csv", "\n \n"), "d.csv is empty"),
    "header only": (text("d.csv", "a,b\n"), "d.csv has no rows"),
    "latin-1": (text("d.csv", LATIN), r"d.csv is not UTF-8: byte 0xe9 at offset 10, line 2; save"),
    "latin-1 header": (text("d.csv", "caf\xe9\n1\n".encode("latin-1")), r"byte 0xe9 at offset 3, line 1"),
    "latin-1 lines": (text("d.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n'), r"byte 0xe9 at offset 16, line 2"),
    "cut character": (text("d.jsonl", b'{"a": 1}\n\xc3'), r"byte 0xc3 at offset 9, line 2"),
    "utf-16": (text("d.csv", "a,b\n1,2\n".encode("utf-16")), "not UTF-8: byte 0xff at offset 0, line 1"),
    "ragged": (text("d.csv", 'a,b\n"x\ny",1\n1,2\n3\n'), r"d.csv line 5: expected 2 fields, found 1"),
    "ragged wide": (text("d.csv", "a,b\n1,2,3\n"), "d.csv line 2: expected 2 fields, found 3"),
    "repeated column": (text("d.csv", "a,b,a\n1,2,3\n"), "has the column 'a' more than once"),
    "broken gzip": (text("d.csv.gz", "not gzip"), "cannot be read as CSV"),
    "cut gzip": (text("d.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000)[:-12]), "cannot be read as text"),
    "empty lines": (text("d.jsonl", "\n"), "expected one JSON object per line"),
    "bad json": (text("d.jsonl", '{"a": 1}\n{"a": }\n'), r"d.jsonl line 2, column 7: not valid JSON"),
    "bad json list": (text("d.json", '[{"a": 1},\n{"a": }]\n'), r"d.json line 2, column 7: not valid JSON"),
    "not an object": (text("d.jsonl", '{"a": 1}\n[1]\n'), "line 2: expected a JSON object, found list"),
    "mixed json": (
        text("d.jsonl", '{"a": 1}\n{"a": "x"}\n'),
        r"column 'a' mixes values of several types: int \(first in line 1\), str \(first in line 2\)",
    ),
    "broken parquet": (text("d.parquet", "x" * 100), "d.parquet cannot be read as Parquet"),
    "broken arrow": (text("d.arrow", "ARROW1" + "x" * 100), "d.arrow cannot be read as Arrow IPC"),
    "two schemas": (two_schemas, "the parts of .* do not fit together"),
    "loose image": (loose_image, "a.png in .* stands in no class folder"),
    "type": (lambda p: 3.5, "a source of type float cannot be read"),
    "mixed frame": (lambda p: pd.DataFrame({"a": [1, "x"]}), r"column 'a' of the frame mixes .*\(int, str\)"),
    "repeated frame": (lambda p: pd.DataFrame([[1, 2]], columns=["a", "a"]), "the column 'a' more than once"),
    "repeated table": (lambda p: pa.table([[1], [2]], names=["a", "a"]), "the column 'a' more than once"),
    "lengths": (lambda p: {"a": [1, 2], "b": [1]}, "different numbers of rows: a 2, b 1"),
    "mixed array": (lambda p: {"a": [1, "x"]}, "array 'a' is not a column"),
    "scalar": (lambda p: {"a": 1}, "array 'a' is not a column"),
    "no columns": (lambda p: {}, "has no columns"),
    "no rows": (lambda p: {"a": []}, "has no rows"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_read_says_why_in_one_line(case, tmp_path):
    make, message = ERRORS[case]
    source = make(tmp_path)
    with pytest.raises(DataError) as caught:
        sources.read(source, name="d")
    said = str(caught.value)
    assert re.search(message, said), said
    assert said.startswith("dataset d: ") and "\n" not in said


def test_table_of_readers_is_what_resolve_names():
    from jointset.data.sources.resolve import EXTENSIONS

    assert set(EXTENSIONS.values()) <= set(sources.READERS)


# Sounds


def test_sounds_by_class_and_the_commoner_kind_decides(tmp_path):
    for path in ("dog/1.wav", "dog/2.FLAC", "cat/1.mp3", "cat/cover.png", "cat/notes.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    table = sources.read(tmp_path, name="d")
    assert table.to_pydict() == {
        "audio": ["cat/1.mp3", "dog/1.wav", "dog/2.FLAC"],
        "label": ["cat", "dog", "dog"],
    }
    (tmp_path / "loose.wav").write_bytes(b"x")
    with pytest.raises(DataError, match=r"loose.wav in .* stands in no class folder; expected CLASS/SOUND"):
        sources.read(tmp_path, name="d")


def test_audio_features_become_bytes_or_paths_and_nothing_is_decoded():
    info = {"info": {"features": {"a": {"_type": "Audio", "sampling_rate": 16000}}}}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    data, path = {"bytes": b"p", "path": "a.wav"}, {"bytes": None, "path": "a.wav"}
    for values, expected in (([data], [b"p"]), ([path, None], ["a.wav", None]), ([data, path], [data, path])):
        table = pa.table({"a": pa.array(values, kind)}).replace_schema_metadata(
            {"huggingface": json.dumps(info)}
        )
        assert sources.read(table, name="d")["a"].to_pylist() == expected
