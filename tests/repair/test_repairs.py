"""Every repair keeps the contract; the runner keeps precision and budget."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset import repair
from jointset.config import FIXES
from jointset.errors import ArrayError
from jointset.records import ACTIONS, Issues
from jointset.repair import REPAIRS, choose

FIELDS = [f.name for f in dataclasses.fields(Issues)]


def issues(rows) -> Issues:
    """Issues out of (code, task, given, suggested, score, confidence)."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    code, task, old, new, score, sure = (np.array(c, object) for c in columns)
    n = len(rows)
    blank = np.full(n, "", object)
    ids = np.array([f"r{i}" for i in range(n)], object)
    return Issues(
        code,
        np.full(n, "d", object),
        ids,
        task,
        blank,
        score.astype(float),
        old,
        new,
        sure.astype(float),
        blank,
    )


unit = st.floats(0, 1)
row = st.one_of(
    st.tuples(
        st.just("label_error"),
        st.sampled_from("uv"),
        st.just("a"),
        st.sampled_from(["", "a", "b"]),
        unit,
        unit,
    ),
    st.tuples(
        st.just("missing_label"), st.sampled_from("uv"), st.just(""), st.sampled_from(["", "b"]), unit, unit
    ),
    st.tuples(st.just("contradiction"), st.sampled_from("uv"), st.just("a"), st.just(""), unit, unit),
)
many = st.lists(row, max_size=30).map(issues)
precision = st.floats(0.05, 1.0)


def frozen(record):
    return {name: getattr(record, name).copy() for name in FIELDS}


def test_the_table_holds_the_fixes_of_the_configuration():
    assert (*REPAIRS, "add") == FIXES  # rows are added by a policy, not by issues alone


@pytest.mark.parametrize("name", list(REPAIRS))
@given(found=many, asked=precision)
def test_a_repair_is_pure_and_proposes_at_the_addresses_it_was_given(name, found, asked):
    before = frozen(found)
    edits, again = (REPAIRS[name](found, precision=asked, round=3) for _ in range(2))
    assert all((before[f] == getattr(found, f)).all() for f in FIELDS)
    assert all((getattr(edits, f.name) == getattr(again, f.name)).all() for f in dataclasses.fields(edits))
    place = {(r, t): i for i, (r, t) in enumerate(zip(found.row, found.task, strict=True))}
    assert set(zip(edits.row, edits.task, strict=True)) <= set(place)
    assert set(edits.action) <= {name}
    assert set(edits.round) <= {3}
    assert set(edits.status) <= {"proposed"}
    assert ((edits.confidence >= 0) & (edits.confidence <= 1)).all()
    assert ((edits.weight >= 0) & (edits.weight <= 1)).all()
    assert [found.given[place[k]] for k in zip(edits.row, edits.task, strict=True)] == edits.old.tolist()


@pytest.mark.parametrize("name", ["relabel", "fill", "drop"])
@given(found=many, asked=precision)
def test_the_precision_asked_for_is_expected_task_by_task(name, found, asked):
    edits = REPAIRS[name](found, precision=asked, round=1)
    for task in set(edits.task):
        own = edits.take(edits.task == task)
        assert own.confidence.mean() >= asked - 1e-9
        np.testing.assert_allclose(own.expected_precision, own.confidence.mean(), atol=1e-6)


@given(st.lists(unit, max_size=20), precision)
def test_no_larger_set_keeps_the_precision(confidence, asked):
    values = np.array(confidence)
    chosen, mean = choose(values, asked)
    count = int(chosen.sum())
    surest = np.sort(values)[::-1]
    sizes = [k for k in range(1, len(values) + 1) if surest[:k].mean() >= asked + 1e-9]
    assert count >= max(sizes, default=0)
    assert count == 0 or (
        mean == pytest.approx(values[chosen].mean(), abs=1e-6) and values[chosen].mean() >= asked - 1e-9
    )
    assert count in (0, len(values)) or values[chosen].min() >= values[~chosen].max()


def test_each_action_does_what_it_says():
    found = issues([
        ("label_error", "t", "a", "b", 0.05, 0.97),
        ("label_error", "t", "a", "", 0.02, 0.0),
        ("label_error", "t", "a", "b", 0.3, 0.4),
        ("missing_label", "t", "", "b", 0.5, 0.95),
    ])  # fmt: skip
    edits = repair.run(found, fixes=list(REPAIRS), precision=0.9, round=1)
    told = {r: (a, n, w) for r, a, n, w in zip(edits.row, edits.action, edits.new, edits.weight, strict=True)}
    assert told == {
        "r0": ("relabel", "b", 1.0),
        "r1": ("drop", "", 0.0),
        "r2": ("weight", "a", 0.3),
        "r3": (
            "fill",
            "b",
            pytest.approx(0.9),
        ),  # 1 - (1 - 0.95) / (1 - 1 / 2): the class of half the suggestions
    }


