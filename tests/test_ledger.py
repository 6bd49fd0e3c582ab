import json
import multiprocessing
import sqlite3

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset import ledger as module
from jointset.errors import RunError
from jointset.ledger import Ledger, Selector, store
from jointset.records import STATUSES, Edits, Issues, TaskVerdict, Verdict

VERDICT = Verdict(
    True, False, "accepted", (TaskVerdict("t1", "auc", 0.8, 0.9, float("nan"), 0.2, "same", 30),)
)


def words(rng, values, n):
    return np.array(values, dtype=object)[rng.integers(len(values), size=n)]


def edits(n=200, seed=0, round=1):
    rng = np.random.default_rng(seed)
    empty = np.full(n, "", object)
    return Edits(
        round=np.full(n, round),
        dataset=words(rng, ["a", "b"], n),
        row=np.array([f"r{i}" for i in rng.integers(60, size=n)], dtype=object),
        task=words(rng, ["t1", "t2", "t3"], n),
        position=words(rng, ["", "p"], n),
        annotator=empty,
        action=words(rng, ["relabel", "fill", "drop"], n),
        old=words(rng, ["x", "y", ""], n),
        new=words(rng, ["x", "y", "z"], n),
        weight=rng.random(n),
        confidence=rng.random(n),
        expected_precision=np.full(n, 0.9),
        status=words(rng, ["accepted", "rejected", "proposed"], n),
        reason=words(rng, ["because", "für 你好"], n),
    )


def issues(n=20):
    rng = np.random.default_rng(0)
    columns = {f: words(rng, ["u", "v"], n) for f in module.ISSUE}
    return Issues(**{**columns, "score": rng.random(n), "confidence": np.full(n, np.nan)})


def record(ledger, round=1, found=None, **facts):
    found = edits(seed=round, round=round) if found is None else found
    return ledger.record_round(
        round, issues=issues(), edits=found, verdicts=[("all", VERDICT)], facts={"n": np.int64(3), **facts}
    )


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def same(a, b, but=()):
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in module.EDIT if f not in but)


def test_what_goes_in_comes_out(ledger):
    given = edits()
    assert record(ledger, found=given, share=float("nan"), names=("a", "b"))
    assert same(ledger.edits(), given)
    assert [getattr(ledger.edits(), f).dtype for f in ("round", "weight", "task")] == [int, float, object]
    assert (
        np.array_equal(ledger.issues(1).score, issues().score) and np.isnan(ledger.issues().confidence).all()
    )
    assert ledger.facts(1) == {"n": 3, "share": None, "names": ["a", "b"]}
    verdict = ledger.verdicts()[0]
    assert (verdict["round"], verdict["name"], verdict["accepted"], verdict["progress"]) == (
        1,
        "all",
        True,
        False,
    )
    assert np.isnan(verdict["tasks"][0]["low"]) and verdict["tasks"][0]["metric"] == "auc"
    assert len(ledger.edits(round=2)) == len(ledger.issues(2)) == 0
    with pytest.raises(RunError, match="no round 7; recorded: "):
        ledger.facts(7)


def test_a_round_is_written_once(ledger):
    assert record(ledger)
    before = ledger.fingerprint()
    assert not record(ledger)
    assert ledger.fingerprint() == before and ledger.rounds() == (1,)


def test_a_round_that_fails_leaves_nothing(ledger):
    broken = edits().with_columns(row=np.array([object()] * 200, dtype=object))
    with pytest.raises(sqlite3.Error):
        record(ledger, found=broken)
    assert ledger.rounds() == () and len(ledger.issues()) == 0
    assert record(ledger)


def test_reopened_it_is_the_same(tmp_path):
    with Ledger(tmp_path / "l.db") as first:
        record(first)
        expected = first.fingerprint()
    with Ledger(tmp_path / "l.db", create=False) as second:
        assert second.fingerprint() == expected and second._db.execute("PRAGMA journal_mode").fetchone() == (
            "wal",
        )


