"""A page that is open while its run goes on: new edits arrive, and nobody loses the place."""

import numpy as np
import pytest

from crafted import craft, further_round
from jointset.ledger import Ledger
from jointset.report import open_rows
from jointset.report.edit_table import read_edits
from jointset.report.material import edits_file, read
from jointset.report.reliability import observed
from jointset.review.build import build
from jointset.review.desk import open_desk
from jointset.review.queue import DECIDED, Filters

COLUMNS = ("key", "place", "confidence", "worth", "round", "status", "issue", "decided", "flagged", "right")


@pytest.fixture
def run(tmp_path):
    return craft(tmp_path)


def counts(desk):
    return dict(desk.queue.facets(Filters(decided=""))["round"])


def test_new_edits_arrive_and_the_place_and_decisions_stay(run):
    desk = open_desk(run.directory)
    shown = int(desk.queue.ordered(Filters())[3])
    key, before, last = int(desk.queue.key[shown]), counts(desk), desk.queue.last_edit
    desk.decide(shown, "keep", "", reviewer="Ada", note="", seen=0)
    held = [int(i) for i in desk.queue.ordered(Filters(held_out=True))]
    first, second = (int(desk.queue.key[i]) for i in held[:2])
    desk.decide(held[0], "keep", "", reviewer="Ada", note="", seen=desk.queue.entry)
    label = desk.item(held[1]).row

    new = further_round(run)
    assert desk.newer(last) == 0
    desk.refresh()
    assert desk.newer(last) == new > 0 and counts(desk) == {**before, "2": new}
    assert DECIDED[desk.queue.decided[desk.index(key)]] == "keep"
    assert desk.step(Filters(decided=""), key, 0) == desk.index(key)
    # findings on held-out rows are those of the last round; an old one leads to the one about the same label
    assert desk.queue.index(second) == -1 and desk.item(desk.index(second)).row == label
    assert DECIDED[desk.queue.decided[desk.index(first)]] == "keep"
    assert desk.undo("Ada") == 1 and desk.undo("Ada") == 1 and not desk.queue.decided.any()
    desk.close()


def test_what_is_read_in_parts_is_what_is_read_at_once(run):
    kept = edits_file(run.directory)
    rows = open_rows(run.directory)
    with Ledger(run.directory.ledger) as ledger:
        read_edits(ledger, rows, kept)
        further_round(run)
        for parts, whole in (
            (read_edits(ledger, rows, kept), read_edits(ledger, rows)),
            (read_edits(ledger, rows, kept), read_edits(ledger, rows)),
        ):
            for name in ("id", "round", "status", "place"):
                np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
            for name, code in whole.codes.items():
                assert [parts.names[name][c] for c in parts.codes[name]] == [
                    whole.names[name][c] for c in code
                ]
            for name, numbers in whole.numbers.items():
                np.testing.assert_array_equal(parts.numbers[name], numbers)
        one, other = build(ledger, rows), build(ledger, rows, kept)
        again = build(ledger, rows, kept)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            np.testing.assert_array_equal(getattr(one, name), getattr(again, name))


def test_what_was_kept_of_another_ledger_is_not_taken(run, tmp_path_factory):
    other = craft(tmp_path_factory.mktemp("other"), n=80)
    with Ledger(other.directory.ledger) as ledger:
        rows = open_rows(other.directory)
        read_edits(ledger, rows, edits_file(run.directory))
    with Ledger(run.directory.ledger) as ledger:
        rows = open_rows(run.directory)
        assert len(read_edits(ledger, rows, edits_file(run.directory))) == len(ledger.edits())
        edits_file(run.directory).write_bytes(b"ARROW1 cut short")
        assert len(read_edits(ledger, rows, edits_file(run.directory))) == len(ledger.edits())


def test_observed_precision_is_that_of_the_report(run):
    desk = open_desk(run.directory)
    rng = np.random.default_rng(0)
    for turn in range(60):
        index = int(rng.choice(desk.queue.ordered(Filters(decided=""))))
        verb = str(rng.choice(["accept", "keep", "none", "exclude", "label", "flag", "undo"]))
        if verb == "undo":
            desk.undo("Ada")
            continue
        choices = desk.item(index, brief=True).labels
        desk.decide(index, verb, choices[0] if choices else "1.5", reviewer="Ada", note="", seen=turn + 10**6)
    material = read(run.directory, desk.ledger)
    wanted = observed(material.edits, desk.ledger.decisions())
    assert wanted and desk.queue.observed().keys() == wanted.keys()
    for kind, found in desk.queue.observed().items():
        assert vars(found) == pytest.approx(vars(wanted[kind]))
    desk.close()
