"""Edits that add a row: accepted or left out, and never taken for a label."""

import csv
import re
from dataclasses import replace

import pytest

from crafted import craft
from jointset.augment import Recipe
from jointset.errors import DataError
from jointset.export import edits
from jointset.ledger import Decision, Ledger
from jointset.project import Run
from jointset.review import Filters, asked, open_desk, questions, take
from served import serve

ADD = Filters(action="add", decided="")


@pytest.fixture
def run(tmp_path):
    return craft(tmp_path, n=60)


def added(run):
    """The derived rows in force, and what stands in the run's datasets."""
    with Ledger(run.directory.ledger) as ledger:
        force = ledger.accepted()
    found = Run(run.directory.path)
    derived = found.derived
    labels = found.datasets["d"].to_pandas().set_index("jointset_row").mood__source
    assert not (labels == "reviewed").any()
    rows = list(derived["d"].column("jointset_source_row").to_pylist()) if derived else []
    assert rows == force.row[force.action == "add"].tolist()
    return rows


def test_accepting_keeps_the_derived_row_and_keeping_leaves_it_out(run):
    before = added(run)
    assert len(before) == 3
    desk = open_desk(run.directory)
    first, second, _ = (int(i) for i in desk.queue.ordered(replace(ADD, order="row")))
    desk.decide(first, "accept", "", reviewer="Ada", note="", seen=0)
    desk.decide(second, "keep", "", reviewer="Ada", note="", seen=desk.queue.entry)
    for verb, value in (("label", "good"), ("none", "")):
        with pytest.raises(ValueError, match="a derived row is accepted or left out"):
            desk.decide(second, verb, value, reviewer="Ada", note="", seen=desk.queue.entry)
    one = desk.ledger.reviewed()
    assert one.action.tolist() == ["add"] and one.weight.tolist() == [0.5]
    assert Recipe.read("d", one.row[0], one.new[0]).operations
    gone = desk.item(second).row
    assert sorted(added(run)) == sorted(r for r in before if r != gone)
    assert not desk.observed() and not desk.ledger.judged()  # nothing was claimed that could be right
    desk.undo("Ada")
    assert sorted(added(run)) == sorted(before)
    desk.close()


def test_bulk_accept_takes_derived_rows_for_what_they_are(run):
    before = added(run)
    desk = open_desk(run.directory)
    count, mean, items = desk.preview(ADD)
    assert count == 3 and mean != mean and all(i.recipe and not i.labels for i in items)
    labels = desk.queue.mask(Filters(decided="")) & ~desk.queue.mask(ADD)
    mean = float(desk.queue.confidence[labels].mean())
    assert desk.preview(Filters(decided=""))[1] == pytest.approx(
        mean
    )  # derived rows do not count as surely right
    desk.accept_all(Filters(decided=""), reviewer="Ada", seen=0)
    with Ledger(run.directory.ledger) as ledger:
        assert (ledger.reviewed().action == "add").sum() == 3
    derived = Run(run.directory.path).derived["d"].column("jointset_source_row").to_pylist()
    assert set(derived) <= set(before)
    desk.close()


def test_excluding_the_source_row_takes_its_derived_rows_along(run):
    desk = open_desk(run.directory)
    first = int(desk.queue.ordered(ADD)[0])
    row = desk.item(first).row
    desk.decide(first, "exclude", "", reviewer="Ada", note="", seen=0)
    found = Run(run.directory.path)
    assert row not in found.derived["d"].column("jointset_source_row").to_pylist()
    assert not found.datasets["d"].to_pandas().set_index("jointset_row").jointset_keep[row]
    desk.close()


def test_derived_rows_are_no_pairs_of_labels_and_no_more_urgent_than_labels(run):
    desk = open_desk(run.directory)
    assert not any("operations" in pair for pair, _ in desk.queue.facets(Filters(decided=""))["pair"])
    order = desk.queue.ordered(Filters(decided="")).tolist()
    assert max(order.index(int(i)) for i in desk.queue.ordered(ADD)) == len(order) - 1
    desk.close()


def test_tables_ask_and_take_and_labelling_tools_do_not_ask(run, tmp_path):
    desk = open_desk(run.directory)
    items = asked(desk, ADD)
    assert len(items) == 3 and not len(asked(desk, ADD, derived=False))
    edits.write(tmp_path / "out", "edits-csv", lambda save: questions(desk, items, save))
    with (tmp_path / "out" / "edits.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all("operations" not in r["suggested"] and not r["choices"] for r in rows)
    assert {r["suggested"].split()[0] for r in rows} == {"text.swap", "tabular.noise", "tabular.mixup"}
    for row, said in zip(rows, ("accept", "keep", ""), strict=True):
        row["decision"] = said
    back = tmp_path / "back.csv"
    with back.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    done = take(desk, edits.read(back), reviewer="Ada")
    assert (done.written, done.skipped) == (2, 1)
    assert desk.ledger.reviewed().row.tolist() == [rows[0]["row"]]
    wrong = replace(edits.read(back)[2], said="good")
    with pytest.raises(DataError, match="a derived row is accepted or left out"):
        take(desk, [wrong], reviewer="Ada")
    desk.close()


def test_decisions_that_took_a_recipe_for_a_label_change_nothing(run):
    """Such as an earlier version wrote them: a label chosen at the address of a derived row."""
    with Ledger(run.directory.ledger) as ledger:
        own = ledger.edits().take(ledger.edits().action == "add")
        ids = [i for chunk in ledger.scan(("action",)) for i, action in chunk if action == "add"]
        made = [Decision("d", own.row[0], "mood", "copy 1", "label", "good", "bad", ids[0])]
        ledger.decide(made, reviewer="Ada")
        assert not len(ledger.reviewed())
    assert len(added(run)) == 2


def test_the_page_says_what_it_is(run):
    server = serve(run)
    try:
        server.enter()
        text = server.ask("/?action=add&decided=")[2].decode()
        item = text[text.index('<section id="item"') :]
        assert "text.swap" in item or "tabular." in item
        assert "operations" not in text and "keep the derived row" in item and "leave it out" in item
        assert 'data-key="0"' not in item and 'name="verb" value="label"' not in item
        assert "100%" not in text and "claims no label" in item
        bulk = server.ask("/bulk?action=add")[2].decode()
        assert "expected to be right" not in bulk and "derived row" in bulk
        key = re.search(r'id="key" name="key" value="(\d+)"', text)[1]
        refused = server.ask("/decide", {"key": key, "verb": "label", "value": "good", "seen": "0"})
        assert refused[0] == 400 and b"left out" in refused[2]
    finally:
        server.stop()
