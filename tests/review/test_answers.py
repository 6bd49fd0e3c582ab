"""Decisions from a file: the same entries as from the page, all or none, once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crafted import craft
from jointset.errors import DataError
from jointset.records import Answer, Task
from jointset.review import Filters, asked, open_desk, questions, take
from jointset.review.answers import verb_of
from jointset.review.items import decision

YES = Task("t", "binary", ("no", "yes"))
ODD = Task("t", "multiclass", ("keep", " x", "1"))


@pytest.fixture
def desk(tmp_path):
    opened = open_desk(craft(tmp_path, n=60).directory)
    yield opened
    opened.ledger.close()


def put(desk, **filters):
    """The open questions as answers that say nothing yet."""
    found = questions(desk, asked(desk, Filters(**filters)), lambda name, content: name)
    return [
        Answer(
            f"f.csv, line {n}",
            q.key,
            q.dataset,
            q.row,
            q.task.name,
            q.position,
            q.suggested,
            "skip",
            seen=q.seen,
        )
        for n, q in enumerate(found, 2)
    ]


def entries(desk):
    kept = ("verb", "value", "given", "edit", "dataset", "row", "task", "position", "reviewer", "note")
    return [{k: e[k] for k in kept} for e in desk.ledger.entries()]


def test_entries_are_those_of_the_page(desk, tmp_path):
    said = ["accept", "keep", "none", "exclude", "label"]
    found = put(desk, task="mood")[:5]
    answers = [replace(a, said=s.replace("label", "good")) for a, s in zip(found, said, strict=True)]
    done = take(desk, answers, reviewer="Ada")
    assert (done.written, done.already, done.skipped) == (5, 0, 0)
    other = open_desk(craft(tmp_path / "other", n=60).directory)
    made = [
        decision(other.queue, other.queue.index(a.key), s, "good" if s == "label" else "")
        for a, s in zip(found, said, strict=True)
    ]
    other.ledger.decide(made, reviewer="Ada")
    assert entries(desk) == entries(other)
    assert len({e["batch"] for e in desk.ledger.entries()}) == 1  # undone in one step
    other.ledger.close()


def test_what_people_say_stands_in_for_the_model(desk):
    (first, second, *_) = put(desk, action="relabel")
    take(desk, [replace(first, said="keep"), replace(second, said="accept")], reviewer="Ada")
    force = desk.ledger.accepted()
    state = {r: (n, w) for r, n, w in zip(force.row, force.new, force.reason, strict=True)}
    given = {d["row"]: d["given"] for d in desk.ledger.decisions()}
    assert state[first.row] == (given[first.row], "review: keep by Ada")
    assert state[second.row] == (second.suggested, "review: accept by Ada")
    assert {first.key, second.key}.isdisjoint(a.key for a in put(desk))  # not asked again


def test_one_bad_row_and_nothing_is_written(desk):
    found = put(desk, task="mood")
    good, bad = (replace(a, said="accept") for a in found[:2])
    for wrong, message in (
        (
            replace(bad, said="goood"),
            r"f\.csv, line 3: decision 'goood' is neither .* \(did you mean 'good'\?\); one of",
        ),
        (replace(bad, said="exlude"), r"did you mean 'exclude'"),
        (replace(bad, key=9999), r"line 3: the run has no edit 9999; is the file of another run\?"),
        (
            replace(bad, key=good.key),
            r"line 3: edit \d+ of this run is another one; is the file of another run\?",
        ),
        (replace(bad, suggested="other"), r"It suggests .*, the file says 'other'"),
        (replace(bad, dataset="e"), r"line 3: the run has no dataset 'e'; one of d"),
        (
            replace(bad, task="moood"),
            r"the run has no task 'moood' \(did you mean 'mood'\?\); one of mood, urgent",
        ),
        (replace(bad, row="r999"), r"line 3: dataset d has no row 'r999'"),
        (
            replace(good, where="f.csv, line 9", said="keep"),
            r"line 9: decides r\d+ mood as 'keep', but f\.csv, line 2 as",
        ),
    ):
        with pytest.raises(DataError, match=message):
            take(desk, [good, wrong], reviewer="Ada")
    assert entries(desk) == []


def test_numbers_are_read_as_numbers():
    price = Task("price", "regression")
    assert verb_of("2.50", price) == ("label", "2.5") and verb_of(" keep ", price) == ("keep", "")
    with pytest.raises(
        ValueError, match="'cheap' is neither a number nor one of accept, keep, none, exclude"
    ):
        verb_of("cheap", price)


def test_reading_a_file_twice_changes_nothing(desk):
    answers = [replace(a, said="accept", note="fine") for a in put(desk, task="urgent")]
    first = take(desk, answers, reviewer="Ada")
    before = desk.ledger.fingerprint()
    again = take(desk, answers, reviewer="Ada")
    assert (first.written, again.written, again.already) == (len(answers), 0, len(answers))
    assert desk.ledger.fingerprint() == before


def test_a_person_may_change_their_mind_and_change_it_back(desk):
    (first, *_) = put(desk, task="urgent")
    for said in ("accept", "keep", "accept"):
        assert take(desk, [replace(first, said=said)], reviewer="Ada").written == 1
    assert [e["verb"] for e in entries(desk)] == ["accept", "keep", "accept"]
    desk.ledger.retract(3, reviewer="Ada")
    assert (
        take(desk, [replace(first, said="accept")], reviewer="Ada").written == 1
    )  # taken back: it may come again


def test_whoever_came_first_since_is_not_overruled(desk):
    first, second, *_ = put(desk, task="mood")
    take(desk, [replace(first, said="keep")], reviewer="Bob")
    late = take(desk, [replace(first, said="accept"), replace(second, said="accept")], reviewer="Ada")
    assert late.written == 1 and [r["reviewer"] for r in late.recorded.refused] == ["Bob"]
    assert desk.ledger.known_label(first.dataset, first.row, "mood", "") != first.suggested
    knowing = replace(first, said="accept", seen=max(e["id"] for e in desk.ledger.entries()))
    assert take(desk, [knowing], reviewer="Ada").written == 1


def test_several_people_in_one_file_have_a_batch_each(desk):
    first, second, third, *_ = put(desk, task="mood")
    done = take(
        desk,
        [
            replace(first, said="keep", reviewer="Bob"),
            replace(second, said="keep", note="x"),
            replace(third, said="keep", reviewer="Bob", note="y"),
            replace(first, said="accept"),
        ],
        reviewer="Ada",
    )
    assert done.written == 4 and not done.recorded.refused
    assert [(e["reviewer"], e["batch"]) for e in desk.ledger.entries()] == [
        ("Bob", 1), ("Ada", 2), ("Bob", 1), ("Ada", 2),
    ]  # fmt: skip
    assert desk.ledger.retract(1, reviewer="Bob") == 2


def test_held_out_rows_can_be_asked_about_too(desk):
    found = put(desk, held_out=True)
    assert found and all(a.key < 0 for a in found)
    take(desk, [replace(found[0], said="accept")], reviewer="Ada")
    assert entries(desk)[0]["edit"] is None and entries(desk)[0]["value"] == found[0].suggested


def test_a_label_called_like_a_verb_has_to_be_named_as_one():
    with pytest.raises(ValueError, match="'Keep' is a label as well; write label:keep or verb:keep"):
        verb_of("Keep", ODD)
    assert verb_of("label:keep", ODD) == ("label", "keep") and verb_of("verb:keep", ODD) == ("keep", "")
    assert verb_of(" x", ODD) == ("label", " x") and verb_of(" 1 ", ODD) == ("label", "1")
    with pytest.raises(ValueError, match="'verb:drop' is no decision"):
        verb_of("verb:drop", ODD)
    assert verb_of("1", YES, "a") == ("label", "1")


@given(st.text())
def test_any_text_is_a_known_word_or_an_error(said):
    try:
        verb, label = verb_of(said, YES)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert verb in ("accept", "keep", "none", "exclude") or (verb == "label" and label in YES.classes)
