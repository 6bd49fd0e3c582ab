"""A run, a review, and the same run again: what people decided outranks the data, and the gate goes by it."""

import json

import numpy as np
import pytest

from jointset import proposals, stages
from jointset.data import held_out_labels
from jointset.gate import judge, remaining_noise
from jointset.ledger import Decision, Ledger
from jointset.proposals import PRIOR
from jointset.records import HOLDOUT, TEST, TRAIN, Edits, Task
from jointset.report.material import read
from jointset.rundir import read_json


def decide(run, rows, verb, values, *, task="level", edits=None):
    """Write down what a person says of rows of ``people``."""
    names = run.work.by_name[task].classes
    given = run.work.given[task]
    made = []
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        old = names[given[row]] if given[row] >= 0 else ""
        edit = None if edits is None else int(edits[i])
        made.append(Decision("people", run.work.pool.row_ids[row], task, "", verb, value, old, edit))
    with Ledger(run.directory.ledger) as ledger:
        ledger.decide(made, reviewer="Ada")


@pytest.fixture
def first(folder, cli):
    """A run of one round that is finished."""
    folder.settings["improve"] |= {"rounds": 1, "checks": False}
    folder.settings["training"]["epochs"] = 4
    folder.write()
    assert cli("run", folder.config, "--runs", folder.runs).code in (0, 1)
    return folder.execute()


def test_the_gate_and_the_scores_go_by_what_people_said(first, folder, cli, monkeypatch):
    work, given = first.work, first.work.given["level"]
    names = work.by_name["level"].classes
    own = work.pool.rows_of("people")
    known = np.flatnonzero((np.arange(len(work.pool)) < own.stop) & (given >= 0))
    held, test = (known[work.pool.split[known] == s] for s in (HOLDOUT, TEST))
    before = read_json(first.path / "summary.json")
    turned = {int(r): (int(given[r]) + 1) % 3 for r in (*held[:6], *test[:9])}
    decide(first, list(turned), "label", [names[v] for v in turned.values()])
    decide(first, held[6:10], "keep", [names[given[r]] for r in held[6:10]])
    decide(first, test[9:10], "none", [""])
    seen = []

    def watched(tasks, labels, *args, **options):
        seen.append((labels["level"], options["reviewed"]["level"]))
        return judge(tasks, labels, *args, **options)

    monkeypatch.setattr(stages, "judge", watched)
    done = cli("run", folder.config, "--runs", folder.runs, "--json")
    assert done.code in (0, 1) and "20 decisions by people since the run was finished" in done.err
    after = json.loads(done.out)
    assert after["rounds"] == before["rounds"] + 1

    truth = given.copy()
    truth[list(turned)] = list(turned.values())
    truth[test[9]] = -1
    rows = np.flatnonzero(work.pool.split != TRAIN)
    for labels, reviewed in seen:
        split = HOLDOUT if len(labels) == (work.pool.split == HOLDOUT).sum() else TEST
        side = rows[work.pool.split[rows] == split]
        np.testing.assert_array_equal(labels, truth[side])
        wanted = set(held[:10]) if split == HOLDOUT else set(test[:9])
        assert set(side[reviewed]) == wanted
    with Ledger(first.directory.ledger) as ledger:
        assert any("level with 10 held-out labels by people" in v["reason"] for v in ledger.verdicts()[1:])

    # the score before is that of the first model, by hand, on the test labels as people have them
    assert work.by_name["level"].metric == "accuracy"
    with np.load(first.directory.held_out) as stored:
        said = stored["before_decided.0"][work.pool.split[rows] == TEST].argmax(axis=1)
    y = truth[rows][work.pool.split[rows] == TEST]
    assert after["tasks"]["level"]["before"] == pytest.approx((said == y)[y >= 0].mean(), abs=1e-6)
    assert after["tasks"]["level"]["rows"] == before["tasks"]["level"]["rows"] - 1
    assert after["tasks"]["level"]["reviewed"] == {"confirmed": 4, "corrected": 15, "added": 0, "removed": 1}

    scores = json.loads(cli("evaluate", first.path, "--json").out)
    with np.load(first.directory.held_out) as stored:
        said = stored["after_decided.0"][work.pool.split[rows] == TEST].argmax(axis=1)
    assert scores["level"]["metrics"]["accuracy"] == pytest.approx((said == y)[y >= 0].mean(), abs=1e-6)

    page = (first.path / "report.html").read_text(encoding="utf-8")
    assert "confirmed 4 (level 4), corrected 15 (level 15), removed 1 (level 1)" in page
    with Ledger(first.directory.ledger) as ledger:
        assert read(first.directory, ledger).unheeded == 0

    monkeypatch.setattr(stages, "train", None)  # nothing new was decided: nothing is trained
    assert json.loads(cli("run", folder.config, "--runs", folder.runs, "--json").out) == after
    decide(first, test[10:11], "keep", [names[given[test[10]]]])
    assert "1 decisions were made after the run was finished" in first.report().read_text(encoding="utf-8")


