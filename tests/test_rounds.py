"""The loop: what stops it, and what each decision leaves."""

import dataclasses
import itertools

import numpy as np
import pytest

from jointset import rounds, stages
from jointset.ledger import Ledger
from jointset.proposals import budget_left, in_reach, news
from jointset.records import Edits, TaskVerdict, Verdict


def verdict(outcome, *, accepted=True, progress=True, task="level"):
    return Verdict(
        accepted, progress, "because", (TaskVerdict(task, "accuracy", 0.5, 0.6, 0.0, 0.1, outcome, 30),)
    )


def edits(rows):
    """Edits out of (row, task, position, action, new, weight)."""
    columns = [np.array(c, object) for c in zip(*rows, strict=True)]
    row, task, position, action, new, weight = columns
    n = len(rows)
    text = {
        k: np.full(n, v, object)
        for k, v in (
            ("dataset", "people"),
            ("annotator", ""),
            ("old", ""),
            ("status", "proposed"),
            ("reason", ""),
        )
    }
    return Edits(
        round=np.ones(n, np.int64),
        row=row,
        task=task,
        position=position,
        action=action,
        new=new,
        weight=weight.astype(float),
        confidence=np.ones(n),
        expected_precision=np.ones(n),
        **text,
    )


@pytest.fixture
def judged(folder, monkeypatch):
    """Run with a gate that gives these verdicts, one after another (the last again and again)."""

    def run(*verdicts, rounds=4, **improve):
        folder.settings["improve"] |= {"rounds": rounds, **improve}
        folder.settings["training"]["epochs"] = 2
        given = itertools.chain(verdicts, itertools.repeat(verdicts[-1]))
        monkeypatch.setattr(stages, "compare", lambda *_: next(given))
        return folder.write().execute()

    return run


def test_a_round_without_progress_is_the_last(judged):
    run = judged(verdict("same", progress=False))
    assert run.summary["rounds"] == 1
    assert run.summary["stopped"] == "the last edits changed no task for the better"
    assert run.summary["edits"]["accepted"] == run.summary["edits"]["proposed"] > 0


def test_a_refusal_stands_in_the_summary_and_changes_nothing(judged):
    run = judged(verdict("worse", accepted=False, progress=False))
    assert run.summary["stopped"] == "the gate refused: because"
    assert run.summary["edits"]["accepted"] == 0
    assert run.summary["edits"]["rejected"] == run.summary["edits"]["proposed"] > 0
    for task in run.work.tasks:
        np.testing.assert_array_equal(run.overlay().labels[task.name], run.work.given[task.name])


def test_after_a_refusal_the_rest_is_tried_without_the_worse_task(judged):
    run = judged(verdict("worse", accepted=False, progress=False), verdict("same", progress=False))
    found = run.edits()
    assert (found.status[found.task == "level"] == "rejected").all()
    assert (found.status[found.task != "level"] == "accepted").all()
    assert (found.task == "level").any() and (found.task != "level").any()
    for reason in found.reason:  # what it was proposed for, then every verdict on it
        code, *said = reason.split("; ")
        assert code in ("label_error", "missing_label", "contradiction") and said[-1:] == ["because"]
    with Ledger(run.directory.ledger) as ledger:
        assert [v["name"] for v in ledger.verdicts()] == ["all", "retry"]


def test_progress_goes_on_to_the_last_round(judged):
    run = judged(verdict("better"), rounds=2)
    assert run.summary["rounds"] == 2
    assert run.summary["stopped"] == "the 2 rounds asked for are done"


def test_a_spent_budget_of_time_ends_the_loop(judged, monkeypatch):
    clock = itertools.count(0, 1000)
    monkeypatch.setattr(rounds, "time", type("T", (), {"monotonic": staticmethod(lambda: next(clock))}))
    run = judged(verdict("better"), max_seconds=1500)
    assert run.summary["rounds"] == 1
    assert run.summary["stopped"] == "the budget of 1500 seconds is spent"


def test_edits_that_change_nothing_are_left_out(bench, problem):
    from jointset.data import apply

    work = bench.work
    rows = work.pool.rows_of("people")
    level, kinds = work.given["level"][rows], work.given["kinds"][rows]
    ids = work.pool.datasets[0].row_ids
    i = int(np.flatnonzero((level >= 0) & (kinds[:, 0] == 1))[0])
    m = int(np.flatnonzero(level < 0)[0])
    now = work.by_name["level"].classes[level[i]]
    other = next(c for c in work.by_name["level"].classes if c != now)
    proposals = edits(
        [
            (ids[i], "level", "", "relabel", now, 1.0),
            (ids[i], "level", "", "relabel", other, 1.0),
            (ids[m], "level", "", "drop", "", 0.0),
            (ids[m], "level", "", "fill", now, 0.9),
            (ids[i], "level", "", "weight", now, 0.95),
            (ids[i], "level", "", "weight", now, 0.3),
            (ids[i], "kinds", work.by_name["kinds"].classes[0], "relabel", "1", 1.0),
            (ids[i], "kinds", work.by_name["kinds"].classes[0], "relabel", "0", 1.0),
        ]
    )
    overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
    kept = news(work, proposals, overlay)
    assert list(zip(kept.action, kept.new, kept.weight, strict=True)) == [
        ("relabel", other, 1.0),
        ("fill", now, 0.9),
        ("weight", now, 0.3),
        ("relabel", "0", 1.0),
    ]


def test_issues_on_held_out_rows_are_out_of_reach(bench, finished):
    with Ledger(finished.directory.ledger) as ledger:
        issues = ledger.issues(1)
    work = bench.work
    reach = in_reach(work, issues)
    assert 0 < len(reach) < len(issues)
    position = work.pool.positions(reach.dataset, reach.row)
    assert work.editable()[position].all()
    assert set(reach.task[reach.dataset == "posts"]) <= {"level"}


def test_across_datasets_only_when_asked(folder):
    folder.settings["improve"] |= {"across": True, "rounds": 1, "precision": 0.5}
    run = folder.write().execute()
    found = run.edits()
    assert set(found.task[found.dataset == "posts"]) - {"level"}


@pytest.mark.parametrize(("most", "left"), [(None, None), (10, 8), (1, 0), (0, 0)])
def test_the_budget_counts_changed_labels(bench, most, left):
    work = bench.work
    improve = work.config.improve.model_copy(update={"max_changes": most})
    config = work.config.model_copy(update={"improve": improve})
    done = edits([("p0", "level", "", a, "low", 1.0) for a in ("relabel", "fill", "weight", "add")])
    assert budget_left(dataclasses.replace(work, config=config), done) == left


def test_a_share_is_of_all_labels(bench):
    work = bench.work
    labelled = sum(
        int((y >= 0).sum() if y.dtype.kind != "f" else (~np.isnan(y)).sum()) for y in work.given.values()
    )
    for share in (0.1, 1.0):
        improve = work.config.improve.model_copy(update={"max_changes": share})
        other = dataclasses.replace(work, config=work.config.model_copy(update={"improve": improve}))
        assert budget_left(other, Edits.empty()) == int(share * labelled)
