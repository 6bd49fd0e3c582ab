"""The queue: counts, order and decisions, against a plain reading of the ledger."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crafted import craft
from jointset.ledger import Decision, Ledger, Selector
from jointset.records import ACTIONS, STATUSES, Task
from jointset.report import open_rows
from jointset.review.build import build
from jointset.review.items import choices, decision, item, keys_of
from jointset.review.queue import DECIDED, ISSUES, ORDERS, Filters


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return craft(tmp_path_factory.mktemp("queue"), n=200)


@pytest.fixture(scope="module")
def queue(run):
    with Ledger(run.directory.ledger) as ledger:
        return build(ledger, open_rows(run.directory))


@pytest.fixture(scope="module")
def plain(run):
    with Ledger(run.directory.ledger) as ledger:
        return ledger.edits().to_pandas()


FILTERS = st.builds(
    Filters,
    task=st.sampled_from(["", "mood", "urgent", "nothing"]),
    action=st.sampled_from(["", *ACTIONS]),
    status=st.sampled_from(["", *STATUSES]),
    issue=st.sampled_from(["", *ISSUES]),
    decided=st.sampled_from(["", "open", "done", *DECIDED]),
    round=st.sampled_from([None, 1, 2]),
    low=st.floats(0, 1, width=32),
    high=st.floats(0, 1, width=32),
    text=st.sampled_from(["", "r1", "refund", "REFUND", "alert(1)", "no such text", "中文"]),
    order=st.sampled_from(ORDERS),
)


@given(FILTERS)
def test_counts_are_those_of_the_ledger(queue, plain, run, filters):
    words = run.frame.set_index("id").text
    want = plain
    for column in ("task", "action", "status"):
        if getattr(filters, column):
            want = want[want[column] == getattr(filters, column)]
    if filters.issue:
        want = want[want.reason.str.split(";").str[0] == filters.issue]
    if filters.decided not in ("", "open"):
        want = want[:0]
    if filters.round is not None:
        want = want[want["round"] == filters.round]
    if filters.low > 0 or filters.high < 1:
        sure = want.confidence.astype(np.float32)
        want = want[(sure >= filters.low) & (sure <= filters.high)]
    if filters.text:
        lower = filters.text.lower()
        hit = [
            lower in words[r].lower() or filters.text in r or lower in o.lower() or lower in n.lower()
            for r, o, n in zip(want.row, want.old, want.new, strict=True)
        ]
        want = want[np.array(hit, bool)]
    found = queue.ordered(filters)
    assert len(found) == len(want) == len(set(found.tolist()))
    assert sorted(
        queue.rows.dataset_at(int(queue.place[i]))[0].ids[int(queue.place[i])].as_py() for i in found
    ) == sorted(want.row)
    if not filters.text and not (filters.low > 0 or filters.high < 1):
        for column in ("task", "action"):
            free = queue.mask(filters, without=column)
            assert sum(n for _, n in queue.facets(filters)[column]) == free.sum()


def test_the_most_valuable_come_first_and_held_out_rows_stand_apart(queue):
    order = queue.ordered(Filters())
    assert (np.diff(queue.worth[order]) <= 0).all() and (queue.key[order] > 0).all()
    sure = queue.confidence[queue.ordered(Filters(order="sure"))]
    assert (np.diff(sure) <= 0).all()
    held = queue.ordered(Filters(held_out=True))
    assert len(held) == 6 and (queue.key[held] < 0).all()
    assert all(queue.rows.column("split")[queue.place[held]] == 1)


def test_decisions_arrive_and_can_be_taken_back(tmp_path):
    run = craft(tmp_path)
    with Ledger(run.directory.ledger) as ledger, Ledger(run.directory.ledger) as other:
        queue = build(ledger, open_rows(run.directory))
        first, second = (int(i) for i in queue.ordered(Filters())[:2])
        one = other.decide([decision(queue, first, "accept", "")], reviewer="Bob")
        two = other.decide(
            [decision(queue, first, "keep", ""), decision(queue, second, "flag", "")], reviewer="Eve"
        )
        queue.heed(ledger)
        assert DECIDED[queue.decided[first]] == "keep" and queue.flagged[second] and not queue.decided[second]
        assert len(queue.ordered(Filters(flagged=True))) == 1
        other.retract(two.batch, reviewer="Eve")
        queue.heed(ledger)
        assert DECIDED[queue.decided[first]] == "accept" and not queue.flagged[second]
        other.retract(one.batch, reviewer="Bob")
        queue.heed(ledger)
        assert not queue.decided.any()
        everything = queue.key[queue.key > 0]
        done = other.decide_edits(everything.tolist(), "accept", reviewer="Bob")
        assert done.count == len(everything)
        gone = run.frame.id[int(queue.place[first])]
        other.decide([Decision("d", gone, "", "", "exclude")], reviewer="Bob")
        other.undo(Selector(action="fill"))
        queue.heed(ledger)
        assert (queue.decided[queue.key > 0] > 0).all() and DECIDED[queue.decided[first]] == "exclude"
        fresh = build(ledger, open_rows(run.directory))  # a later start sees the same
        for column in ("decided", "flagged", "status"):
            assert np.array_equal(getattr(fresh, column), getattr(queue, column))


def test_bulk_leaves_alone_what_others_decided(tmp_path):
    run = craft(tmp_path)
    with Ledger(run.directory.ledger) as ledger:
        queue = build(ledger, open_rows(run.directory))
        first = int(queue.ordered(Filters())[0])
        ledger.decide([decision(queue, first, "keep", "")], reviewer="Bob")
        keys = queue.key[queue.key > 0].tolist()
        done = ledger.decide_edits(keys, "accept", reviewer="Ada", seen=0)
        assert done.count == len(keys) - 1
        queue.heed(ledger)
        assert DECIDED[queue.decided[first]] == "keep"
        assert ledger.retract(done.batch, reviewer="Ada") == len(keys) - 1


def test_digits_stay_with_their_labels():
    ten = Task("t", "multiclass", tuple("abcdefghij"))
    for probable in (["c"], ["j", "a"], []):
        assert choices(ten, probable, "b") == tuple("abcdefghij")
    assert keys_of(ten, ten.classes) == tuple("1234567890")
    digits = Task("digit", "multiclass", tuple("0123456789"))
    assert keys_of(digits, choices(digits, ["7"], "3")) == tuple("0123456789")
    assert keys_of(Task("t", "multilabel", ("x", "y")), ("0", "1")) == ("0", "1")
    mixed = Task("t", "multiclass", ("1", "10", "2"))  # 1 is a digit, 10 is none: their order tells
    assert keys_of(mixed, mixed.classes) == ("1", "2", "3")
    many = Task("t", "multiclass", tuple("abcdefghijklm"))
    assert keys_of(many, many.classes)[9:] == ("0", "", "", "")


def test_search_takes_row_ids_in_any_case_and_cells(queue):
    found = {t: len(queue.ordered(Filters(text=t, decided=""))) for t in ("r17", "R17", "1000000", "1e6")}
    assert found["r17"] == found["R17"] > 0 and found["1000000"] == found["1e6"] > 0


def test_labels_have_digits_in_the_order_of_their_classes():
    few, many = Task("t", "multiclass", tuple("abc")), Task("t", "multiclass", tuple("abcdefghijklm"))
    assert choices(few, ["c"], "b") == ("a", "b", "c")
    assert choices(many, ["c", "m"], "k")[:3] == ("k", "c", "m") and len(choices(many, [], "")) == 13
    assert choices(Task("t", "regression"), [], "") == ()


@given(st.data())
@settings(max_examples=20)
def test_an_item_has_what_a_person_needs(run, queue, data):
    from jointset.report.material import read

    index = data.draw(st.integers(0, len(queue) - 1))
    with Ledger(run.directory.ledger) as ledger:
        found = item(queue, index, ledger, read(run.directory, ledger).predictions())
    row = run.frame[run.frame.id == found.row].iloc[0]
    label = row[found.task]
    assert found.given == ("" if label is None or label != label else label)
    assert "".join(p for p, _ in found.texts[0][1]) == row.text and found.cells[0].column == "size"
    assert 0 < len(found.top) <= 5 and found.near and found.others and found.labels
    assert all(n.row != found.row for n in found.near)


def test_an_edit_is_filed_under_what_it_was_proposed_for(queue, plain):
    counted = plain.reason.str.split(";").str[0].value_counts().to_dict()
    assert dict(queue.facets(Filters(decided=""))["issue"]) == counted and len(counted) == 6
    assert {"spare_copy", "leak_source", "shifted_row", "tail_label"} <= counted.keys()


def test_reasons_of_an_earlier_version_are_guessed_from_the_action(tmp_path):
    run = craft(tmp_path, n=40)
    with Ledger(run.directory.ledger) as ledger:
        old = ledger.edits(round=1).with_columns(reason="accepted: fine", round=2)
        ledger.record_round(2, issues=ledger.issues(1), edits=old, verdicts=[], facts={})
        found = build(ledger, open_rows(run.directory)).facets(Filters(round=2, decided=""))["issue"]
    assert {name for name, _ in found} == {"label_error", "missing_label", "tail_label"}


def test_copies_that_the_audit_found_are_shown(tmp_path):
    from jointset.review.desk import open_desk

    desk = open_desk(craft(tmp_path, n=60).directory)
    found = {}
    for index in range(len(desk.queue)):
        made = desk.item(index)
        found[made.row] = [(t.code, t.row, t.similarity) for t in made.twins]
    assert found["r0"] == [("near_duplicate", "r3", 0.97), ("exact_duplicate", "r1", None)]
    assert found["r1"] == [("exact_duplicate", "r0", None)] and found["r3"] == [
        ("near_duplicate", "r0", 0.97)
    ]
    assert found["r2"] == [("leak_source", "r4", None)] and found["r4"] == [("leaked_copy", "r2", None)]
    assert sum(map(bool, found.values())) == 5
    weights = [desk.item(int(i)).weight for i in desk.queue.ordered(Filters(action="weight", decided=""))]
    assert weights and set(weights) == {0.3}
    desk.close()


def test_blind_checks_ask_what_is_known_and_decide_nothing(tmp_path):
    from jointset.review.desk import open_desk

    run = craft(tmp_path)
    desk = open_desk(run.directory, checks=1.0)
    assert desk.check("Ada") is None  # nothing is known yet
    first, second = (int(i) for i in desk.queue.ordered(Filters(task="mood", action="relabel"))[:2])
    for index, verb in ((first, "accept"), (second, "keep")):
        desk.decide(index, verb, "", reviewer="Bob", note="", seen=desk.queue.entry)
    assert desk.check("Bob") is None  # one's own answers are no check
    asked = {desk.check("Ada"), desk.check("Ada")}
    assert asked == {first, second} and desk.check("Ada") is None
    for index in asked:
        desk.answer(index, "accept", "", reviewer="Ada")
    assert desk.ledger.checked() == {"Ada": (1, 2)}
    assert {d["reviewer"] for d in desk.ledger.decisions()} == {"Bob"}
    assert desk.step(Filters(decided="done"), None, 0) in asked
    desk.ledger.close()
