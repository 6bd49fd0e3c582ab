"""What is handed over beside labels and probabilities, and where probabilities may lie."""

import numpy as np
import pytest

from jointset.audit import find_label_errors
from jointset.audit.checks import check_arrays
from jointset.errors import ArrayError

HALF = np.full((3, 2), 0.5)
FLAGS = [[0, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("labels", "probs", "kwargs", "message"),
    [
        ([0, 1, 1], HALF, {"views": [np.full((3, 3), 1 / 3)]}, r"labels, view 1: .*\(3, 2\).*\(3, 3\)"),
        ([0, 1, 1], HALF, {"views": [HALF, HALF[:2]]}, "labels, view 2: "),
        ([0, 1, 1], HALF, {"views": HALF}, "view 1: a view must be floats"),
        ([0, 1, 1], HALF, {"views": [np.eye(2, dtype=int)[[0, 1, 1]]]}, "view 1: .* found int64"),
        ([0, 1, 1], HALF, {"views": [2 * HALF]}, "view 1: .*row 0 sums to 2"),
        ([0, 1, 1], HALF, {"views": [HALF * np.nan]}, "view 1: .*NaN or infinity, first in row 0"),
        ([0, 1, 1], HALF, {"views": [[[0.5, 0.5], [1.0], [0.5, 0.5]]]}, "view 1: .*different lengths"),
        ([0, 1, 1], HALF, {"margins": [1, 2]}, r"margins must be numbers \(3,\), .* \(2,\)"),
        ([0, 1, 1], HALF, {"margins": HALF}, r"margins must be numbers \(3,\), .* \(3, 2\)"),
        ([0, 1, 1], HALF, {"margins": ["a", "b", "c"]}, "margins must be numbers"),
        (FLAGS, HALF, {"views": [HALF]}, "tasks with classes, not for multilabel"),
        ([0.5, 1, 2], np.zeros(3), {"margins": np.zeros(3)}, "tasks with classes, not for regression"),
        ({"a": [0, 1, 1]}, {"a": HALF}, {"views": {"b": [HALF]}}, "views for b: none of the tasks"),
        ({"a": [0, 1, 1]}, {"a": HALF}, {"margins": {"b": np.ones(3)}}, "margins for b"),
        ({"a": [0, 1, 1]}, {"a": HALF}, {"kind": {"b": "binary"}}, "kind for b"),
        ({"a": [0, 1, 1]}, {"a": HALF}, {"views": [HALF]}, "mappings from task"),
        ({"a": [0, 1, 1]}, {"a": HALF}, {"margins": np.ones(3)}, "mappings from task"),
        ([0, 1, 1], [[0.5, 0.5], [1.0], [0.5, 0.5]], {}, "rows of different lengths"),
        ([[0], [1, 1], [0]], HALF, {}, "rows of different lengths"),
        ([0, 1, 1], np.array([None] * 3), {}, "must be numbers"),
        ([0, 1, 1], HALF.astype(complex), {}, "must be numbers"),
        ([1e30, 0, 1], HALF, {}, "whole numbers"),
        ([np.inf, 0, 1], HALF, {}, "whole numbers"),
        (np.array([2**40, 0, 1]), HALF, {}, "label 1099511627776 is out of range"),
        (np.zeros((3, 0), int), np.zeros((3, 0)), {}, r"\(3, 0\)"),
        (np.zeros(3, int), np.zeros((3, 0)), {"kind": "multiclass"}, "K >= 2"),
        (np.zeros(3), np.zeros((3, 0)), {"kind": "regression"}, r"\(n,\), \(n, 1\)"),
        ([0.5, 1, 2], np.ones((3, 2)) * [[1, 0]], {"kind": "regression"}, "must be positive; row 0"),
        ([0.5, 1, 2], [0, np.inf, 0], {"kind": "regression"}, "first in row 1"),
        ([0, 1, 1], HALF, {"precision": np.nan}, "above 0 and at most 1"),
        ([0, 1, 1], lambda: iter([HALF, HALF]), {}, "3 labels but 6 rows"),
        ([0, 1, 1], lambda: iter([]), {}, "pass a fresh iterator"),
        ([0, 1, 1], lambda: iter([HALF[:1], np.full((2, 3), 1 / 3)]), {}, "after 1 rows"),
    ],
)
def test_errors_are_one_clear_line(labels, probs, kwargs, message):
    with pytest.raises(ArrayError, match=message) as caught:
        find_label_errors(labels, probs, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [0, 70_000, 99_999])
@pytest.mark.parametrize("k", [2, 5])
def test_a_bad_row_is_found_in_whatever_slice_it_lies(bad, k):
    probs = np.full((100_000, k), 1 / k, np.float32)
    probs[bad] = 2 / k
    with pytest.raises(ArrayError, match=f"row {bad} sums to 2"):
        check_arrays(np.zeros(len(probs), int), probs)
    probs[bad] = np.nan
    with pytest.raises(ArrayError, match=f"first in row {bad}"):
        check_arrays(np.zeros(len(probs), int), probs)


def data(n=900, k=3, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    z = np.exp(2 * np.eye(k)[true] + rng.normal(size=(n, k)))
    given = np.where(rng.random(n) < 0.1, (true + 1) % k, true)
    return given, (z / z.sum(axis=1, keepdims=True)).astype(np.float32)


def test_memory_maps_and_chunks_give_what_arrays_give(tmp_path):
    given, probs = data()
    np.save(tmp_path / "p.npy", probs)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    there = find_label_errors(given, probs)
    for other in (mapped, lambda: (probs[i : i + 100] for i in range(0, len(probs), 100))):
        found = find_label_errors(given, other)
        for field in ("quality", "suggested", "confidence", "posterior", "is_error"):
            np.testing.assert_array_equal(getattr(found, field), getattr(there, field))


def test_probabilities_are_neither_copied_nor_read_into_memory(tmp_path):
    given, probs = data()
    np.save(tmp_path / "p.npy", probs)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    task = check_arrays(given, mapped, views=[mapped])
    assert np.shares_memory(task.probs, mapped) and np.shares_memory(task.views[0], mapped)
    assert check_arrays(given, lambda: iter([probs])).probs.flags.writeable is False


def test_views_and_margins_stand_beside_their_task():
    given, probs = data()
    one = find_label_errors(given, probs, views=[probs], margins=np.full(len(given), np.nan))
    many = find_label_errors(
        {"a": given},
        {"a": probs},
        views={"a": [probs]},
        margins={"a": np.full(len(given), np.nan)},
        kind={"a": "multiclass"},
    )
    np.testing.assert_array_equal(one.quality, many["a"].quality)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "f2", "f4", "f8"])
def test_labels_may_be_of_any_type(dtype):
    given, probs = data(300)
    there = find_label_errors(given, probs)
    np.testing.assert_array_equal(find_label_errors(given.astype(dtype), probs).quality, there.quality)


def test_nan_and_minus_one_are_the_same():
    given, probs = data(300)
    hidden = np.arange(300) % 4 == 0
    a = find_label_errors(np.where(hidden, -1, given), probs)
    b = find_label_errors(np.where(hidden, np.nan, given), probs)
    np.testing.assert_array_equal(a.quality, b.quality)
    assert np.isnan(a.quality[hidden]).all() and a.given.dtype == b.given.dtype == np.int64
