"""What goes out of a finished run and comes back, by the commands of the guide; four kinds of task, two datasets."""

import json
import re
import shutil
from pathlib import Path

import pytest

from crafted import craft
from jointset.ledger import Ledger
from jointset.project import Run
from test_docs import BLOCK, commands, plain, run_examples, text_of

RUN = "jointset-demo/runs/demo"


@pytest.fixture
def demo(finished, tmp_path, monkeypatch):
    """A copy of the finished run, where the guide expects the demo's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "Ada")
    shutil.copytree(finished.path, tmp_path / RUN)
    return Run(RUN)


def test_every_example_of_the_guide_runs(demo, cli):
    """In order: commands on the command line, Python as doctests; outputs but for their numbers."""
    ran, names = 0, {}
    for language, body in BLOCK.findall(text_of("exchange.md")):
        if language == "python":
            run_examples(body, names, "exchange.md")
        for (program, *arguments), output in commands(body) if language == "console" else ():
            done = cli(*arguments)
            assert (program, done.code, plain(done.out)) == ("jointset", 0, plain(output)), (arguments, done)
            ran += 1
    assert ran >= 5
    with Ledger(demo.directory.ledger) as ledger:
        assert [(d["verb"], d["reviewer"], d["note"]) for d in ledger.decisions()] == [
            ("keep", "Ada", "clear enough"), ("exclude", "Ada", ""),
        ]  # fmt: skip


def asked(folder):
    return [t for f in sorted(folder.glob("*.json")) if f.name != "jointset_export.json"
            for t in json.loads(f.read_text("utf-8"))]  # fmt: skip


def test_label_studio_there_and_back(demo, cli):
    """Everybody agrees with the suggestion: every relabel and fill is accepted, of every kind of task."""
    assert cli("export", RUN, "--format", "label-studio").code == 0
    tasks = asked(demo.path / "label-studio")
    kinds = {t["data"]["jointset"]["kind"] for t in tasks if "predictions" in t}
    assert kinds >= {"multiclass", "binary", "multilabel"}
    for i, t in enumerate(tasks):
        if "predictions" in t:
            t |= {"id": i, "annotations": [{"completed_by": 1, "result": t["predictions"][0]["result"]}]}
    Path("project.json").write_text(json.dumps(tasks))
    done = cli("import", RUN, "project.json", "--json")
    facts = json.loads(done.out)
    want = {e["id"] for t in tasks if "predictions" in t for e in t["data"]["jointset"]["edits"]}
    assert done.code == 0 and facts["written"] == len(want) and not facts["refused"]
    with Ledger(demo.directory.ledger) as ledger:
        found = ledger.decisions()
        assert {d["edit"] for d in found} == want and {d["verb"] for d in found} == {"accept"}
        edits = {i: new for chunk in ledger.scan(("new",)) for i, new in chunk}
        assert all(d["value"] == edits[d["edit"]] for d in found)
    again = cli("export", RUN, "--format", "label-studio")
    assert again.code == 0 or "no open edit matches" in again.err
    table = demo.datasets["people"].to_pandas().set_index("jointset_row")
    accepted = next(d for d in found if d["dataset"] == "people" and d["task"] == "level")
    assert table.loc[accepted["row"], "level"] == accepted["value"]
    assert table.loc[accepted["row"], "level__source"] == "reviewed"


def test_argilla_there_and_back(demo, cli):
    """Everybody finds the given label right, or that there is none."""
    assert cli("export", RUN, "--format", "argilla", "--task", "level", "--dataset", "people").code == 0
    file = demo.path / "argilla" / "level" / "records.json"
    records = json.loads(file.read_text("utf-8"))
    for r in records:
        (edit,) = json.loads(r["metadata"]["jointset"])["edits"]
        said = {"label": edit["given"]} if edit["given"] else {"outcome": "none"}
        r |= {
            "status": "completed",
            "responses": {q: [{"value": v, "user_id": "7"}] for q, v in said.items()},
        }
    file.write_text(json.dumps(records))
    done = cli("import", RUN, file.parent)
    assert (done.code, done.out) == (0, f"{len(records):,} decisions written, 0 stood already, 0 left open\n")
    with Ledger(demo.directory.ledger) as ledger:
        assert {d["verb"] for d in ledger.decisions()} <= {"keep", "none"}
        assert {d["reviewer"] for d in ledger.decisions()} == {"Argilla user 7"}
    export = cli("export", RUN, "--format", "argilla", "--task", "level", "--dataset", "people")
    assert export.code == 2 and "no open edit matches" in export.err


def test_later_rounds_leave_alone_what_came_from_a_file(demo, cli):
    assert cli("export", RUN, "--format", "edits-jsonl").code == 0
    lines = (demo.path / "edits-jsonl" / "edits.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) | {"decision": "keep"} for line in lines]
    Path("all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert cli("import", RUN, "all.jsonl").code == 0
    with Ledger(demo.directory.ledger) as ledger:
        settled, force = ledger.settled(), ledger.accepted()
    assert {(r["dataset"], r["row"], r["task"], r["position"]) for r in rows} == settled
    assert all(why.startswith("review: keep") for why in force.reason)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "edits-cvs"], r"unknown \(did you mean 'edits-csv'\?\); known: parquet, csv"),
        (["--dataset", "people"], "export --dataset: chooses among open edits"),
        (["--format", "edits-csv", "--task", "levl"], r"no task 'levl' \(did you mean 'level'\?\)"),
        (["--format", "fiftyone"], "no dataset of the run has pictures"),
    ],
)
def test_a_mistake_is_one_line(demo, cli, arguments, message):
    done = cli("export", RUN, *arguments)
    assert done.code == 2 and re.search(message, done.err) and done.err.count("\n") == 1
    assert not (demo.path / "edits-csv").exists()


def test_who_comes_late_is_told(demo, cli):
    assert cli("export", RUN, "--format", "edits-jsonl").code == 0
    row = json.loads((demo.path / "edits-jsonl" / "edits.jsonl").read_text("utf-8").splitlines()[0])
    for name, said in (("Bob", "keep"), ("Ada", "accept")):
        Path(f"{name}.jsonl").write_text(json.dumps(row | {"decision": said}))
    assert cli("import", RUN, "Bob.jsonl", "--reviewer", "Bob").code == 0
    late = cli("import", RUN, "Ada.jsonl")
    assert late.code == 1 and "Bob has decided it since (keep" in late.out


def test_pictures_go_along(tmp_path, cli):
    image = pytest.importorskip("PIL.Image", reason="the image extra is not installed")
    (tmp_path / "run").mkdir()
    image.new("RGB", (8, 8), "red").save(tmp_path / "run" / "p.png")
    (tmp_path / "run" / "broken.png").write_text("no picture")
    run = craft(tmp_path / "run", n=30, images=["p.png", "broken.png"]).directory
    assert cli("export", run.path, "--format", "label-studio").code == 0
    for task in asked(run.path / "label-studio"):
        shown = task["data"]["image"]
        assert not shown or (run.path / "label-studio" / shown.partition("?d=")[2]).is_file()
    assert cli("export", run.path, "--format", "argilla").code == 0
    assert not (run.path / "argilla" / "media").exists()
    done = cli("export", run.path, "--format", "fiftyone")
    assert done.code == 0, done.err
    samples = json.loads((run.path / "fiftyone" / "samples.json").read_text("utf-8"))["samples"]
    assert [s["jointset_row"] for s in samples] == [f"r{i}" for i in range(0, 30, 2)]
