"""Label Studio: what is written fits its configuration, and what people do there comes back as decisions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from questions import questions

from jointset.errors import DataError
from jointset.export import edits

CHOSEN = {"choices": "choices", "number": "number"}


@pytest.fixture
def folder(tmp_path):
    edits.write(tmp_path / "out", "label-studio", lambda save: iter(questions()))
    return tmp_path / "out"


def tasks(folder, name):
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def annotated(task, *results, by=3, **more):
    return {**task, "id": 11, "annotations": [{"id": 1, "completed_by": by, "was_cancelled": False,
                                               "result": list(results), **more}]}  # fmt: skip


def choice(value, name="label"):
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": value}}


def read(tmp_path, *found):
    path = tmp_path / "project-1.json"
    path.write_text(json.dumps(found), "utf-8")
    return edits.read(path)


def said(answers):
    return [(a.key, a.position, a.said) for a in answers]


def test_a_project_per_task_whose_parts_fit_together(folder):
    names = sorted(p.stem for p in folder.glob("*.xml"))
    assert names == ["mood", "price", "topics", "urgent"]
    for name in names:
        view = ElementTree.fromstring((folder / f"{name}.xml").read_text("utf-8"))
        objects = {
            t.get("name"): t.get("value") for t in view if t.tag in ("Text", "Table", "Image", "Audio")
        }
        controls = {t.get("name"): t for t in view if t.get("toName")}
        assert set(controls) == {"label", "outcome", "note"}
        assert all(c.get("toName") in objects for c in controls.values())
        for task in tasks(folder, name):
            wanted = {value.removeprefix("$") for value in objects.values()} | {"title"}
            assert wanted <= set(task["data"])
            for prediction in task.get("predictions", ()):
                for result in prediction["result"]:
                    control = controls[result["from_name"]]
                    assert result["to_name"] == control.get("toName")
                    allowed = {c.get("value") for c in control}
                    assert set(result["value"].get("choices", ())) <= allowed
                    assert result["type"] == control.tag.lower()


def test_suggestions_stand_there_before_anybody_chooses(folder):
    mood = tasks(folder, "mood")
    assert [t["predictions"][0]["result"][0]["value"]["choices"] for t in mood] == [
        ["good"], ["=cmd|'/c calc'!A1"], ["bad"],
    ]  # fmt: skip
    assert mood[0]["predictions"][0]["score"] == 0.75 and "score" not in mood[2]["predictions"][0]
    assert tasks(folder, "topics")[0]["predictions"][0]["result"][0]["value"] == {"choices": ["b", "c"]}
    assert tasks(folder, "price")[0]["predictions"][0]["result"][0]["value"] == {"number": 3.25}
    assert not any(
        "predictions" in t for t in tasks(folder, "urgent")
    )  # a drop, a weight: nothing to begin with
    assert mood[0]["data"]["table"] == {"size": "-1.5", "note": "@home"}


def test_a_label_accepts_keeps_or_chooses(folder, tmp_path):
    first = tasks(folder, "mood")[0]
    for value, want in (("good", "accept"), ("bad", "keep"), ("keep", "label:keep")):
        (answer,) = read(tmp_path, annotated(first, choice([value])))
        assert (answer.said, answer.seen, answer.reviewer) == (want, 7, "Label Studio user 3")
        assert answer.where.endswith("project-1.json, task 1 (id 11)")
    number = {"from_name": "label", "to_name": "text", "type": "number", "value": {"number": 3.25}}
    assert said(read(tmp_path, annotated(tasks(folder, "price")[0], number))) == [(7, "", "accept")]


def test_outcomes_come_before_labels_that_were_there_already(folder, tmp_path):
    first = tasks(folder, "mood")[0]
    for outcome in ("none", "exclude", "accept"):
        answers = read(tmp_path, annotated(first, choice(["good"]), choice([outcome], "outcome")))
        assert said(answers) == [(1, "", outcome)]
    assert said(read(tmp_path, annotated(tasks(folder, "topics")[0], choice(["exclude"], "outcome")))) == [
        (5, "a", "exclude")
    ]


def test_every_class_of_a_multilabel_row_is_answered(folder, tmp_path):
    (task,) = tasks(folder, "topics")  # given: a and c; asked: take a off, put b on
    assert said(read(tmp_path, annotated(task, choice(["b", "c"])))) == [
        (5, "a", "accept"),
        (6, "b", "accept"),
    ]
    assert said(read(tmp_path, annotated(task, choice(["a", "c"])))) == [(5, "a", "keep"), (6, "b", "keep")]
    assert said(read(tmp_path, annotated(task))) == [
        (5, "a", "accept"),
        (6, "b", "keep"),
        (None, "c", "label:0"),
    ]


def test_what_nobody_decided_stays_open(folder, tmp_path):
    first = tasks(folder, "mood")[0]
    assert said(read(tmp_path, first)) == [(1, "", "skip")]
    assert said(read(tmp_path, annotated(first, was_cancelled=True))) == [(1, "", "skip")]
    assert said(read(tmp_path, annotated(first))) == [(1, "", "skip")]  # submitted without a label


def test_people_come_with_name_note_and_in_order(folder, tmp_path):
    note = {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": ["look", "twice"]}}
    first = annotated(tasks(folder, "mood")[0], choice(["good"]), note, by={"id": 1, "email": "a@b.c"},
                      created_at="2026-01-02")  # fmt: skip
    first["annotations"].append(
        {"completed_by": "Bob", "result": [choice(["bad"])], "created_at": "2026-01-01"}
    )
    answers = read(tmp_path, first)
    assert [(a.reviewer, a.said, a.note) for a in answers] == [
        ("Bob", "keep", ""),
        ("a@b.c", "accept", "look twice"),
    ]


def test_foreign_files_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"task 1 \(id 4\): no data\.jointset"):
        read(tmp_path, {"id": 4, "data": {"text": "x"}, "annotations": []})
    first = annotated(tasks(folder, "mood")[0], choice(["excluded"], "outcome"))
    with pytest.raises(DataError, match=r"outcome 'excluded' is unknown \(did you mean 'exclude'\?\)"):
        read(tmp_path, first)
    with pytest.raises(DataError, match="neither tasks of Label Studio nor records of Argilla"):
        read(tmp_path, {"x": 1})


@pytest.mark.slow
def test_the_real_sdk_takes_tasks_and_makes_annotations(folder, tmp_path):
    """Its dependencies (OpenCV, an older NumPy) want an environment of their own; JOINTSET_LABEL_STUDIO names one."""
    python = os.environ.get("JOINTSET_LABEL_STUDIO")
    if not python:
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        python = str(tmp_path / "venv" / "bin" / "python")
        made = subprocess.run([python, "-m", "pip", "install", "-q", "label-studio-sdk"], capture_output=True)
        if made.returncode:
            pytest.skip("label-studio-sdk cannot be installed")
    script = Path(__file__).with_name("label_studio_sdk_check.py")
    done = subprocess.run([python, script, folder, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["errors"] == [] and facts["tasks"] == 7
    answers = [a for name in facts["exports"] for a in edits.read(name)]
    assert {a.key for a in answers} >= {1, 2, 3, 4, 5, 7, -8}