def test_the_next_round_heeds_what_people_found_of_the_edits(first, folder, monkeypatch):
    with Ledger(first.directory.ledger) as ledger:
        made = [
            (i, e) for c in ledger.scan(("row", "task", "action", "confidence", "dataset")) for i, *e in c
        ]
    judged = [(i, e) for i, e in made if e[1] == "level" and e[2] == "relabel" and e[4] == "people"]
    assert len(judged) >= 8, "the small run relabels more than that"
    rows = first.work.pool.positions(
        np.full(len(judged), "people", object), np.array([e[0] for _, e in judged], object)
    )
    names = first.work.by_name["level"].classes
    old = [names[v] for v in first.work.given["level"][rows]]
    decide(first, rows, "keep", old, edits=[i for i, _ in judged])

    passed = {}
    whole = proposals.repair.run

    def watched(issues, **options):
        passed["issues"] = issues
        return whole(issues, **options)

    monkeypatch.setattr(proposals.repair, "run", watched)
    again = folder.execute()
    assert again.summary["rounds"] == 2
    with Ledger(first.directory.ledger) as ledger:
        raw = ledger.issues(2)
        new = ledger.edits(round=2)
    assert not set(new.row[new.task == "level"].tolist()) & {e[0] for _, e in judged}
    found = passed["issues"]
    said = {
        (r, c): p
        for r, c, t, p in zip(raw.row, raw.code, raw.task, raw.confidence, strict=True)
        if t == "level"
    }
    # a share of the promise that shrinks as if PRIOR judgements had been as promised: none of n was right
    mean, n = float(np.mean([e[3] for _, e in judged])), len(judged)
    share = PRIOR * mean / (n + PRIOR)
    promised = min(mean, 0.99)
    factor = (share / (1 - share)) / (promised / (1 - promised))
    assert factor < 1
    moved = 0
    for row, code, task, p in zip(found.row, found.code, found.task, found.confidence, strict=True):
        if task == "level" and code != "contradiction" and 0 < p < 1:
            before = said[row, code]
            odds = before / (1 - before) * (factor if code == "label_error" else 1.0)
            assert p == pytest.approx(odds / (1 + odds), rel=1e-6)
            moved += code == "label_error"
    assert moved
    level = new.take((new.task == "level") & (new.action == "relabel"))
    assert (level.confidence <= max(said.values())).all()
    for row, sure in zip(
        level.row, level.confidence, strict=True
    ):  # every promise is one that people brought down
        assert sure < said[row, "label_error"]


def test_a_recorded_round_is_not_decided_again_when_people_decide_meanwhile(folder, monkeypatch):
    folder.settings["improve"] |= {"rounds": 2, "checks": False, "margin": 1.0}
    folder.settings["training"]["epochs"] = 3
    folder.write()
    whole, calls = stages.commit, []

    def dies_in_the_second(bench, ledger, round, *rest):
        calls.append(round)
        if round == 2:
            raise KeyboardInterrupt
        whole(bench, ledger, round, *rest)

    monkeypatch.setattr(stages, "commit", dies_in_the_second)
    try:
        run = folder.execute()
    except KeyboardInterrupt:
        from jointset.project import Run

        run = Run(folder.runs / "small")
    assert calls[0] == 1
    with Ledger(run.directory.ledger) as ledger:
        recorded = ledger.edits(round=1)
    train = np.flatnonzero((run.work.pool.split == TRAIN) & (run.work.given["level"] >= 0))[:3]
    decide(run, train, "label", ["low"] * 3)
    monkeypatch.setattr(stages, "commit", whole)
    run = folder.execute()
    with Ledger(run.directory.ledger) as ledger:
        for name in ("row", "action", "status", "new"):
            assert getattr(ledger.edits(round=1), name).tolist() == getattr(recorded, name).tolist()
    assert (run.overlay().labels["level"][train] == run.work.by_name["level"].classes.index("low")).all()


BINARY = Task("spam", "binary", ("no", "yes"), metric="accuracy")


def test_a_verdict_turns_with_the_labels_of_people():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    given = np.where(np.arange(400) < 120, 1 - truth, truth)  # wrong where the edited model is right
    before, after = (np.eye(2)[y] for y in (given, truth))
    judged = {"spam": before}, {"spam": after}
    assert judge([BINARY], {"spam": given}, *judged).tasks[0].outcome == "worse"
    seen = np.arange(400) < 120
    verdict = judge([BINARY], {"spam": truth}, *judged, reviewed={"spam": seen}, noise={"spam": np.eye(2)})
    assert verdict.tasks[0].outcome == "better" and "120 held-out labels by people" in verdict.reason


