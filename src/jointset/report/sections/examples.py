"""Real examples of every kind of change, with the evidence."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from markupsafe import Markup

from jointset.errors import DataError, MissingExtra
from jointset.records import ACTIONS, Task
from jointset.report import evidence, media, svg
from jointset.report.html import chip, element, join, note, paragraph, share, short
from jointset.report.material import Material
from jointset.report.rows import Rows
from jointset.report.sections.base import Section

EACH = 20
SIDE = 96
MOST_PICTURES = 700_000  # bytes of pictures in all, so that the page stays small
MOST_TEXT = 400
TOLD = {
    "because": "speaks for it",
    "with": "at odds with",
    "margin": "training margin",
    "p_given": "P(given is right)",
}


def examples(material: Material) -> Section | None:
    """Twenty edits of every action, drawn at random with the run's seed; None without edits."""
    edits = material.edits
    if not len(edits):
        return None
    rng = np.random.default_rng(int(material.summary.get("seed", 0) or 0))
    outputs = material.predictions()
    budget = [MOST_PICTURES]
    parts: list[Any] = []
    for action in ACTIONS:
        of_kind = np.flatnonzero(edits.is_("action", action) & (edits.place >= 0))
        applied = of_kind[edits.in_force[of_kind]]
        pool = applied if len(applied) else of_kind
        if not len(pool):
            continue
        drawn = np.sort(rng.choice(pool, min(EACH, len(pool)), replace=False))
        state = "in force" if len(applied) else "none is in force; these were refused or undone"
        parts += [
            element("h3", f"{action.capitalize()}: {len(drawn)} of {len(pool):,} ({state})"),
            element("div", [_example(material, outputs, int(i), budget) for i in drawn], class_="cards"),
        ]
    parts.append(
        note(
            "Drawn at random with the seed of the run. Probabilities are cross-fitted: the model had not "
            "seen the row. Neighbours "
            "are rows that the same model finds alike, with their given labels. Marked words speak for the "
            "suggestion or for the "
            "given label, as counted over the dataset."
        )
    )
    return Section("examples", "Examples", join(parts))


def _example(material: Material, outputs: Any, at: int, budget: list[int]) -> Markup:
    edits = material.edits
    name = {
        n: edits.names[n][edits.codes[n][at]] for n in ("dataset", "task", "position", "action", "old", "new")
    }
    task, place = material.tasks[name["task"]], int(edits.place[at])
    rows, row = material.rows.dataset_at(place)
    row_id = rows.ids[row].as_py()
    number = list(material.tasks).index(task.name)
    confidence = float(edits.numbers["confidence"][at])
    what = {
        "weight": f"{name['old']} at weight {edits.numbers['weight'][at]:.2f}",
        "drop": f"{name['old']} → dropped",
    }.get(name["action"], f"{name['old'] or 'missing'} → {name['new'] or 'missing'}")
    told = evidence.said(
        material.ledger, int(edits.round[at]), rows.name, row_id, task.name, name["position"]
    )
    of = f"{task.name} [{name['position']}]" if name["position"] else task.name
    where = f"{rows.name} {short(row_id, 40)}, round {edits.round[at]}"
    return element(
        "article",
        element("h4", short(f"{of}: {what}", 90)),
        _input(rows, row, task, name["old"], name["new"], budget),
        paragraph(chip(f"sure {share(confidence)}"), " ", element("span", where, class_="where")),
        _why(material, outputs, number, task, place, name["position"], told),
        class_="card",
    )


def _why(
    material: Material, outputs: Any, number: int, task: Task, place: int, position: str, told: dict[str, Any]
) -> Markup:
    top = evidence.probabilities(outputs, number, task, place, position)
    near = evidence.neighbours(outputs, material.rows, task, place, position)
    other = evidence.others(material.rows, task, place)
    lines: list[tuple[str, str]] = []
    if top:
        lines.append(("model", ", ".join(f"{short(n, 30)} {share(p)}" if p == p else n for n, p in top)))
    if near:
        lines.append(("neighbours", ", ".join(f"{short(n.label, 20)} ({n.similarity:.2f})" for n in near)))
    if other:
        lines.append(("other labels", ", ".join(f"{n} = {short(v, 30)}" for n, v in other[:8])))
    lines += [(label, short(told[key], 80)) for key, label in TOLD.items() if key in told]
    return element("dl", [element("div", element("dt", k), element("dd", v)) for k, v in lines])


def _input(rows: Rows, row: int, task: Task, old: str, new: str, budget: list[int]) -> Markup:
    parts: list[Any] = [_picture(rows, column, row, budget) for column in rows.inputs.get("image", ())]
    for column, text in media.texts(rows, row, MOST_TEXT):
        pieces = evidence.marked_text(rows, column, text, task, old, new)
        shown = [element("mark", t, class_=side) if side else t for t, side in pieces]
        parts.append(element("blockquote", shown, dir="auto"))
    parts += [_wave(rows, column, row) for column in rows.inputs.get("audio", ())]
    shown = [
        element(
            "span",
            f"{short(c.column, 30)} {short(c.value, 40) or '–'}",
            class_="cell odd" if c.unusual else "cell",
            title=c.unusual or None,
        )
        for c in media.cells(rows, row)[:24]
    ]
    return join([*parts, element("p", shown, class_="cells") if shown else None])


def _picture(rows: Rows, column: str, row: int, budget: list[int]) -> Markup | None:
    try:
        png = media.image(rows, column, row, SIDE)
    except (DataError, MissingExtra) as error:
        return note(str(error))
    if png is None or len(png) * 4 // 3 > budget[0]:
        return note("no image" if png is None else "image left out, as the page would grow too large")
    budget[0] -= len(png) * 4 // 3
    data = base64.b64encode(png).decode()
    return element("img", src=f"data:image/png;base64,{data}", alt=f"{column} of row {row + 1}", width=SIDE)


def _wave(rows: Rows, column: str, row: int) -> Markup | None:
    try:
        found = media.sound(rows, column, row, 10.0)
    except (DataError, MissingExtra) as error:
        return note(str(error))
    return svg.curve(found[0], f"{column}: first seconds of the sound") if found else None