@pytest.mark.parametrize("table", ["round", "issue", "edit", "verdict", "entry"])
def test_nothing_is_changed_or_deleted(ledger, table):
    record(ledger)
    ledger.undo(Selector(task="t1"))
    for sql in (
        f"DELETE FROM {table}",
        f"UPDATE {table} SET rowid = 7",
        f"REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._db.execute(sql)


def test_undoing_everything_is_the_base(ledger):
    record(ledger, 1)
    record(ledger, 2)
    accepted = len(ledger.accepted())
    assert accepted and ledger.undo(Selector(), note="all wrong") == accepted
    assert len(ledger.accepted()) == len(ledger.diff(0, 2)) == 0
    assert ledger.undo(Selector()) == 0
    assert len(ledger.edits(status="undone")) == accepted == ledger.counts()["undone"]
    assert len(ledger.edits()) == 400


def test_accepted_after_a_round_is_what_was_accepted_then(ledger):
    states = []
    for r in (1, 2, 3):
        record(ledger, r)
        states.append(ledger.accepted())
    for r in (1, 2, 3):
        assert same(ledger.accepted(r), states[r - 1])
    assert len(ledger.accepted(0)) == 0 and set(ledger.accepted().status) == {"accepted"}


@settings(max_examples=40, deadline=None)
@given(
    task=st.sampled_from([None, "t1", ("t1", "t3"), ()]),
    action=st.sampled_from([None, "drop", ["fill", "relabel"]]),
    round=st.sampled_from([None, 1, (1, 2)]),
    position=st.sampled_from([None, "", "p"]),
    low=st.sampled_from([None, 0.2]),
    high=st.sampled_from([None, 0.7]),
    status=st.sampled_from([None, "accepted", "rejected", "undone", ("accepted", "proposed")]),
)
def test_selector_is_a_filter(task, action, round, position, low, high, status):
    with Ledger(":memory:") as ledger:
        record(ledger, 1)
        record(ledger, 2)
        ledger.undo(Selector(row=[f"r{i}" for i in range(20)]))
        everything = ledger.edits()
        mask = np.ones(len(everything), bool)
        for name, wanted in (
            ("task", task),
            ("action", action),
            ("round", round),
            ("position", position),
            ("status", status),
        ):
            if wanted is not None:
                many = [wanted] if isinstance(wanted, (str, int)) else list(wanted)
                mask &= np.array([v in many for v in getattr(everything, name)], dtype=bool)
        mask &= (everything.confidence >= (low or 0)) & (
            everything.confidence <= (1 if high is None else high)
        )
        chosen = Selector(
            task=task, action=action, round=round, position=position, confidence=(low, high), status=status
        )
        assert same(ledger.edits(where=chosen), everything.take(mask))
        assert ledger.select(chosen).tolist() == (np.flatnonzero(mask) + 1).tolist()
        in_force = int((mask & (everything.status == "accepted")).sum())
        assert ledger.undo(chosen) == in_force


def test_unknown_status_is_refused(ledger):
    with pytest.raises(RunError, match="no status is called 'acepted'"):
        ledger.edits(status="acepted")


def test_diff_is_net(ledger):
    def one(round, row, action, old, new):
        fill = {f: np.full(1, "", object) for f in module.EDIT}
        values = {
            "dataset": "a",
            "task": "t",
            "row": row,
            "action": action,
            "old": old,
            "new": new,
            "status": "accepted",
        }
        fill |= {k: np.array([v], dtype=object) for k, v in values.items()}
        numbers = {k: np.ones(1) for k in ("weight", "confidence", "expected_precision")}
        return Edits(**{**fill, **numbers, "round": np.array([round])})

    record(ledger, 1, Edits.concat([one(1, "r1", "relabel", "A", "B"), one(1, "r2", "fill", "", "B")]))
    steps = [
        one(2, "r1", "relabel", "B", "A"),
        one(2, "r2", "relabel", "B", "C"),
        one(2, "r1", "drop", "A", ""),
    ]
    record(ledger, 2, Edits.concat(steps))
    net = ledger.diff(0, 2)
    found = sorted(zip(net.row, net.action, net.old, net.new, strict=True))
    assert found == [("r1", "drop", "A", ""), ("r2", "relabel", "", "C")]
    assert len(ledger.diff(1, 2)) == len(ledger.diff(2, 1)) == 3
    assert len(ledger.diff(2, 2)) == 0


def test_counts_add_up(ledger):
    record(ledger, 1)
    record(ledger, 2)
    ledger.undo(Selector(task="t2"))
    counts, found = ledger.counts(), ledger.edits()
    assert counts["proposed"] == 400
    for status in ("accepted", "rejected", "undone"):
        assert counts[status] == (found.status == status).sum()
    cell = (found.dataset == "a") & (found.task == "t2") & (found.action == "drop")
    expected = {
        "proposed": int(cell.sum()),
        **{s: int((cell & (found.status == s)).sum()) for s in STATUSES[1:]},
    }
    assert counts["by"]["a"]["t2"]["drop"] == expected
    json.dumps(counts)


def test_fingerprint_is_free_of_time_but_not_of_content(tmp_path, monkeypatch):
    def run(name, **facts):
        with Ledger(tmp_path / name) as ledger:
            record(ledger, 1, **facts)
            ledger.undo(Selector(task="t1"), note="x")
            return ledger.fingerprint()

    first = run("a.db", seconds=1.0, step={"train_seconds": 3, "rows": 1})
    monkeypatch.setattr(store, "now", lambda: "2001-01-01T00:00:00+00:00")
    assert run("b.db", seconds=9.0, step={"train_seconds": 5, "rows": 1}) == first
    assert run("c.db", seconds=1.0, step={"train_seconds": 3, "rows": 2}) != first
    with Ledger(tmp_path / "a.db") as ledger:
        ledger.undo(Selector(task="t2"))
        assert ledger.fingerprint() != first


def test_a_full_disk_is_one_line_and_no_half_round(ledger):
    record(ledger)
    before = ledger.fingerprint()
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(RunError, match="the disk is full") as caught:
        record(ledger, 2, edits(5000, round=2))
    assert "\n" not in str(caught.value)
    assert ledger.rounds() == (1,) and ledger.fingerprint() == before
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    assert record(ledger, 2)


def test_a_locked_ledger_says_so(tmp_path):
    with Ledger(tmp_path / "l.db") as first, Ledger(tmp_path / "l.db", wait=0.05) as second:
        first._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunError, match="another process is writing"):
            record(second)
        assert second.rounds() == ()  # reading goes on
        first._db.execute("ROLLBACK")
        assert record(second) and first.rounds() == (1,)