def test_trusted_rows_come_first_and_reviewed_ones_never_judge_alone():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 300)
    outputs = np.eye(2)[truth]
    trusted, seen = np.arange(300) < 60, np.arange(300) >= 200
    tasks, arrays = [BINARY], ({"spam": truth}, {"spam": outputs}, {"spam": outputs})
    assert judge(tasks, *arrays, trusted=trusted, reviewed={"spam": seen}).tasks[0].n == 60
    assert judge(tasks, *arrays, reviewed={"spam": seen}).tasks[0].n == 300


def test_what_people_found_is_taken_out_of_the_noise():
    noise = np.array([[0.7, 0.3], [0.3, 0.7]])
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 20_000)
    given = np.where(rng.random(20_000) < 0.3, 1 - truth, truth)
    wrong = given != truth
    seen = wrong & (rng.random(20_000) < 0.5)  # people find half of the errors
    labels = np.where(seen, truth, given)
    left = remaining_noise(noise, given, labels, seen)
    rest = ~seen
    counted = [1 - (wrong & rest & (truth == k)).sum() / (rest & (truth == k)).sum() for k in (0, 1)]
    assert np.diag(left) == pytest.approx(counted, abs=0.02)
    np.testing.assert_allclose(left.sum(axis=1), 1)
    nobody = np.zeros(20_000, bool)
    np.testing.assert_array_equal(remaining_noise(noise, given, given, nobody), noise)
    np.testing.assert_allclose(remaining_noise(noise, given, truth, np.ones(20_000, bool)), np.eye(2))


class Pool:
    """Rows r0 … of one dataset."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def positions(self, dataset, row):
        return np.array([int(r[1:]) for r in row], np.int64)


def test_decisions_on_held_out_rows_are_counted_and_those_on_training_rows_left_out():
    tasks = {
        "kind": Task("kind", "multiclass", tuple("abc")),
        "tags": Task("tags", "multilabel", tuple("xy")),
        "price": Task("price", "regression"),
    }
    given = {
        "kind": np.array([0, 1, -1, 2]),
        "tags": np.array([[0, 1], [1, 1], [-1, 0], [0, 0]], np.int8),
        "price": np.array([1.23456789, 2.0, np.nan, 4.0]),
    }
    said = [
        ("r0", "kind", "", "relabel", "a", "b"), ("r1", "kind", "", "relabel", "b", "b"),
        ("r2", "kind", "", "fill", "", "c"), ("r3", "kind", "", "drop", "c", ""),
        ("r1", "tags", "y", "relabel", "1", "0"), ("r1", "tags", "x", "relabel", "1", "1"),
        ("r1", "price", "", "relabel", "2", "2.5"), ("r0", "price", "", "relabel", "1.23457", "1.23457"),
    ]  # fmt: skip
    n = len(said)
    row, task, position, action, old, new = (np.array(c, object) for c in zip(*said, strict=True))
    same = {"dataset": "d", "annotator": "", "status": "accepted", "reason": "review: label by Ada"}
    edits = Edits(
        round=np.zeros(n, int), row=row, task=task, position=position, action=action, old=old, new=new,
        weight=np.where(action == "drop", 0.0, 1.0), confidence=np.ones(n), expected_precision=np.ones(n),
        **{k: np.full(n, v, object) for k, v in same.items()},
    )  # fmt: skip
    held = held_out_labels(given, edits, tasks, Pool(4), np.array([TRAIN, HOLDOUT, HOLDOUT, TEST]))
    assert held.labels["kind"].tolist() == [0, 1, 2, -1]
    assert held.labels["tags"].tolist() == [[0, 1], [1, 0], [-1, 0], [0, 0]]
    assert held.labels["price"][:2].tolist() == [1.23456789, 2.5]
    assert held.counts["kind"] == {"confirmed": 1, "corrected": 0, "added": 1, "removed": 1}
    assert held.counts["tags"] == {"confirmed": 1, "corrected": 1, "added": 0, "removed": 0}
    assert held.counts["price"] == {"confirmed": 0, "corrected": 1, "added": 0, "removed": 0}
    assert held.reviewed["tags"].tolist() == [False, True, False, False]
    everywhere = held_out_labels(given, edits, tasks, Pool(4), np.ones(4, np.int8))
    assert everywhere.counts["price"]["confirmed"] == 1 and everywhere.labels["price"][0] == 1.23456789
