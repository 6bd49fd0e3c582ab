"""What projects, runs and audits show of themselves: the same figures in text and in HTML, everything escaped."""

import re
from dataclasses import fields
from html import unescape

import numpy as np
import pyarrow as pa
import pytest

import jointset as js
from jointset import audit, notebook
from jointset.records import Edits, Task
from jointset.repaired import RepairedDataset

EVIL = "<script>alert('x')</script>"


def cells(html: str) -> list[str]:
    return [unescape(c) for c in re.findall(r"<t[dh]>(.*?)</t[dh]>", html)]


def figures(text: str) -> list[str]:
    return re.findall(r"\d(?:[\d,.]*\d)?", unescape(re.sub(r"<[^>]*>", " ", text)))


@pytest.fixture(scope="module")
def arrays():
    true = np.arange(300) % 3
    given = np.where(np.arange(300) < 10, (true + 1) % 3, true)
    given[-5:] = -1
    return given, np.where(true[:, None] == np.arange(3), 0.9, 0.05)


def test_one_task(arrays):
    found = audit.find_label_errors(*arrays)
    assert repr(found).startswith("TaskAudit('labels', multiclass: labels 295, missing 5, flagged 10, noise ")
    assert len(repr(found)) < 300
    shown = found._repr_html_()
    assert cells(shown)[-5:-1] == ["295", "5", "10", found.told()["noise"]]
    assert sorted(figures(shown)) == sorted(figures(repr(found)))


def test_several_tasks_and_their_contradictions(arrays):
    given, probs = arrays
    both = audit.find_label_errors({"a": given, EVIL: given}, {"a": probs, EVIL: probs})
    assert "a: 10 flagged" in repr(both)
    assert EVIL not in both._repr_html_() and EVIL in cells(both._repr_html_())
    tasks = [Task(n, "multiclass", ("x", "y", "z")) for n in ("a", "b")]
    result = audit.run({"a": given, "b": given}, {"a": probs, "b": probs}, tasks)
    told = f"{len(result.contradictions):,} contradictions"
    assert told in repr(result) and told in result._repr_html_() and len(repr(result)) < 200


def test_nothing_missing_nothing_found():
    found = audit.find_label_errors(
        np.arange(200) % 2, np.where(np.arange(200)[:, None] % 2 == [0, 1], 0.99, 0.01)
    )
    assert "flagged 0" in repr(found) and "promised precision –" in repr(found)


def test_a_check_tells_codes_and_what_to_do():
    found = audit.broken_texts(["fine", "  ", "<b>bold</b>"])
    assert repr(found) == "Checked(found: 1 text empty, 1 text markup; 1 text_empty, 1 text_markup)"
    shown = found._repr_html_()
    assert "text_markup" in cells(shown) and "take the markup out" in cells(shown)
    passed = audit.find_duplicates(["a b c", "d e f"], kind="text")
    assert repr(passed).startswith("Duplicates(passed: ") and "<td>" not in passed._repr_html_()


def test_a_project():
    p = js.Project(EVIL)
    p.add_dataset("a & b", {"x": [1.0]}, inputs={"tabular": "x"})
    p.add_dataset("c", {"x": [1.0]}, inputs={"tabular": "x"})
    p.add_task("stars", "regression", labels={"a & b": "stars"})
    shown = p._repr_html_()
    assert EVIL not in shown and "a &amp; b" in shown
    assert cells(shown) == ["dataset", "stars", "a & b", "regression: stars", "c", "·"]
    assert js.Project("empty")._repr_html_()


def test_a_run_before_and_after_it_is_finished(finished, folder):
    run = js.Run(finished.path)
    summary = run.summary
    for name, task in summary["tasks"].items():
        if task["verdict"] != "not judged":
            line = f"{name} {task['metric']} {task['before']:.3f} → {task['after']:.3f} {task['verdict']}"
            assert line in repr(run)
    assert f"{summary['edits']['proposed']:,} proposed" in repr(run)
    assert figures(run._repr_html_()) == figures(repr(run))
    assert "<table>" in run._repr_html_() and "<style" not in run._repr_html_()


def test_a_long_table_is_cut():
    shown = notebook.table("t", ["n"], [[i] for i in range(1000)])
    assert "… 950 more" in shown and len(shown) < 3000


def test_edits_and_datasets_show_counts_not_arrays():
    edits = Edits.empty().with_columns()
    assert repr(edits) == "Edits(0 rows)"
    columns = {f.name: np.array([EVIL if f.name == "new" else "fill"] * 3, object) for f in fields(Edits)}
    numbers = dict.fromkeys(("round", "weight", "confidence", "expected_precision"), np.ones(3))
    some = Edits(**(columns | numbers))
    assert repr(some) == "Edits(3 rows: fill 3)"
    assert EVIL not in some._repr_html_() and "fill 3" in some._repr_html_()
    dataset = RepairedDataset("d", pa.table({"x": [EVIL] * 9, "photo": [b"12345"] * 9}))
    assert "9 rows" in repr(dataset)
    assert EVIL not in dataset._repr_html_() and cells(dataset._repr_html_()).count("5 bytes") == 5
