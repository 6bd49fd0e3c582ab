"""Human decisions: what they change, who comes first, and that nothing is lost."""

import sqlite3

import numpy as np
import pytest

from jointset.errors import RunError
from jointset.ledger import Decision, Ledger, Selector
from jointset.ledger.schema import GUARDS
from jointset.proposals import heeding, undecided
from jointset.records import Edits, Issues


def edits(*rows):
    """Edits out of (row, action, old, new); all accepted, in round 1."""
    n = len(rows)
    text = {f: np.full(n, "", object) for f in ("position", "annotator", "reason")}
    columns = [np.array(c, object) for c in zip(*rows, strict=True)]
    return Edits(
        round=np.full(n, 1), dataset=np.full(n, "d", object), row=columns[0], task=np.full(n, "t", object),
        action=columns[1], old=columns[2], new=columns[3], weight=np.full(n, 0.4), confidence=np.full(n, 0.9),
        expected_precision=np.full(n, 0.95), status=np.full(n, "accepted", object), **text,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    rows = [
        ("a", "relabel", "x", "y"),
        ("b", "fill", "", "y"),
        ("c", "drop", "x", ""),
        ("e", "weight", "x", "x"),
    ]
    with Ledger(tmp_path / "l.db") as opened:
        opened.record_round(1, issues=Issues.empty(), edits=edits(*rows), verdicts=[], facts={})
        yield opened


def on(row, verb, value="", given="x", edit=None, task="t"):
    return Decision("d", row, task, "", verb, value, given, edit)


def state(ledger):
    """Row → (action, new, weight, reviewed?) of what is in force."""
    found = ledger.accepted()
    rows = zip(found.row, found.action, found.new, found.weight, found.reason, strict=True)
    return {r: (a, n, float(w), why.startswith("review")) for r, a, n, w, why in rows}


def test_a_decision_outranks_the_edit_at_its_address(ledger):
    ledger.decide([on("a", "accept", "y", edit=1)], reviewer="Ada")
    assert state(ledger)["a"] == ("relabel", "y", 1.0, True)
    ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Ada", note="clear enough")
    assert state(ledger)["a"] == ("relabel", "x", 1.0, True)
    ledger.decide([on("a", "label", "z", edit=1)], reviewer="Bob")
    assert state(ledger)["a"] == ("relabel", "z", 1.0, True)
    ledger.decide([on("b", "keep", "", given="", edit=2)], reviewer="Ada")
    assert "b" not in state(ledger)  # it stays missing, and no row is dropped for it
    ledger.decide([on("b", "label", "z", given="", edit=2)], reviewer="Ada")
    assert state(ledger)["b"] == ("fill", "z", 1.0, True)
    ledger.decide([on("c", "accept", edit=3), on("e", "accept", edit=4)], reviewer="Ada")
    assert state(ledger)["c"] == ("drop", "", 0.0, True) and state(ledger)["e"] == ("weight", "x", 0.4, True)
    ledger.decide([on("e", "none", edit=4), on("f", "exclude", task="")], reviewer="Ada")
    assert state(ledger)["e"][:2] == ("drop", "") and state(ledger)["f"][:2] == ("drop", "")
    assert [d["row"] for d in ledger.decisions()] == ["a", "b", "c", "e", "f"]
    assert ledger.settled() >= {("d", "a", "t", ""), ("d", "f", "", "")}


def test_the_only_decision_may_be_to_leave_a_label_missing(ledger):
    assert state(ledger)["b"][0] == "fill"
    ledger.decide([on("b", "keep", "", given="", edit=2)], reviewer="Ada")
    assert "b" not in state(ledger) and len(state(ledger)) == 3


def test_a_flag_changes_nothing(ledger):
    before = state(ledger)
    ledger.decide([on("a", "flag", edit=1)], reviewer="Ada")
    assert state(ledger) == before and not ledger.settled()


def test_a_batch_is_taken_back_in_one_step(ledger):
    before = state(ledger)
    done = ledger.decide([on("a", "keep", "x", edit=1), on("c", "keep", "x", edit=3)], reviewer="Ada")
    assert done.count == 2 and state(ledger) != before
    assert ledger.retract(done.batch, reviewer="Ada") == 2
    assert state(ledger) == before and ledger.retract(done.batch, reviewer="Ada") == 0
    with pytest.raises(RunError, match="no batch 99"):
        ledger.retract(99, reviewer="Ada")


def test_taking_back_uncovers_the_decision_before(ledger):
    ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Ada")
    second = ledger.decide([on("a", "label", "z", edit=1)], reviewer="Ada")
    ledger.retract(second.batch, reviewer="Ada")
    assert state(ledger)["a"][1] == "x"


def test_two_people_see_each_other(ledger):
    seen = max((e["id"] for e in ledger.entries()), default=0)
    with Ledger(ledger.path) as other:
        other.decide([on("a", "keep", "x", edit=1)], reviewer="Bob", seen=seen)
    late = ledger.decide([on("a", "accept", "y", edit=1), on("b", "accept", "y")], reviewer="Ada", seen=seen)
    assert late.count == 1 and [r["reviewer"] for r in late.refused] == ["Bob"]
    assert state(ledger)["a"][1] == "x" and state(ledger)["b"][3]
    seen = max(e["id"] for e in ledger.entries())
    assert not ledger.decide([on("a", "accept", "y", edit=1)], reviewer="Ada", seen=seen).refused
    assert [e["verb"] for e in ledger.entries() if e["row"] == "a"] == ["keep", "accept"]  # both stand


def test_a_row_that_was_excluded_and_its_labels_speak_of_the_same(ledger):
    out = ledger.decide([on("a", "exclude", task="")], reviewer="Ada")
    for verb in ("accept", "keep", "none", "label"):
        late = ledger.decide([on("a", verb, "y", edit=1)], reviewer="Bob", seen=0)
        assert late.count == 0 and late.refused[0]["verb"] == "exclude"
    assert (
        ledger.decide([on("a", "accept", "y", task="u")], reviewer="Bob", seen=0).count == 0
    )  # another task of it
    assert ledger.decide_edits([1, 2], "accept", reviewer="Bob", seen=0).count == 1  # the other row's alone
    ledger.retract(out.batch, reviewer="Ada")
    assert ledger.decide([on("a", "accept", "y", edit=1)], reviewer="Bob", seen=0).count == 1
    late = ledger.decide([on("a", "exclude", task="")], reviewer="Ada", seen=0)
    assert late.count == 0 and (late.refused[0]["reviewer"], late.refused[0]["verb"]) == ("Bob", "accept")
    assert (
        ledger.decide([on("a", "exclude", task="")], reviewer="Ada", seen=10**6).count == 1
    )  # knowing of it


def test_decisions_are_append_only_and_count_in_the_fingerprint(ledger):
    before = ledger.fingerprint()
    ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Ada")
    assert ledger.fingerprint() != before
    for sql in ("UPDATE entry SET value = 'q'", "DELETE FROM entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._db.execute(sql)
    with pytest.raises(RunError, match="no decision is called 'zap'"):
        ledger.decide([on("a", "zap")], reviewer="Ada")


def test_decisions_survive_an_undo_and_later_rounds(ledger):
    ledger.decide([on("a", "label", "z", edit=1)], reviewer="Ada")
    ledger.record_round(
        2,
        issues=Issues.empty(),
        edits=edits(("a", "relabel", "z", "y")).with_columns(round=2),
        verdicts=[],
        facts={},
    )
    ledger.undo(Selector(task="t"))
    assert state(ledger) == {"a": ("relabel", "z", 1.0, True)}


def test_later_rounds_leave_alone_what_people_decided(ledger):
    rows = np.array(["a", "b", "g", "h"], object)
    text = {
        f: np.full(4, v, object)
        for f, v in (("code", "label_error"), ("dataset", "d"), ("task", "t"), ("position", ""))
    }
    found = Issues(
        row=rows, score=np.zeros(4), given=np.full(4, "x", object), suggested=np.full(4, "y", object),
        confidence=np.full(4, 0.9), evidence=np.full(4, "{}", object), **text,
    )  # fmt: skip
    ledger.decide([on("a", "keep", "x", edit=1), on("g", "exclude", task="")], reviewer="Ada")
    assert undecided(found, ledger.settled()).row.tolist() == ["b", "h"]


def test_confidence_follows_what_people_found(ledger):
    text = {
        f: np.full(2, v, object)
        for f, v in (("dataset", "d"), ("row", "q"), ("position", ""), ("given", "x"))
    }
    found = Issues(
        code=np.array(["label_error", "missing_label"], object), task=np.full(2, "t", object), score=np.zeros(2),
        suggested=np.full(2, "y", object), confidence=np.full(2, 0.9), evidence=np.full(2, "{}", object), **text,
    )  # fmt: skip
    assert heeding(found, ledger.judged()).confidence.tolist() == [0.9, 0.9]
    ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Ada")
    assert ledger.judged() == {("t", "relabel"): (0.0, 0.9, 1)}
    moved = heeding(found, ledger.judged()).confidence
    share = 20 * 0.9 / 21  # twenty judgements as promised, and one against
    assert moved[0] == pytest.approx(share) and moved[1] == 0.9
    many = heeding(found, {("t", "relabel"): (5000.0, 9000.0, 10000)}).confidence
    assert many[0] == pytest.approx(0.5, abs=0.002)


def test_judgements_of_whoever_misses_blind_checks_count_less(ledger):
    ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Bob")
    ledger.decide([on("b", "accept", "y", given="", edit=2)], reviewer="Ada")
    assert ledger.judged() == {("t", "relabel"): (0.0, 0.9, 1.0), ("t", "fill"): (1.0, 0.9, 1.0)}
    ledger.decide([on(f"q{i}", "check", "y", given="y" if i < 5 else "x") for i in range(20)], reviewer="Bob")
    ledger.decide([on(f"q{i}", "check", "y", given="y") for i in range(20)], reviewer="Ada")
    counts = 2 * (20 + 5) / 40 - 1  # 5 of 20 as known, 20 taken to have been
    assert ledger.judged()["t", "relabel"] == pytest.approx((0.0, 0.9 * counts, counts))
    assert ledger.judged()["t", "fill"] == (1.0, 0.9, 1.0)
    ledger.decide([on(f"r{i}", "check", "y", given="x") for i in range(60)], reviewer="Bob")
    assert ledger.judged()["t", "relabel"] == (0.0, 0.0, 0.0)  # no more than a coin: not heard at all


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "old.db"
    with Ledger(path) as ledger:
        ledger.record_round(
            1, issues=Issues.empty(), edits=edits(("a", "relabel", "x", "y")), verdicts=[], facts={}
        )
        db = ledger._db
        for guard in GUARDS:  # as version 1 had it: the same table without the later columns
            db.execute(f"DROP TRIGGER IF EXISTS {guard.split()[2]}")
        for index in ("entry_retract", "entry_row", "issue_row"):
            db.execute(f"DROP INDEX {index}")
        for column in ("verb", "given", "batch"):
            db.execute(f"ALTER TABLE entry DROP COLUMN {column}")
        db.execute("INSERT INTO entry (kind, edit, written) VALUES ('undo', 1, '')")
        db.execute("PRAGMA user_version = 1")
    with Ledger(path) as ledger:
        assert state(ledger) == {}
        ledger.decide([on("a", "keep", "x", edit=1)], reviewer="Ada")
        assert state(ledger) == {"a": ("relabel", "x", 1.0, True)}
