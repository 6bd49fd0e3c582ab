"""Argilla 2: a folder per project that ``rg.Dataset.from_disk`` reads, and its ``records.json`` back in.

Format: https://docs.argilla.io/latest/how_to_guides/import_export (settings, data set and records as JSON).
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jointset.errors import DataError
from jointset.export.edits.base import (
    MEDIA,
    OUTCOMES,
    Form,
    answers,
    forms,
    inputs_by_modality,
    pick,
    projects,
)
from jointset.export.folder import safe_names
from jointset.records import Answer, Input, Question

RECORDS = "records.json"
LABEL, OUTCOME, NOTE, FACTS = "label", "outcome", "note", "jointset"
AGENT = "jointset"
HINTS = {"none": "no label", "exclude": "exclude the whole row", "accept": "accept what is proposed"}


def write(questions: Iterable[Question], folder: Path) -> list[str]:
    """``NAME/records.json`` and ``NAME/.argilla/`` per project; pictures and sounds are data URIs in the records."""
    found = projects(forms(questions))
    written = []
    for stem, members in zip(safe_names(found), found.values(), strict=True):
        facts = {
            RECORDS: [record(form, folder) for form in members],
            ".argilla/settings.json": settings(members),
            ".argilla/dataset.json": {
                "name": stem,
                "status": "draft",
                "guidelines": None,
                "allow_extra_metadata": True,
            },
        }
        for name, content in facts.items():
            file = folder / stem / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            written.append(f"{stem}/{name}")
    shutil.rmtree(folder / MEDIA, ignore_errors=True)
    return written


def record(form: Form, folder: Path) -> dict[str, Any]:
    """One record, as ``rg.Record.from_dict`` takes it; what has to come back is JSON in its metadata."""
    evidence = {k: v for q in form.questions for k, v in q.evidence}
    fields = {name: _value(inputs, folder) for name, inputs in _fields(form).items()}
    fields |= {"title": form.title(), "why": "\n".join(f"{k}: {v}" for k, v in evidence.items()) or "–"}
    metadata: dict[str, Any] = {FACTS: json.dumps(form.facts(), ensure_ascii=False)}
    metadata |= {"dataset": form.first.dataset, "action": form.first.action}
    suggestions: dict[str, Any] = {}
    sure = form.confidence == form.confidence
    if sure:
        metadata["confidence"] = round(form.confidence, 6)
    if (proposal := form.proposal()) is not None:
        value = proposal if form.task.kind == "multilabel" else proposal[0]
        suggestions[LABEL] = {"value": value, "score": None, "agent": AGENT}
        if sure and form.task.kind != "multilabel":  # there Argilla wants a score per label
            suggestions[LABEL]["score"] = round(form.confidence, 6)
    return {
        "id": form.name,
        "fields": fields,
        "metadata": metadata,
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def settings(members: list[Form]) -> dict[str, Any]:
    """Fields, questions and metadata, as ``rg.Settings.from_json`` takes them."""
    first = members[0]
    fields = [_field("title", {"type": "text", "use_markdown": False})]
    for name, inputs in _fields(first).items():
        kind = inputs[0].modality
        shown = {"type": "image"} if kind == "image" else {"type": "text", "use_markdown": kind == "audio"}
        fields.append(_field(name, shown, required=False))
    fields.append(_field("why", {"type": "text", "use_markdown": False}, required=False))
    kinds = {"regression": "text", "multilabel": "multi_label_selection"}
    label: dict[str, Any] = {"type": kinds.get(first.task.kind, "label_selection")}
    label |= {"use_markdown": False} if label["type"] == "text" else {"options": _options(first.task.classes)}
    other = {"type": "label_selection", "options": _options(OUTCOMES, HINTS)}
    return {
        "guidelines": "An outcome, where one is chosen, comes before the label.",
        "fields": fields,
        "questions": [
            _question(LABEL, label, required=True),  # Argilla wants one that is; it is filled beforehand
            _question(OUTCOME, other, required=False),
            _question(NOTE, {"type": "text", "use_markdown": False}, required=False),
        ],
        "vectors": [],
        "metadata": [
            _property("dataset", {"type": "terms", "values": None}),
            _property("action", {"type": "terms", "values": None}),
            _property("confidence", {"type": "float", "min": 0.0, "max": 1.0}),
        ],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def read(path: Path, records: list[Any]) -> list[Answer]:
    """The decisions in ``records.json``, one person after another; records that are still pending are left open.

    The reviewer is "Argilla user" and the user's id. Raises DataError like :func:`jointset.export.edits.read`.
    """
    found: list[Answer] = []
    for number, item in enumerate(records, 1):
        where = f"{path}, record {number} (id {item.get('id')})"
        try:
            facts = json.loads(item.get("metadata", {})[FACTS])
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"{where}: no metadata {FACTS!r}, so nothing says which edit it is about"
            ) from None
        by_user: dict[str, dict[str, Any]] = {}
        pending = item.get("status") == "pending"  # responses there are drafts
        for question, responses in ({} if pending else item.get("responses") or {}).items():
            for response in responses:
                if response.get("status", "submitted") == "submitted":
                    by_user.setdefault(str(response.get("user_id")), {})[question] = response["value"]
        if not by_user:
            found += answers(facts, None, "", where=where)
        for user, values in by_user.items():
            found += _read_response(values, user, facts, where)
    return found


def _read_response(
    values: Mapping[str, Any], user: str, facts: Mapping[str, Any], where: str
) -> list[Answer]:
    outcome, label = values.get(OUTCOME), values.get(LABEL)
    labels = None if label is None else list(map(str, label)) if isinstance(label, list) else [str(label)]
    return answers(
        facts,
        labels,
        pick(outcome, OUTCOMES, where, "outcome") if outcome else "",
        where=where,
        reviewer=f"Argilla user {user}",
        note=str(values.get(NOTE) or ""),
    )


def _fields(form: Form) -> dict[str, list[Input]]:
    """Field → inputs that stand in it: pictures, sounds and texts one by one, all cells as one text."""
    found: dict[str, list[Input]] = {}
    grouped = inputs_by_modality(form.first.inputs)
    for modality in ("image", "audio", "text"):
        for i, one in enumerate(grouped.get(modality, ()), 1):
            found[modality if i == 1 else f"{modality}_{i}"] = [one]
    return found | ({"table": grouped["tabular"]} if "tabular" in grouped else {})


def _value(inputs: list[Input], folder: Path) -> str | None:
    first = inputs[0]
    if first.modality == "tabular":
        return "\n".join(f"{i.column}: {i.value}" for i in inputs)
    if first.modality == "text" or not first.value:
        return first.value or None
    kind = "image/png" if first.modality == "image" else "audio/wav"
    content = base64.b64encode((folder / first.value).read_bytes()).decode("ascii")
    uri = f"data:{kind};base64,{content}"
    return uri if first.modality == "image" else f'<audio controls src="{uri}"></audio>'


def _field(name: str, shown: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "title": name, "required": required, "description": None, "settings": shown}


def _question(name: str, shown: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "title": name, "description": None, "required": required, "settings": shown}


def _property(name: str, shown: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": name, "visible_for_annotators": True, "settings": shown}


def _options(values: Iterable[str], texts: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    return [{"value": v, "text": (texts or {}).get(v, v)} for v in values]
