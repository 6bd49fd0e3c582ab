"""Reading labels: what is understood, and what is asked about."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.errors import DataError
from jointset.records import Task
from jointset.tasks import KINDS, LabelOptions, LabelSource
from jointset.tasks.classes import read_values


def source(values, dataset="d", mapping=None, missing=(), type=None):
    columns = values if isinstance(values, dict) else {"y": values}
    arrays = {
        c: v if isinstance(v, pa.ChunkedArray) else pa.chunked_array([pa.array(v, type)])
        for c, v in columns.items()
    }
    return LabelSource(dataset, arrays, mapping, tuple(missing))


def encode(kind, *sources, **options):
    return KINDS[kind].encode("t", list(sources), LabelOptions(**options))


def refused(kind, *sources, **options):
    with pytest.raises(DataError) as caught:
        encode(kind, *sources, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "'t'" in message
    return message


# Classes


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=20))
def test_codes_of_names_are_names_again(values):
    values = [*values, "a", "a", "b", "b", "c", "c"]
    found = encode("multiclass", source(values))
    assert found.task.classes == ("a", "b", "c")
    assert KINDS["multiclass"].decode(found.task, found.labels["d"]).tolist() == [v or "" for v in values]


@pytest.mark.parametrize(
    ("values", "type", "classes"),
    [
        ([10, 2, 10, 2, 1, 1], None, ("1", "2", "10")),
        ([1.0, 2.0, None, float("nan"), 1.0, 2.0], None, ("1", "2")),
        ([True, False, None, True, False], None, ("false", "true")),
        (["10", "9", "9", "10", ""], None, ("9", "10")),
        (["b", "a", "b", "a"], pa.dictionary(pa.int8(), pa.string()), ("a", "b")),
        (["b", "a", "b", "a"], pa.large_string(), ("a", "b")),
        ([1, 2, 1, 2], pa.uint8(), ("1", "2")),
    ],
)
def test_values_become_names(values, type, classes):
    found = encode("multiclass", source(values, type=type))
    assert found.task.classes == classes
    names = KINDS["multiclass"].decode(found.task, found.labels["d"])
    assert all((n == "") == (v is None or v == "" or v != v) for n, v in zip(names, values, strict=True))


def test_the_second_class_of_a_binary_task_is_positive():
    assert encode("binary", source(["yes", "no"] * 2)).task.classes == ("no", "yes")
    assert encode("binary", source(["yes", "no"] * 2), classes=("yes", "no")).task.classes == ("yes", "no")


def test_chunks_are_read_as_one_column():
    column = pa.chunked_array([["a", "b"], ["b", None, "a"]])
    assert encode("binary", source(column)).labels["d"].tolist() == [0, 1, 1, -1, 0]
    encoded = pa.chunked_array(
        [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()]
    )
    assert read_values(encoded, "here").codes.tolist() == [0, 1, 1, 0]


def test_a_map_joins_datasets_and_leaves_the_rest_missing():
    stars = source([1, 2, 4, 5, 3, 1, 5], "reviews", {1: "neg", 2: "neg", 4: "pos", "5": "pos"})
    moods = source(["neg", "pos", None], "chats")
    found = encode("multiclass", stars, moods)
    assert found.labels["reviews"].tolist() == [0, 0, 1, 1, -1, 0, 1]
    assert found.labels["chats"].tolist() == [0, 1, -1]
    assert found.notes == ("reviews: 1 labels without an entry in map are missing (3)",)


def test_a_value_mapped_to_null_is_missing():
    found = encode("binary", source(["a", "b", "?", "a", "b"], mapping={"a": "a", "b": "b", "?": None}))
    assert found.labels["d"].tolist() == [0, 1, -1, 0, 1]
    assert found.notes == ()


def test_a_declared_sentinel_is_missing_and_told():
    found = encode("binary", source([-1, 0, 1, 0, 1, -1], missing=[-1]))
    assert found.labels["d"].tolist() == [-1, 0, 1, 0, 1, -1]
    assert found.notes == ("d: 2 labels equal to a declared sentinel are missing",)


def test_known_classes_decide_what_a_further_file_says():
    task = Task("t", "multiclass", ("neg", "pos"))
    further = source([5, 1, 3, None], mapping={1: "neg", 5: "pos"})
    assert KINDS["multiclass"].read(task, further, LabelOptions()).tolist() == [1, 0, -1, -1]
    assert KINDS["multiclass"].read(task, source(["pos", "new"]), LabelOptions()).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("kind", "sources", "options", "parts"),
    [
        ("binary", [source([None, None], type=pa.string())], {}, ["no label in d", "missing, unmapped"]),
        ("binary", [source(["a"] * 5)], {}, ["a single class, {'a'}, in 5 labels"]),
        ("binary", [source(["a", "b", "c"] * 3)], {}, ["kind binary has two classes, found 3", "multiclass"]),
        ("multiclass", [source(["a", "a", "b", "b", "c"])], {}, ["class 'c' has one row", "map"]),
        ("multiclass", [source(["Pos", "pos", "neg"] * 3)], {}, ["case or spaces", "'Pos' (3)", "'pos' (3)"]),
        ("multiclass", [source(["pos ", "pos", "neg"] * 3)], {}, ["case or spaces", "'pos ' (3)"]),
        ("multiclass", [source([-1, 0, 1, 2] * 3)], {}, ["3 labels are -1", "tasks.t.missing: -1"]),
        ("binary", [source([-1, 1] * 3)], {}, ["3 labels are -1"]),
        ("multiclass", [source(np.arange(4812) / 10)], {}, ["4,812 distinct numbers", "regression"]),
        ("multiclass", [source(list(range(1500)) * 2)], {}, ["1,500 distinct numbers in 3,000 labels"]),
        (
            "multiclass",
            [source(["a", "b"] * 3)],
            {"classes": ("a", "bb")},
            ["'b' is not among classes", "declare"],
        ),
        ("multiclass", [source(["a", "b"] * 3, mapping={"x": "y"})], {}, ["no value is in map", "'a', 'b'"]),
        (
            "multiclass",
            [source([1, 2] * 3, "one"), source(["neg", "pos"] * 3, "two")],
            {},
            ["label types differ (numbers in 'one', text in 'two')", "map"],
        ),
        (
            "multiclass",
            [source(["x", "y"] * 3, "one"), source(["neg", "pos"] * 3, "two")],
            {},
            ["'one' and 'two' have no class in common"],
        ),
        (
            "multiclass",
            [
                source([1, 2] * 3, "one", {1: "neg", 2: "pos"}),
                source([1, 2] * 3, "two", {1: "pos", 2: "neg"}),
            ],
            {},
            ["maps clash", "value '1' becomes one: 'neg', two: 'pos'"],
        ),
        ("multiclass", [source([["a"], ["b"]])], {}, ["one class per row", "multilabel"]),
    ],
)
def test_a_doubt_about_classes_is_asked_about(kind, sources, options, parts):
    message = refused(kind, *sources, **options)
    for part in parts:
        assert part in message


# Sets of labels


def test_a_list_a_text_and_flags_say_the_same():
    lists = encode("multilabel", source([["a"], ["b", "a"], None, []]))
    texts = encode("multilabel", source(["a", "b; a", None, "a"]), separator=";")
    flags = encode("multilabel", source({"a": [1, 1, None, 0], "b": ["no", "yes", "", "No"]}))
    assert lists.task.classes == texts.task.classes == flags.task.classes == ("a", "b")
    assert lists.labels["d"].tolist() == [[1, 0], [1, 1], [-1, -1], [0, 0]]
    assert flags.labels["d"].tolist() == lists.labels["d"].tolist()
    assert texts.labels["d"].tolist() == [[1, 0], [1, 1], [-1, -1], [1, 0]]


def test_a_class_that_a_dataset_never_names_is_missing_there():
    found = encode("multilabel", source([["a"], ["b"]], "one"), source([["c"], ["a", "c"]], "two"))
    assert found.task.classes == ("a", "b", "c")
    assert found.labels["one"][:, 2].tolist() == [-1, -1]
    assert found.labels["two"][:, 1].tolist() == [-1, -1]


def test_an_empty_cell_of_a_separated_column_is_missing():
    assert encode("multilabel", source(["a,b", "", "b"])).labels["d"].tolist() == [[1, 1], [-1, -1], [0, 1]]


def test_a_sentinel_in_a_list_hides_the_row():
    found = encode("multilabel", source([["a"], ["b"], ["?"]], missing=["?"]))
    assert found.labels["d"].tolist() == [[1, 0], [0, 1], [-1, -1]]
    flags = encode("multilabel", source({"a": [1, 0, -1], "b": [0, 1, 1]}, missing=[-1]))
    assert flags.labels["d"].tolist() == [[1, 0], [0, 1], [-1, 1]]


def test_a_map_renames_members_of_sets():
    found = encode("multilabel", source([["x"], ["y", "z"], ["z"]], mapping={"x": "a", "y": "b"}))
    assert found.task.classes == ("a", "b")
    assert found.labels["d"].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_classes_that_never_or_always_apply_are_told():
    found = encode("multilabel", source([["a"], ["a", "b"]]), classes=("a", "b", "c"))
    assert found.notes == ("class 'c' never applies", "class 'a' always applies")


@pytest.mark.parametrize(
    ("values", "options", "parts"),
    [
        ({"a": [1, 2, 0], "b": [0, 1, 0]}, {}, ["'2' is neither 0 nor 1"]),
        ({"a": [1, -1, 0], "b": [0, 1, 0]}, {}, ["'-1' is neither 0 nor 1", "tasks.t.missing"]),
        ([1, 0, 1], {}, ["holds no label sets", "0/1 column per class"]),
        ([["a"], ["b"]], {"classes": ("a",)}, ["'b' is not among classes"]),
        ([["Sports"], ["sports"], ["art"]], {}, ["case or spaces", "'Sports' (1)"]),
        ([None, None], {}, ["holds no label sets"]),
    ],
)
def test_a_doubt_about_sets_is_asked_about(values, options, parts):
    message = refused("multilabel", source(values), **options)
    for part in parts:
        assert part in message


# Numbers


@pytest.mark.parametrize(
    ("values", "missing", "found"),
    [
        ([1, 2, None], (), [1, 2, np.nan]),
        (["1.5", " 2 ", ""], (), [1.5, 2, np.nan]),
        ([1.5, 999, 3], (999,), [1.5, np.nan, 3]),
        (["1.5", "NA", "2"], ("NA",), [1.5, np.nan, 2]),
        ([True, False, None], (), [1, 0, np.nan]),
        ([-1.0, -2.0, 3.0, -1.0], (), [-1, -2, 3, -1]),
        ([-1, 2, -1, 3], (-1,), [np.nan, 2, np.nan, 3]),
        ([-1, 2, -1, 3], (None,), [-1, 2, -1, 3]),
    ],
)
def test_numbers_are_read(values, missing, found):
    np.testing.assert_array_equal(encode("regression", source(values, missing=missing)).labels["d"], found)


@pytest.mark.parametrize(
    ("values", "mapping", "parts"),
    [
        (["1", "two", "3"], None, ["'two' is no number", "multiclass"]),
        ([1.0, float("inf"), 2.0], None, ["1 infinite labels, first in row 2"]),
        ([-1, 2, -1, 3], None, ["2 labels are -1", "tasks.t.missing: -1"]),
        ([3, 3, 3], None, ["all 3 labels are 3", "nothing to predict"]),
        ([None, None], None, ["no label in d"]),
        ([1, 2], {1: "a"}, ["remove map"]),
    ],
)
def test_a_doubt_about_numbers_is_asked_about(values, mapping, parts):
    kind = pa.float64() if values == [None, None] else None
    message = refused("regression", source(values, mapping=mapping, type=kind))
    for part in parts:
        assert part in message


def test_the_scale_is_the_mean_and_deviation_of_the_labels():
    task = encode("regression", source([1.0, 3.0, None]), unit="EUR").task
    assert (task.scale, task.unit, task.metric) == ((2.0, 1.0), "EUR", "r2")
