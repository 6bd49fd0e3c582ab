"""What the checks of the data found: how each ended, the quality of every dataset, and shift between datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jointset.report.generic import MOST_ROWS, heat
from jointset.report.html import bounded, chip, element, join, note, number, paragraph, short, table
from jointset.report.material import Material
from jointset.report.sections.base import Section

# what it is, the value that is no news, and the one that is tinted most
MATRICES: dict[str, tuple[str, tuple[float, float]]] = {
    "area": (
        "how well a classifier tells two datasets' inputs apart (area under the curve; 0.5 = not at all)",
        (0.5, 1.0),
    ),
    "p_value": ("p-value that two datasets' inputs are alike (Holm's correction)", (0.1, 0.0)),
    "concept": ("how far labels mean something else, given the inputs", (0.0, 0.5)),
    "loss": ("what a model of one dataset (row) loses on another (column)", (0.0, 0.3)),
    "worth": (
        "what a model of one dataset (row) is worth on another (column); below zero it does harm",
        (0.0, -0.5),
    ),
}
OF_INPUTS = ("area", "p_value")  # the same for every task


def data(material: Material) -> Section | None:
    """The last round's survey of the data; None without one."""
    found = material.last_facts.get("data")
    if not isinstance(found, Mapping) or not isinstance(found.get("sections"), Sequence):
        return None
    checks = [s for s in found["sections"] if isinstance(s, Mapping) and "outcome" in s]
    rows = [
        [
            str(s.get("check", "")),
            short(s.get("dataset") or "all", 30),
            short(s.get("task") or "–", 30),
            chip(str(s["outcome"]), "bad" if s["outcome"] == "found" else ""),
            short(s.get("reason", ""), 240),
        ]
        for s in sorted(checks, key=lambda s: s["outcome"] != "found")
    ]
    told = sum(s["outcome"] == "found" for s in checks)
    parts: list[Any] = [
        paragraph(f"{told} of {len(checks)} checks found something; those come first."),
        table(["check", "dataset", "task", "outcome", "reason"], rows[:200], caption="checks of the data",
              text=(0, 1, 2, 3, 4)),
        _quality(found.get("quality") or {}),
        _shifts([s for s in checks if s.get("check") in ("shift between datasets", "shift between sites")]),
    ]  # fmt: skip
    return Section("data", "Checks of the data", bounded(parts, 400_000))


def _quality(quality: Mapping[str, Any]) -> Any:
    if not quality:
        return None
    names = list(dict.fromkeys(n for q in quality.values() for n in q.get("parts", {})))
    rows = [
        [short(d, 40), number(q.get("score"), 2), *(number(q.get("parts", {}).get(n), 2) for n in names)]
        for d, q in quality.items()
    ]
    head = ["dataset", "quality", *(n.replace("_", " ") for n in names)]
    told = note(
        "1 = nothing found. The quality is a weighted geometric mean of the parts that are known, so that one ruined "
        "part is not made up for by the others."
    )
    return join([element("h3", "Quality of the datasets"), table(head, rows, caption="quality"), told])


def _shifts(sections: Sequence[Mapping[str, Any]]) -> Any:
    """The matrices of the shift checks, those of the inputs once."""
    shown, before = [], []
    for section in sections:
        facts = section.get("facts") or {}
        of_inputs = [facts.get(name) for name in ("groups", *OF_INPUTS)]
        left_out = OF_INPUTS if of_inputs in before else ()
        before.append(of_inputs)
        shown.append(_shift(section, [name for name in MATRICES if name not in left_out]))
    return shown


def _shift(section: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The matrices of a shift check; those without an entry are left out."""
    facts = section.get("facts") or {}
    groups = facts.get("groups") or []
    shown = []
    for name in names:
        matrix, (what, tinted) = facts.get(name), MATRICES[name]
        if matrix and any(v is not None and v == v for row in matrix for v in row):
            cut = [row[:MOST_ROWS] for row in matrix[:MOST_ROWS]]
            shown.append(heat(cut, groups[:MOST_ROWS], groups[:MOST_ROWS], what, tinted=tinted))
    if not shown:
        return None
    task = "".join(f", {section[k]}" for k in ("dataset", "task") if section.get(k))
    cut_note = note(f"The first {MOST_ROWS} of {len(groups)}.") if len(groups) > MOST_ROWS else None
    return join([element("h3", f"{section.get('check', '').capitalize()}{task}"), shown, cut_note])