def test_what_is_no_ledger_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("this is no database, but it is long enough to be read as one\n" * 40)
    with pytest.raises(RunError, match=r"notes\.txt: not a ledger"):
        Ledger(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    content = other.read_bytes()
    with pytest.raises(RunError, match="a database, but not a ledger"):
        Ledger(other)
    assert other.read_bytes() == content
    with pytest.raises(RunError, match="no such ledger"):
        Ledger(tmp_path / "absent.db", create=False)
    with pytest.raises(RunError, match="cannot be opened"):
        Ledger(tmp_path / "no" / "folder.db")
    with Ledger(tmp_path / "newer.db") as newer:
        newer._db.execute("PRAGMA user_version = 99")
    with pytest.raises(RunError, match="version 99"):
        Ledger(tmp_path / "newer.db")


def _write(path, rounds):
    with Ledger(path) as ledger:
        for r in rounds:
            record(ledger, r)


def test_processes_that_write_together(tmp_path):
    path = tmp_path / "l.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(path, range(1, 8))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    with Ledger(path) as ledger:
        assert ledger.rounds() == tuple(range(1, 8)) and len(ledger.edits()) == 1400


def test_export(ledger, tmp_path):
    record(ledger)
    ledger.export(tmp_path / "out")
    assert same(Edits.from_arrow(pq.read_table(tmp_path / "out" / "edits.parquet")), ledger.edits())
    assert pq.read_table(tmp_path / "out" / "issues.parquet").num_rows == 20
    assert pq.read_table(tmp_path / "out" / "verdicts.parquet").column("name").to_pylist() == ["all"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{n}.parquet" for n in ("edits", "issues", "rounds", "verdicts")
    ]


def test_undoing_nothing_is_refused(ledger):
    with pytest.raises(sqlite3.IntegrityError):
        ledger._db.execute("INSERT INTO entry (kind, written) VALUES ('undo', '')")
