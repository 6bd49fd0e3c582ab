"""Copies of rows, within and across the split, and what else gives a label away: counts, and real pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jointset.report.html import element, join, note, number, paragraph, short, table
from jointset.report.material import Material
from jointset.report.rows import Rows
from jointset.report.sections.base import Section

if TYPE_CHECKING:
    import pyarrow as pa

# code → what it is; those that touch held-out rows come first
KINDS = {
    "leaked_copy": "held-out rows that stand in the training rows",
    "leaked_near_copy": "held-out rows that nearly stand in the training rows",
    "leaked_group": "groups on both sides of the split",
    "shortcut": "columns or simple features that tell the label",
    "conflicting_copies": "copies with other labels",
    "exact_duplicate": "rows that stand earlier",
    "near_duplicate": "rows that nearly stand earlier",
}
EACH = 8
COLUMNS = ["code", "dataset", "row", "task", "score", "evidence"]
PARTNERS = ("copy_of", "like", "with")
ASIDE = (*PARTNERS, "similarity", "task", "its_source", "likelier_wrong")
NAMES = {"its_label": "the other's label", "p_wrong": "P(this one is wrong)"}


def copies(material: Material) -> Section | None:
    """The copies and leaks of the last round that checked the data; None where it found none, or did not look."""
    found = _found(material)
    if found is None or not found.num_rows:
        return None
    import pyarrow.compute as pc

    parts: list[Any] = []
    counts = []
    for code, what in KINDS.items():
        own = found.filter(pc.equal(found["code"], code))
        if not own.num_rows:
            continue
        counts.append([what, f"{own.num_rows:,}"])
        worst = own.take(pc.sort_indices(own, sort_keys=[("score", "ascending")])[:EACH]).to_pylist()
        shown = [_line(material, line) for line in worst]
        head = ["row", "the other", "alike", "what the rows hold", "further"]
        said = f"{what}: {len(worst)} of {own.num_rows:,}"
        parts.append(table(head, shown, caption=said, text=(0, 1, 3, 4)))
    if not counts:
        return None
    lead = [
        table(["found", "how many"], counts, caption="copies and leaks"),
        paragraph("A score on held-out rows that the training rows know says little about new ones."),
    ]
    told = note(
        "Those that are surest come first. Alike: 1 = the same. The checks above say what was looked for."
    )
    return Section("copies", "Duplicates and leakage", join([*lead, *parts, told]))


def _found(material: Material) -> pa.Table | None:
    import pyarrow.parquet as pq

    files = sorted((material.directory.path / "rounds").glob("*/data_issues.parquet"))
    if not files:
        return None
    return pq.read_table(files[-1], columns=COLUMNS, filters=[("code", "in", list(KINDS))])


def _line(material: Material, line: dict[str, Any]) -> list[Any]:
    facts = json.loads(line["evidence"] or "{}")
    partner = next((str(facts[p]) for p in PARTNERS if p in facts), "")
    further = "; ".join(
        f"{NAMES.get(k, k.replace('_', ' '))} {_said(v)}" for k, v in facts.items() if k not in ASIDE
    )
    alike = "" if not partner else number(facts.get("similarity", 1.0), 2)
    where = " ".join(p for p in (line["dataset"], line["row"]) if p)
    task = f" ({line['task']})" if line["task"] else ""
    return [
        element("span", short(where + task, 60)), short(partner.replace("/", " ", 1), 60), alike,
        short(_content(material, line["dataset"], line["row"]), 120), short(further, 120),
    ]  # fmt: skip


def _said(value: Any) -> str:
    return number(value, 3) if isinstance(value, float) else str(value)


def _content(material: Material, dataset: str, row: str) -> str:
    """The row's texts and cells, in a few words; nothing for pictures and sounds."""
    if not row or dataset not in material.rows.datasets:
        return ""
    rows: Rows = material.rows.datasets[dataset]
    at = rows.find(row)
    if at < 0:
        return ""
    values = (
        rows.table.column(c)[at].as_py()
        for m, cs in rows.inputs.items()
        if m in ("text", "tabular")
        for c in cs
    )
    return " · ".join(str(v) for v in values if v is not None)
