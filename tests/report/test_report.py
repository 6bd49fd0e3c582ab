"""The report: what it says, that nothing from data acts, how it bears size and absence."""

import io
import json
import re
import sqlite3
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset import report
from jointset.errors import DataError, RunError
from jointset.ledger import Decision, Ledger, Selector
from jointset.report import evidence, html, media
from jointset.report.generic import render
from jointset.report.judged import judged
from jointset.report.material import Arrays, read
from jointset.report.reliability import is_right, observed, wilson
from jointset.report.rows import numbers, open_rows, where
from jointset.report.sections import SECTIONS
from jointset.report.sections.slices import paired


class Page(HTMLParser):
    """The elements of a page, their attributes, and whether they are closed in order."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, tag):
        return [a for t, a in self.elements if t == tag]


@pytest.fixture(scope="session")
def page(crafted):
    return report.write(crafted.directory).read_text(encoding="utf-8")


def test_the_page_stands_alone_and_nothing_in_it_acts(page):
    parsed = Page(page)
    tags = {t for t, _ in parsed.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base"}
    assert not [a for _, attrs in parsed.elements for a in attrs if a.startswith("on")]
    addresses = [
        attrs.get(k) for _, attrs in parsed.elements for k in ("src", "href", "action", "xlink:href")
    ]
    assert all(a is None or a.startswith(("#", "data:image/png;base64,")) for a in addresses)
    assert "url(" not in page and "@import" not in page and "http" not in re.sub(r"http-equiv", "", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(page.encode()) < 2 * 2**20


def test_every_section_says_what_it_should(page, crafted):
    parsed = Page(page)
    anchors = {a["id"] for a in parsed.named("section")}
    wanted = {"verdict", "grid", "rounds", "edits", "slices", "noise", "confusion", "calibration", "tail"}
    assert anchors >= wanted | {"sources", "examples", "limits", "environment"}
    assert {a["href"] for a in parsed.named("a")} == {f"#{a}" for a in anchors}
    assert "rejected: worse: mood" in page  # what the gate refused
    assert "jointset undo" in page and "not reviewed" in page and "1e+06" in page
    with Ledger(crafted.directory.ledger) as ledger:
        counts = ledger.counts()
    assert f"{counts['proposed']} edits proposed, {counts['accepted']} in force" in page
    relabels = counts["by"]["d"]["mood"]["relabel"]
    cells = re.search(r">relabel</td>(.*?)</tr>", page, re.S)[1]
    assert re.findall(r">([\d,]+)<", cells)[:3] == [
        str(relabels[k]) for k in ("proposed", "accepted", "rejected")
    ]


def test_twenty_examples_of_each_kind_come_with_evidence(page, crafted):
    with Ledger(crafted.directory.ledger) as ledger:
        by = ledger.counts()["by"]["d"]
    wanted = sum(min(20, c["accepted"]) for actions in by.values() for c in actions.values())
    assert page.count('<article class="card">') == wanted
    for told in ("neighbours", "other labels", "model", "speaks for it", "P(given is right)"):
        assert f"<dt>{told}</dt>" in page


def test_what_other_checks_recorded_is_shown_whatever_its_shape(make, tmp_path):
    facts = {
        "checks": {
            "duplicates": {"outcome": "found", "reason": "3 copies", "pairs": [{"a": "r1", "b": "<b>r2</b>"}]}
        },
        "shift": {"outcome": "passed", "reason": "no shift", "matrix": [[0.0, 0.7], [0.7, 0.0]]},
        "affinity": {"cka": np.eye(3).tolist(), "chosen": ["mood"]},
        "odd": [[{"deep": {"deeper": [1, None, float("nan")]}}], "text", 3],
    }
    directory = make(tmp_path, facts=facts).directory
    cosine = {
        "tasks": ["mood", "topics"],
        "values": [[1.0, -0.37], [-0.37, 1.0]],
        "support": [[40, 38], [38, 41]],
    }
    watched = {"where": "features", "every": 18, "affinity": {"gradient_cosine": cosine}}
    directory.affinity.write_text(json.dumps(watched), encoding="utf-8")
    page = report.write(directory).read_text(encoding="utf-8")
    assert "3 copies" in page and "no shift" in page and "&lt;b&gt;r2&lt;/b&gt;" in page
    assert {"findings", "affinity"} <= {a["id"] for a in Page(page).named("section")}
    assert "-0.37" in page and "in at most 41 steps" in page


def test_the_checks_of_the_data_and_the_shift_between_datasets(make, tmp_path):
    nothing = [[None, None], [None, None]]
    shift = {
        "groups": ["<i>shop</i>", "web"], "area": [[None, 0.91], [0.91, None]],
        "p_value": [[None, 0.002], [0.002, None]],
        "concept": nothing, "loss": [[None, 0.2], [-0.01, None]], "worth": [[None, -0.4], [0.5, None]],
    }  # fmt: skip
    same = {"dataset": "", "task": "mood", "findings": {}}
    sections = [
        {**same, "check": "duplicates", "outcome": "passed", "reason": "no copies"},
        {
            **same,
            "check": "shift between datasets",
            "outcome": "found",
            "reason": "1 of 1 pairs",
            "facts": shift,
        },
    ]
    quality = {"d": {"score": 0.81, "parts": {"labels_right": 0.9, "distinct": None}}}
    facts = {"data": {"sections": sections, "quality": quality}}
    page = report.write(make(tmp_path, facts=facts).directory).read_text(encoding="utf-8")
    parsed = Page(page)
    assert "data" in {a["id"] for a in parsed.named("section")} and "<i>shop</i>" not in page
    assert "1 of 2 checks found something" in page and page.index("1 of 1 pairs") < page.index("no copies")
    assert "area under the curve" in page and ">0.91<" in page and ">-0.40<" in page
    assert "given the inputs" not in page  # nothing was measured there
    assert ">0.81<" in page and "labels right" in page


def test_copies_and_leaks_are_shown_in_pairs(page, make, tmp_path):
    section = page[page.index('id="copies"') : page.index('id="sources"')]
    for said in (
        "held-out rows that stand in the training rows: 1 of 1",
        "rows that nearly stand earlier: 1 of 1",
    ):
        assert said in section
    assert ">0.97<" in section and "d r0" in section and "9.0" not in section  # an outlier is no copy
    clean = make(tmp_path)
    for file in clean.directory.path.glob("rounds/*/data_issues.parquet"):
        file.unlink()
    assert 'id="copies"' not in report.write(clean.directory).read_text(encoding="utf-8")


def test_joint_against_single_is_told_where_the_run_compared_them(make, tmp_path):
    run = make(tmp_path).directory
    summary = json.loads((run.path / "summary.json").read_text(encoding="utf-8"))
    single = {"metric": "accuracy", "alone": 0.61, "joint": 0.55, "interval": [-0.1, -0.02], "rows": 12}
    summary["tasks"]["mood"]["single"] = {**single, "verdict": "hurt", "own_model": True}
    summary["tasks"]["urgent"] = {"metric": "auc", "on": "holdout", "rows": 3, "verdict": "not judged"}
    (run.path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    page = report.write(run).read_text(encoding="utf-8")
    assert "joint" in {a["id"] for a in Page(page).named("section")}
    row = re.search(r'<section[^>]*id="joint".*?</section>', page, re.S)[0]
    assert all(told in row for told in ("0.610", "0.550", "-0.100 … -0.020", 'chip bad">hurt', "of its own"))
    assert "Not compared: urgent; relatedness.budget went to tasks whose labels say more" in row


def test_what_people_decide_of_held_out_labels_counts(make, tmp_path):
    run = make(tmp_path)
    with Ledger(run.directory.ledger) as ledger:
        before = judged(read(run.directory, ledger), read(run.directory, ledger).tasks["mood"])
        held = run.frame[run.frame.split == "holdout"].head(4)
        kept, turned, gone, other = held.itertuples()
        said = [
            Decision("d", kept.id, "mood", "", "keep", kept.mood, kept.mood),
            Decision(
                "d", turned.id, "mood", "", "label", "bad" if turned.mood != "bad" else "good", turned.mood
            ),
            Decision("d", gone.id, "mood", "", "none", "", gone.mood),
            Decision("d", other.id, "", "", "exclude"),
        ]
        ledger.decide(said, reviewer="Ada")
        material = read(run.directory, ledger)
        after = judged(material, material.tasks["mood"])
    assert len(after.place) == len(before.place) - 2 and "2 of them labelled by people" in after.where
    label = dict(zip(after.place.tolist(), after.labels.tolist(), strict=True))
    classes = material.tasks["mood"].classes
    assert classes[label[int(kept.id[1:])]] == kept.mood
    assert classes[label[int(turned.id[1:])]] == said[1].value
    page = report.write(run.directory).read_text(encoding="utf-8")
    assert "Of held-out labels people confirmed 1 (mood 1), corrected 1 (mood 1), removed" in page
    assert "4 decisions were made after the run was finished" in page


def test_a_run_that_has_hardly_begun_is_reported_too(make, tmp_path):
    run = make(tmp_path).directory
    (run.path / "summary.json").unlink()
    run.held_out.unlink()
    (run.round(1) / "predictions.npz").unlink()
    page = report.write(run).read_text(encoding="utf-8")
    assert "has not finished" in page and "confusion" not in {a["id"] for a in Page(page).named("section")}
    with sqlite3.connect(run.ledger) as db:
        for table in ("edit", "issue", "round", "verdict"):
            db.execute(f"DROP TABLE {table}")
    db.close()
    run.ledger.unlink()
    with pytest.raises(RunError, match="no such ledger"):
        report.write(run)
    with Ledger(run.ledger):
        pass
    assert "No edit was proposed" in report.write(run).read_text(encoding="utf-8")


def test_a_cell_of_ten_megabytes_and_a_thousand_facts_leave_the_page_small(make, tmp_path):
    facts = {f"fact{i}": {f"k{j}": ["x" * 1000] * 50 for j in range(50)} for i in range(20)}
    run = make(tmp_path, n=100, cell="<b>" * (10 * 2**20 // 3), facts=facts)
    page = report.write(run.directory).read_text(encoding="utf-8")
    assert len(page.encode()) < 2 * 2**20 and "<b>" not in page


def png(side=8):
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.arange(side * side, dtype=np.uint8).reshape(side, side)).save(out, "PNG")
    return out.getvalue()


def test_media_cannot_leave_the_folder_of_the_dataset(make, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png())
    (tmp_path / "out.png").write_bytes(png())
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    (tmp_path / "in" / "text.png").write_text("root:x:0:0")
    names = [
        "a.png",
        "../out.png",
        str(tmp_path / "out.png"),
        "link.png",
        "text.png",
        "../../../../../../etc/passwd",
    ]
    run = make(tmp_path / "in", images=names)
    rows = open_rows(run.directory).datasets["d"]
    shown = media.image(rows, "picture", 0, 96)
    assert shown is not None and shown.startswith(b"\x89PNG")
    for row, why in ((1, "outside"), (2, "outside"), (3, "outside"), (4, "not an image"), (5, "outside")):
        with pytest.raises(DataError, match=why):
            media.image(rows, "picture", row, 96)
    page = report.write(run.directory).read_text(encoding="utf-8")
    assert "root:x:0:0" not in page and "outside of the dataset&#39;s folder" in page
    assert "data:image/png;base64," in page


def test_unusual_cells_are_marked(crafted):
    rows = open_rows(crafted.directory).datasets["d"]
    assert (
        media.cells(rows, 3)[0].unusual.endswith("above the middle") and not media.cells(rows, 4)[0].unusual
    )


def test_rows_are_found_and_labels_come_back(crafted):
    rows = open_rows(crafted.directory)
    data = rows.datasets["d"]
    assert data.find("r7") == 7 and data.find("nobody") == -1
    mood = crafted.frame.mood.tolist()
    assert [evidence.label_name(rows.tasks["mood"], v) for v in data.given["mood"]] == mood
    assert np.allclose(data.given["amount"], crafted.frame.amount)
    assert rows.dataset_at(7)[1] == 7


def test_arrays_are_mapped_and_equal(tmp_path):
    made = {"a": np.arange(12.0).reshape(3, 4), "b": np.empty((0, 3)), "c": np.array(5, np.int8)}
    np.savez(tmp_path / "plain.npz", **made)
    np.savez_compressed(tmp_path / "packed.npz", **made)
    for name in ("plain.npz", "packed.npz"):
        found = Arrays(tmp_path / name)
        assert set(found) == set(made) and all(np.array_equal(found[k], v) for k, v in made.items())
    assert isinstance(Arrays(tmp_path / "plain.npz")["a"], np.memmap)


@given(st.lists(st.none() | st.booleans(), max_size=40), st.integers(0, 9), st.integers(1, 3))
def test_masks_and_numbers_are_those_of_arrow(values, skip, parts):
    import pyarrow as pa

    whole = pa.chunked_array([pa.array(values, pa.bool_()).slice(skip) for _ in range(parts)])
    assert where(whole).tolist() == [bool(v) for v in values[skip:]] * parts
    known = pa.array([float(bool(v)) for v in values], pa.float32()).slice(skip)
    assert numbers(known).tolist() == known.to_pylist()


def test_observed_precision_is_weighted_by_what_was_not_looked_at(make, tmp_path):
    run = make(tmp_path, n=200)
    with Ledger(run.directory.ledger) as ledger:
        material = read(run.directory, ledger)
        kind = material.edits.is_("action", "relabel")
        ids = material.edits.id[kind]
        sure = material.edits.numbers["confidence"][kind] > 0.8
        decisions = [
            Decision("d", f"r{place}", "mood", "", "accept" if s else "keep", edit=int(i))
            for i, place, s in zip(ids, material.edits.place[kind], sure, strict=True)
        ]
        ledger.decide(decisions, reviewer="Ada")
        whole = observed(material.edits, ledger.decisions())["mood", "relabel"]
        assert whole.share == pytest.approx(sure.mean(), abs=1e-6) and whole.judged == len(ids)
        ledger.retract(1, reviewer="Ada")
        some = [d for d, s in zip(decisions, sure, strict=True) if not s] + [
            d for d, s in zip(decisions, sure, strict=True) if s
        ][:5]
        ledger.decide(some, reviewer="Ada")
        part = observed(material.edits, ledger.decisions())["mood", "relabel"]
        assert part.judged == len(some) and part.share == pytest.approx(sure.mean(), abs=0.02)
        assert part.right / part.judged < part.share  # the doubtful ones were looked at first
        page = report.write(run.directory).read_text(encoding="utf-8")
    assert f"{part.right} of {part.judged} right" in page


@pytest.mark.parametrize(
    ("action", "verb", "value", "right"),
    [
        ("relabel", "accept", "b", True), ("relabel", "keep", "a", False), ("relabel", "label", "b", True),
        ("relabel", "label", "c", False), ("drop", "label", "c", True), ("drop", "none", "", True),
        ("drop", "keep", "a", False),
        ("fill", "none", "", False), ("relabel", "exclude", "", None), (None, "accept", "b", None),
    ],
)  # fmt: skip
def test_what_a_decision_says_of_an_edit(action, verb, value, right):
    assert (
        is_right({"edit_action": action, "verb": verb, "value": value, "edit_old": "a", "edit_new": "b"})
        is right
    )


def test_intervals_agree_with_published_figures():
    assert [round(v, 3) for v in wilson(81, 263, 0.95)] == [
        0.255,
        0.366,
    ]  # Newcombe (1998), table I, method 3
    assert [round(v, 4) for v in wilson(0, 20, 0.95)] == [0.0, 0.1611]
    change = np.array([-1.0] * 8 + [1.0] * 2 + [0.0] * 90)
    assert paired(change)[1] == pytest.approx(56 / 1024)  # the sign test's tail, 45 + 10 + 1 of 1024


def test_undone_edits_leave_the_report(make, tmp_path):
    run = make(tmp_path)
    with Ledger(run.directory.ledger) as ledger:
        ledger.undo(Selector(action="fill"))
        material = read(run.directory, ledger)
        filled = material.edits.is_("action", "fill")
        assert filled.any() and not (material.edits.in_force & filled).any()
        assert not filled[material.edits.last()].any()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_fact_becomes_html_in_which_nothing_acts(value):
    text = str(render(json.loads(json.dumps(value))))
    assert {t for t, _ in Page(text).elements} <= {
        "dl", "div", "dt", "dd", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "p",
    }  # fmt: skip


@given(st.text(), st.integers(3, 50))
def test_a_short_text_is_short(text, most):
    found = html.short(text, most)
    assert len(found) <= most and not any(ord(c) < 32 for c in found)


@given(st.text())
def test_marking_words_loses_nothing(text):
    pieces = evidence.marked(text, {"free": 2.0}, {"the": 3.0})
    assert "".join(p for p, _ in pieces) == text


def test_sections_are_named_for_their_functions():
    assert all(name == make.__name__ for name, make in SECTIONS.items())


def test_a_run_writes_its_report_and_so_do_command_and_python(finished, cli):
    path = finished.path / "report.html"
    page = path.read_text(encoding="utf-8")  # written by the run itself
    assert {"verdict", "slices", "confusion"} <= {a["id"] for a in Page(page).named("section")}
    done = cli("report", finished.path)
    assert done.code == 0 and done.out.strip() == str(path)
    assert finished.report() == path and Page(path.read_text(encoding="utf-8")).named("section")
    with Ledger(finished.directory.ledger) as ledger:
        material = read(finished.directory, ledger)
        for task, labels in finished.overlay().labels.items():  # the grid's coverage is that of the labels
            if labels.ndim == 1:
                given, last = material.rows.given(task), material.edits.last()
                own = last[material.edits.is_("task", task)[last]]
                gained = (
                    material.edits.is_("action", "fill")[own].sum()
                    - material.edits.is_("action", "drop")[own].sum()
                )
                assert known(labels) == known(given) + gained


def known(labels):
    return int((~np.isnan(labels)).sum() if labels.dtype.kind == "f" else (labels >= 0).sum())