def test_a_contradiction_alone_changes_nothing():
    found = issues([("contradiction", "t", "a", "", 0.0, 1.0)])
    assert len(repair.run(found, fixes=list(REPAIRS), precision=0.5, round=1)) == 0


@given(found=many, asked=precision, fixes=st.lists(st.sampled_from(list(REPAIRS)), unique=True))
def test_a_label_gets_one_edit_and_only_allowed_ones(found, asked, fixes):
    edits = repair.run(found, fixes=fixes, precision=asked, round=1)
    keys = list(zip(edits.row, edits.task, strict=True))
    assert len(set(keys)) == len(keys)
    assert set(edits.action) <= set(fixes)


@given(found=many, asked=precision, budget=st.integers(0, 10))
def test_the_budget_bounds_changed_labels_and_keeps_the_surest(found, asked, budget):
    free = repair.run(found, fixes=list(REPAIRS), precision=asked, round=1)
    bound = repair.run(found, fixes=list(REPAIRS), precision=asked, round=1, budget=budget)
    changes, kept = free.take(free.action != "weight"), bound.take(bound.action != "weight")
    assert len(kept) == min(budget, len(changes))
    assert (bound.action == "weight").sum() == (free.action == "weight").sum()
    if len(kept):
        left_out = np.sort(changes.confidence)[: len(changes) - len(kept)]
        assert kept.confidence.min() >= left_out.max(initial=0.0)
    assert set(bound.row) <= set(free.row)


def test_a_repair_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, jointset.repair; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_fill_that_knows_no_more_than_the_class_shares_does_not_pull():
    rows = [("missing_label", "t", "", "no", 0.05, 0.95)] * 95 + [
        ("missing_label", "t", "", "yes", 0.01, 0.99)
    ] * 5
    edits = repair.run(issues(rows), fixes=["fill"], precision=0.9, round=1)
    common, rare = edits.weight[edits.new == "no"], edits.weight[edits.new == "yes"]
    assert len(edits) == 100
    assert common.max() < 0.2
    assert rare.min() > 0.98


@pytest.mark.parametrize(
    ("fix", "code", "evidence"),
    [
        ("leaks", "leak_source", "{}"),
        ("duplicates", "spare_copy", "{}"),
        ("shift", "shifted_row", '{"weight": 2.5}'),
        ("tail", "tail_label", '{"weight": 2.5}'),
    ],
)
def test_findings_on_the_data_become_drops_and_weights(fix, code, evidence):
    found = issues([(code, "u", "a", "", 0.0, 1.0), (code, "u", "a", "", 0.7, 0.3)])
    found = dataclasses.replace(found, evidence=np.array([evidence] * 2, object))
    edits = repair.run(found, fixes=[fix], precision=0.9, round=1)
    drops = fix in ("leaks", "duplicates")
    assert set(edits.action) == {"drop" if drops else "weight"} <= set(ACTIONS)
    assert len(edits) == (1 if drops else 2)  # as many as keep the precision; weights are not bound by it
    assert drops or edits.weight.tolist() == [2.5, 2.5]


def test_a_suggestion_that_is_likelier_wrong_than_right_is_never_taken():
    rows = [("label_error", "u", "a", "b", 0.01, sure) for sure in (0.99, 0.99, 0.98, 0.6, 0.48)]
    found = repair.relabel(issues(rows), precision=0.6, round=1)
    assert found.row.tolist() == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize("offset", [300.0, 5000.0, 1e6])
def test_questions_do_not_depend_on_where_the_origin_is(offset):
    x, known = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) < 50
    rows, uses = repair.rank_questions(x, known, n=50)
    moved, same = repair.rank_questions(x + offset, known, n=50)
    assert len(rows) > 5 and rows.tolist() == moved.tolist()
    np.testing.assert_allclose(uses, same)


def test_mistakes_about_questions_are_one_clear_line():
    x, none, p = np.ones((40, 2)), np.zeros(40, bool), np.full((40, 2), 0.5)
    for call in (
        lambda: repair.rank_questions(np.where(np.arange(80).reshape(40, 2) == 3, np.nan, x), none),
        lambda: repair.rank_questions([["a", "b"]] * 40, none),
        lambda: repair.rank_questions(x, none[:5]),
        lambda: repair.rank_questions(x, none, probs=np.full((40, 2), np.nan)),
        lambda: repair.rank_questions(x, none, probs=p[:20]),
        lambda: repair.rank_questions(x, none, probs=np.tile(p, (2, 1))),
        lambda: repair.rank_questions(x, none, probs=p[:, 0]),
    ):
        with pytest.raises(ArrayError, match=r"^\S[^\n]+$"):
            call()
