"""The columnar records and the forms of labels."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.records import Edits, Issues, Task, is_labelled

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6)


def record(cls, n, draw):
    values = {}
    for f in dataclasses.fields(cls):
        kind = np.dtype(f.metadata["dtype"]).kind
        source = {"O": text, "f": st.floats(allow_nan=False), "i": st.integers(-(2**62), 2**62)}[kind]
        array = np.empty(n, f.metadata["dtype"])
        array[:] = [draw(source) for _ in range(n)]
        values[f.name] = array
    return cls(**values)


def same(a, b):
    return all((getattr(a, f.name) == getattr(b, f.name)).all() for f in dataclasses.fields(a))


@pytest.mark.parametrize("cls", [Issues, Edits])
@given(data=st.data(), n=st.integers(0, 5))
def test_a_record_survives_arrow(cls, data, n):
    made = record(cls, n, data.draw)
    back = cls.from_arrow(made.to_arrow())
    assert len(back) == n
    assert same(made, back)


@pytest.mark.parametrize("cls", [Issues, Edits])
@given(data=st.data(), cut=st.integers(0, 5))
def test_parts_put_together_again_are_the_whole(cls, data, cut):
    made = record(cls, 5, data.draw)
    first, rest = made.take(np.arange(cut)), made.take(np.arange(5) >= cut)
    assert same(cls.concat([first, rest]), made)


def test_an_empty_record_has_typed_columns():
    empty = Edits.empty()
    assert len(empty) == 0
    assert {f.name: getattr(empty, f.name).dtype.kind for f in dataclasses.fields(Edits)} == {
        f.name: np.dtype(f.metadata["dtype"]).kind for f in dataclasses.fields(Edits)
    }
    assert same(Edits.concat([]), empty)
    assert Edits.from_arrow(empty.to_arrow()).weight.dtype == np.float64


def test_a_scalar_fills_a_column_and_the_original_stays():
    text, one = np.array(["a"], object), np.ones(1)
    issue = Issues(text, text, text, text, text, one, text, text, one, text)
    issues = Issues.concat([Issues.empty(), issue, issue])
    changed = issues.with_columns(task="other", score=0.5)
    assert changed.task.tolist() == ["other"] * 2
    assert changed.score.tolist() == [0.5] * 2
    assert issues.task.tolist() == ["a"] * 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        issues.task = changed.task


def test_records_become_frames_column_by_column():
    frame = Edits.empty().to_pandas()
    assert list(frame.columns) == [f.name for f in dataclasses.fields(Edits)]


@pytest.mark.parametrize(
    ("task", "shape", "outputs"),
    [
        (Task("a", "binary", ("n", "y")), (3,), 2),
        (Task("a", "multiclass", ("u", "v", "w")), (3,), 3),
        (Task("a", "multilabel", ("u", "v")), (3, 2), 2),
        (Task("a", "regression"), (3,), 1),
    ],
)
def test_missing_labels_are_not_labelled(task, shape, outputs):
    missing = task.missing(3)
    assert missing.shape == shape
    assert task.n_outputs == outputs
    assert not is_labelled(missing).any()
    missing[1] = 0
    assert is_labelled(missing).tolist() == [False, True, False]


def test_one_known_entry_labels_a_multilabel_row():
    assert is_labelled(np.array([[-1, 0], [-1, -1], [1, 1]], np.int8)).tolist() == [True, False, True]
