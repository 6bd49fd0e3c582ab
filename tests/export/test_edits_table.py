"""Open edits as CSV and JSON lines, and what people write into them."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions import question, questions

from jointset.errors import DataError, RunError
from jointset.export import edits
from jointset.records import Task


def ask(save):
    return iter(questions())


def cells(path, separator=","):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def rewrite(path, rows, **form):
    with path.open("w", encoding=form.pop("encoding", "utf-8"), newline="") as file:
        out = csv.DictWriter(file, rows[0].keys(), **form)
        out.writeheader()
        out.writerows(rows)
    return path


@pytest.mark.parametrize("format", ["edits-csv", "edits-jsonl"])
def test_what_goes_out_unfilled_comes_back_open(tmp_path, format):
    assert edits.write(tmp_path / "out", format, ask) == 8
    name = "edits.csv" if format == "edits-csv" else "edits.jsonl"
    found = edits.read(tmp_path / "out" / name)
    for answer, q in zip(found, questions(), strict=True):
        assert (answer.key, answer.dataset, answer.row, answer.task) == (q.key, "d", q.row, q.task.name)
        assert (answer.position, answer.suggested, answer.said, answer.seen) == (
            q.position,
            q.suggested,
            "skip",
            7,
        )


def test_a_row_says_everything_that_a_person_needs(tmp_path):
    edits.write(tmp_path / "out", "edits-csv", ask)
    first, *_, last = cells(tmp_path / "out" / "edits.csv")
    assert list(first)[:4] == ["decision", "reviewer", "note", "id"]
    assert first["choices"] == "bad | good | =cmd|'/c calc'!A1 | keep"
    assert first["inputs"] == 'text: =1+1, "quoted"\nand a line 中文\nsize: -1.5\nnote: @home'
    assert first["evidence"] == "predicted: good 0.75\np_given: 0.1"
    assert (first["confidence"], first["expected_precision"], last["confidence"]) == ("0.75", "0.9", "")
    edits.write(tmp_path / "lines", "edits-jsonl", ask)
    line = json.loads((tmp_path / "lines" / "edits.jsonl").read_text("utf-8").splitlines()[0])
    assert line["inputs"] == {"text": '=1+1, "quoted"\nand a line 中文', "size": "-1.5", "note": "@home"}
    assert line["choices"][2] == "=cmd|'/c calc'!A1" and line["confidence"] == 0.75


def test_no_cell_is_a_formula(tmp_path):
    edits.write(tmp_path / "out", "edits-csv", ask)
    for row in cells(tmp_path / "out" / "edits.csv"):
        for name, value in row.items():
            assert (
                name in ("id", "given", "suggested") and value.lstrip("-").replace(".", "").isdigit()
            ) or (value[:1] not in set("=+-@\t\r")), (name, value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8))
def test_any_row_id_survives_the_table(tmp_path_factory, row):
    folder = tmp_path_factory.mktemp("ids") / "out"
    task = Task("t", "binary", ("no", "yes"))
    edits.write(folder, "edits-csv", lambda save: [question(task, 1, "no", "yes", row=row)])
    assert edits.read(folder / "edits.csv")[0].row == row


@pytest.mark.parametrize(
    "form", [{"delimiter": ";"}, {"delimiter": "\t"}, {"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}]
)
def test_what_spreadsheets_make_of_it_is_read(tmp_path, form):
    edits.write(tmp_path / "out", "edits-csv", ask)
    rows = cells(tmp_path / "out" / "edits.csv")
    rows[0] |= {"decision": " Accept ", "reviewer": "Ada", "note": "clear; enough", "id": "1.0"}
    answers = edits.read(rewrite(tmp_path / "filled.csv", rows, **form))
    assert (answers[0].said, answers[0].reviewer, answers[0].note, answers[0].key) == (
        "Accept", "Ada", "clear; enough", 1,
    )  # fmt: skip
    assert [a.suggested for a in answers] == [q.suggested for q in questions()]


def test_a_mistake_names_file_line_and_row(tmp_path):
    edits.write(tmp_path / "out", "edits-csv", ask)
    path, rows = tmp_path / "bad.csv", cells(tmp_path / "out" / "edits.csv")
    rows[2]["id"] = "three"
    with pytest.raises(DataError, match=r"bad\.csv, line 12 \(row 4\): id 'three' is no whole number"):
        edits.read(rewrite(path, rows))
    with pytest.raises(DataError, match=r"line 1: no column 'decision' \(did you mean 'decisions'\?\)"):
        edits.read(rewrite(path, [{"decisions" if k == "decision" else k: v for k, v in rows[0].items()}]))
    path.write_text("decision,id,dataset,row,task,position\naccept,1,d\n")
    with pytest.raises(DataError, match=r"bad\.csv, line 2: 3 fields found, 6 expected"):
        edits.read(path)
    path.write_bytes("decision,id,dataset,row,task,position\nkeep,1,d,Zürich,t,\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        edits.read(path)
    lines = tmp_path / "bad.jsonl"
    lines.write_text('{"decision": "keep"}\n')
    with pytest.raises(DataError, match=r"bad\.jsonl, line 1: no column 'id'"):
        edits.read(lines)
    lines.write_text("\n[1]\n")
    with pytest.raises(DataError, match=r"bad\.jsonl, line 2: an object expected, found a list"):
        edits.read(lines)
    lines.write_text("{")
    with pytest.raises(DataError, match=r"bad\.jsonl, line 1: not JSON"):
        edits.read(lines)
    with pytest.raises(DataError, match=r"nothing\.csv: no such file"):
        edits.read(tmp_path / "nothing.csv")


def test_what_a_person_filled_in_is_not_replaced(tmp_path):
    edits.write(tmp_path / "out", "edits-csv", ask)
    edits.write(tmp_path / "out", "edits-csv", ask)  # nobody has touched it
    path = tmp_path / "out" / "edits.csv"
    rows = cells(path)
    rows[0]["decision"] = "accept"
    rewrite(path, rows)
    with pytest.raises(RunError, match=r"edits\.csv was changed since it was written"):
        edits.write(tmp_path / "out", "edits-csv", ask)
    assert edits.read(path)[0].said == "accept"


def test_nothing_is_left_where_nothing_is_asked_or_something_fails(tmp_path):
    with pytest.raises(DataError, match="no open edit matches"):
        edits.write(tmp_path / "out", "edits-csv", lambda save: [])
    with pytest.raises(DataError, match="no format of edits is called 'xlsx'; known: edits-csv"):
        edits.write(tmp_path / "out", "xlsx", ask)

    def fails(save):
        yield from questions()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        edits.write(tmp_path / "out", "edits-csv", fails)
    assert not list(tmp_path.iterdir())


def test_media_stand_beside_and_never_overwrite_one_another(tmp_path):
    paths = []

    def asks(save):
        paths.extend(save("d/1 é.png", bytes([i])) for i in range(3))
        return questions()

    edits.write(tmp_path / "out", "edits-csv", asks)
    assert paths == ["media/d_1_é.png", "media/d_1_é-2.png", "media/d_1_é-3.png"]
    assert [(tmp_path / "out" / p).read_bytes() for p in paths] == [b"\x00", b"\x01", b"\x02"]
