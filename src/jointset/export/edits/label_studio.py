"""Label Studio: tasks with predictions and the labelling configuration out, its JSON export in.

Formats: https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from jointset.errors import DataError
from jointset.export.edits.base import (
    OUTCOMES,
    Form,
    answers,
    forms,
    inputs_by_modality,
    pick,
    projects,
)
from jointset.export.folder import safe_names
from jointset.records import Answer, Question, Task

TAGS = {"image": "Image", "audio": "Audio", "text": "Text", "tabular": "Table"}
LABEL, OUTCOME, NOTE = "label", "outcome", "note"
HINTS = {"none": "no label", "exclude": "exclude the whole row", "accept": "accept what is proposed"}
FEW = 12  # labels that are shown as buttons
MODEL = "jointset"


def write(questions: Iterable[Question], folder: Path) -> list[str]:
    """``NAME.json`` and ``NAME.xml`` per project; pictures and sounds are asked of Label Studio's local storage."""
    found = projects(forms(questions))
    written = []
    for stem, members in zip(safe_names(found), found.values(), strict=True):
        tasks = [task(form) for form in members]
        text = json.dumps(tasks, ensure_ascii=False, indent=1)
        (folder / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{stem}.xml").write_text(configuration(members), encoding="utf-8")
        written += [f"{stem}.json", f"{stem}.xml"]
    return written


def task(form: Form) -> dict[str, Any]:
    """One task: its data, with what has to come back under ``jointset``, and the suggestion as a prediction."""
    data: dict[str, Any] = {"title": form.title(), "jointset": form.facts()}
    data |= {name: value for name, _, value in _objects(form)}
    evidence = {k: v for q in form.questions for k, v in q.evidence}
    data["why"] = "\n".join(f"{k}: {v}" for k, v in evidence.items()) or "–"
    found: dict[str, Any] = {"data": data}
    proposal = form.proposal()
    if proposal is not None:
        prediction: dict[str, Any] = {"model_version": MODEL, "result": [_result(form, proposal)]}
        if form.confidence == form.confidence:
            prediction["score"] = round(form.confidence, 6)
        found["predictions"] = [prediction]
    return found


def configuration(members: list[Form]) -> str:
    """The labelling configuration of a project, XML: what is shown, the labels, the other outcomes, a note."""
    first = members[0]
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="$title")
    objects = _objects(first)
    for name, modality, _ in objects:
        ElementTree.SubElement(view, TAGS[modality], name=name, value=f"${name}")
    to = objects[0][0]
    if first.task.kind == "regression":
        ElementTree.SubElement(view, "Number", name=LABEL, toName=to)
    else:
        _choices(view, LABEL, to, dict.fromkeys(first.task.classes, ""), first.task)
    ElementTree.SubElement(view, "Header", value="Instead of a label", size="6")
    _choices(view, OUTCOME, to, {o: HINTS[o] for o in OUTCOMES}, None)
    ElementTree.SubElement(view, "TextArea", name=NOTE, toName=to, placeholder="note", maxSubmissions="1")
    ElementTree.SubElement(view, "Header", value="Why it was doubted", size="6")
    ElementTree.SubElement(view, "Text", name="why", value="$why")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def read(path: Path, tasks: list[Any]) -> list[Answer]:
    """The decisions in Label Studio's JSON export; of several annotations of a task the later ones come later.

    Skipped tasks, and tasks without annotations, where a prediction counts for nothing, are left open. The reviewer is
    the annotator's e-mail where the export holds it, else "Label Studio user N". Raises DataError for a label or an
    outcome that the configuration does not have, and for tasks that were not made by :func:`write`.
    """
    found: list[Answer] = []
    for number, item in enumerate(tasks, 1):
        known = f" (id {item['id']})" if "id" in item else ""
        where = f"{path}, task {number}{known}"
        facts = item.get("data", {}).get("jointset")
        if not isinstance(facts, dict):
            raise DataError(f"{where}: no data.jointset, so nothing says which edit it is about")
        made = [a for a in item.get("annotations") or () if not a.get("was_cancelled")]
        if not made:
            found += answers(facts, None, "", where=where)
        for annotation in sorted(made, key=lambda a: str(a.get("created_at", ""))):
            found += _read_annotation(annotation, facts, where)
    return found


def _read_annotation(annotation: Mapping[str, Any], facts: Mapping[str, Any], where: str) -> list[Answer]:
    labels: list[str] | None = [] if facts.get("kind") == "multilabel" else None
    outcome, note = "", ""
    for result in annotation.get("result", ()):
        value = result.get("value", {})
        if result.get("from_name") == LABEL:
            labels = [f"{value['number']:.6g}"] if "number" in value else list(value.get("choices", ()))
        elif result.get("from_name") == OUTCOME:
            chosen = [pick(c, OUTCOMES, where, "outcome") for c in value.get("choices", ())]
            outcome = next((o for o in ("exclude", "none", "accept") if o in chosen), "")
        elif result.get("from_name") == NOTE:
            note = " ".join(value.get("text", ()))
    return answers(facts, labels or (labels if facts.get("kind") == "multilabel" else None), outcome,
                   where=where, reviewer=_reviewer(annotation.get("completed_by")), note=note)  # fmt: skip


def _reviewer(by: Any) -> str:
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return "" if by is None else by if isinstance(by, str) else f"Label Studio user {by}"


def _objects(form: Form) -> list[tuple[str, str, Any]]:
    """(name, modality, value) of what is shown: pictures, sounds and texts one by one, all cells as one table."""
    found: list[tuple[str, str, Any]] = []
    grouped = inputs_by_modality(form.first.inputs)
    for modality in ("image", "audio", "text"):
        for i, shown in enumerate(grouped.get(modality, ()), 1):
            value = shown.value if modality == "text" else _local(shown.value)
            found.append((modality if i == 1 else f"{modality}_{i}", modality, value))
    if cells := grouped.get("tabular"):
        found.append(("table", "tabular", {c.column: c.value for c in cells}))
    return found or [("row", "text", form.first.row)]


def _local(path: str) -> str:
    return f"/data/local-files/?d={quote(path)}" if path else ""


def _result(form: Form, proposal: list[str]) -> dict[str, Any]:
    number = form.task.kind == "regression"
    value: dict[str, Any] = {"number": float(proposal[0])} if number else {"choices": proposal}
    kind = "number" if number else "choices"
    return {"from_name": LABEL, "to_name": _objects(form)[0][0], "type": kind, "value": value}


def _choices(
    view: ElementTree.Element, name: str, to: str, values: Mapping[str, str], task: Task | None
) -> None:
    several = task is not None and task.kind == "multilabel"
    facts = {"name": name, "toName": to, "choice": "multiple" if several else "single"}
    facts |= {"showInLine": "true"} if len(values) <= FEW else {"layout": "select"}
    choices = ElementTree.SubElement(view, "Choices", facts)
    for value, hint in values.items():
        ElementTree.SubElement(choices, "Choice", {"value": value} | ({"hint": hint} if hint else {}))
