"""The overlay: given labels plus edits; without edits, or with all undone, it is the given labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.data import SOURCES, apply, build_pool, load_dataset
from jointset.errors import InternalError
from jointset.records import Edits, Task

N = 6
TASKS = {
    "mood": Task("mood", "multiclass", ("neg", "neutral", "pos")),
    "price": Task("price", "regression"),
    "tags": Task("tags", "multilabel", ("a", "b")),
}
GIVEN = {
    "mood": np.array([0, 1, 2, -1, 0, -1]),
    "price": np.array([1.0, 2.0, np.nan, np.nan, 5.0, np.nan]),
    "tags": np.array([[0, 1], [1, -1], [-1, -1], [0, 0], [1, 1], [-1, -1]], np.int8),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    rows = {"k": [str(i) for i in range(N)], "t": [f"t{i}" for i in range(N)]}
    d = load_dataset("d", rows, inputs={"text": "t"}, id="k", cache=tmp_path_factory.mktemp("cache"))
    return build_pool([d], strata=None, split_settings={}, seed=0)


def edits(*rows):
    """Edits out of (row, task, action, new, weight, position, reason); the last ones may be left out."""
    full = [(*r, *("", 1.0, "", "")[len(r) - 3 :]) for r in rows]
    columns = {f: [] for f in Edits.__dataclass_fields__}
    for row, task, action, new, weight, position, reason in full:
        values = {"round": 1, "dataset": "d", "row": str(row), "task": task, "position": position, "old": "",
                  "annotator": "", "action": action, "new": new, "weight": weight, "confidence": 0.9,
                  "expected_precision": 0.9, "status": "accepted", "reason": reason}  # fmt: skip
        for key, value in values.items():
            columns[key].append(value)
    return Edits(
        **{k: np.array(v, dtype=Edits.__dataclass_fields__[k].metadata["dtype"]) for k, v in columns.items()}
    )


def code(name):
    return SOURCES.index(name)


def same(a, b):
    return all(
        np.array_equal(getattr(a, part)[t], getattr(b, part)[t], equal_nan=True)
        for part in ("labels", "weights", "source")
        for t in TASKS
    ) and np.array_equal(a.keep, b.keep)


def test_without_edits_it_is_what_was_given(pool):
    view = apply(GIVEN, Edits.empty(), TASKS, pool)
    for task, labels in GIVEN.items():
        assert np.array_equal(view.labels[task], labels, equal_nan=True)
        assert view.labels[task] is not labels
    assert view.weights["mood"].tolist() == [1, 1, 1, 0, 1, 0]
    assert view.weights["tags"].tolist() == [[1, 1], [1, 0], [0, 0], [1, 1], [1, 1], [0, 0]]
    assert view.source["price"].tolist() == [1, 1, 0, 0, 1, 0]
    assert view.keep.all()  # a row without labels was not dropped


def test_relabel_fill_weight_and_drop(pool):
    view = apply(
        GIVEN,
        edits(
            (0, "mood", "relabel", "pos", 0.5),
            (1, "mood", "weight", "", 0.25),
            (2, "mood", "drop"),
            (3, "mood", "fill", "neutral", 0.75),
            (4, "mood", "relabel", "neutral", 1.0, "", "reviewed by hand"),
            (2, "price", "fill", "2.5"),
        ),
        TASKS,
        pool,
    )
    assert view.labels["mood"].tolist() == [2, 1, -1, 1, 1, -1]
    assert view.weights["mood"].tolist() == [0.5, 0.25, 0, 0.75, 1, 0]
    assert [SOURCES[s] for s in view.source["mood"]] == [
        "relabelled",
        "given",
        "none",
        "filled",
        "reviewed",
        "none",
    ]
    assert view.labels["price"][2] == 2.5 and view.source["price"][2] == code("filled")
    assert view.keep.all()


def test_multilabel_entries(pool):
    view = apply(
        GIVEN,
        edits(
            (0, "tags", "relabel", "0", 0.5, "b"),
            (1, "tags", "fill", "1", 0.5, "b"),
            (3, "tags", "drop"),
            (4, "tags", "weight", "", 0.125),
        ),
        TASKS,
        pool,
    )
    assert view.labels["tags"].tolist() == [[0, 0], [1, 1], [-1, -1], [-1, -1], [1, 1], [-1, -1]]
    assert view.weights["tags"].tolist() == [[1, 0.5], [1, 0.5], [0, 0], [0, 0], [0.125, 0.125], [0, 0]]
    assert view.source["tags"].tolist() == [[1, 2], [1, 3], [0, 0], [0, 0], [1, 1], [0, 0]]
    assert view.keep.tolist() == [True, True, True, False, True, True]  # row 3 had nothing else


def test_rows_dropped_as_a_whole(pool):
    view = apply(GIVEN, edits((0, "", "drop"), (0, "mood", "relabel", "pos")), TASKS, pool)
    assert view.keep.tolist() == [False] + [True] * 5
    assert view.labels["mood"][0] == -1 and np.isnan(view.labels["price"][0])
    assert view.labels["tags"][0].tolist() == [-1, -1]
    assert all(view.weights[t][0].sum() == 0 and view.source[t][0].sum() == 0 for t in TASKS)


@pytest.mark.parametrize(
    ("order", "label", "weight", "source"),
    [
        ([("relabel", "pos", 1.0), ("relabel", "neutral", 0.5)], 1, 0.5, "relabelled"),
        ([("relabel", "pos", 1.0), ("weight", "", 0.5)], 2, 0.5, "relabelled"),
        ([("weight", "", 0.5), ("relabel", "pos", 1.0)], 2, 1.0, "relabelled"),
        ([("relabel", "pos", 1.0), ("drop", "", 1.0)], -1, 0.0, "none"),
        ([("drop", "", 1.0), ("weight", "", 0.5)], -1, 0.0, "none"),
        ([("drop", "", 0.0), ("relabel", "pos", 1.0)], 2, 1.0, "relabelled"),
        ([("weight", "", 0.5), ("weight", "", 0.25)], 0, 0.25, "given"),
    ],
)
def test_later_edits_win(pool, order, label, weight, source):
    view = apply(GIVEN, edits(*[(0, "mood", *e) for e in order]), TASKS, pool)
    found = view.labels["mood"][0], view.weights["mood"][0], SOURCES[view.source["mood"][0]]
    assert found == (label, weight, source)


MOODS = st.tuples(
    st.integers(0, N - 1),
    st.just("mood"),
    st.sampled_from(["relabel", "fill", "drop", "weight"]),
    st.sampled_from(["neg", "neutral", "pos"]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
TAGS = st.tuples(
    st.integers(0, N - 1),
    st.just("tags"),
    st.sampled_from(["relabel", "drop", "weight"]),
    st.sampled_from("01"),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from("ab"),
)


def one_by_one(sequence):
    """The overlay by its definition, one edit after another: task → (labels, weights)."""
    labels = {t: GIVEN[t].astype(float).copy() for t in TASKS}
    weights = {t: (GIVEN[t] >= 0).astype(float) for t in TASKS}
    for row, task, action, new, weight, *position in sequence:
        at = (row, "ab".index(position[0])) if position else row
        if action in ("relabel", "fill"):
            labels[task][at] = int(new) if position else ("neg", "neutral", "pos").index(new)
        weights[task][at] = weight
        if action == "drop":
            labels[task][at] = -1
        if not labels[task][at] >= 0:
            weights[task][at] = 0
    return labels, weights


@settings(max_examples=100, deadline=None)
@given(st.lists(MOODS | TAGS, max_size=15))
def test_vectorised_as_one_by_one_and_undone_as_given(pool, sequence):
    before = {t: v.copy() for t, v in GIVEN.items()}
    record = edits(*sequence)
    view = apply(GIVEN, record, TASKS, pool)
    labels, weights = one_by_one(sequence)
    for task in ("mood", "tags"):
        assert np.array_equal(view.labels[task], labels[task])
        assert np.array_equal(view.weights[task], weights[task])
        assert ((view.source[task] == 0) == (view.labels[task] < 0)).all()
    assert all(np.array_equal(GIVEN[t], before[t], equal_nan=True) for t in TASKS)
    undone = record.take(np.zeros(len(record), bool))
    assert same(apply(GIVEN, undone, TASKS, pool), apply(GIVEN, Edits.empty(), TASKS, pool))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ((9, "mood", "drop"), "1 addresses are unknown"),
        ((0, "moot", "drop"), "unknown task 'moot'; known: mood, price, tags"),
        ((0, "mood", "mend"), "action 'mend' cannot be laid over labels"),
        ((0, "mood", "relabel", "angry"), "task mood: unknown label 'angry'; known: 'neg', 'neutral', 'pos'"),
        ((0, "price", "relabel", "cheap"), "task price: a new label is no number"),
        ((0, "price", "relabel", "inf"), "task price: a new label is not finite"),
        ((0, "tags", "relabel", "1", 1.0, "c"), "task tags: unknown position 'c'"),
        ((0, "tags", "relabel", "1"), "relabel of a multilabel task needs a class as position"),
        ((0, "tags", "relabel", "2", 1.0, "a"), "unknown label '2'"),
        ((0, "", "relabel", "pos"), "relabel needs a task; only a drop"),
        ((0, "mood", "weight", "", -1.0), "a weight is negative or not a number"),
        ((0, "mood", "relabel", "pos", float("nan")), "a weight is negative or not a number"),
    ],
)
def test_edits_that_do_not_fit(pool, edit, message):
    with pytest.raises(InternalError, match=message):
        apply(GIVEN, edits(edit), TASKS, pool)
