"""What was gained, per task, and what the gate refused."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from jointset.data.held_out import COUNTS
from jointset.report import svg
from jointset.report.html import chip, element, join, note, number, paragraph, table
from jointset.report.material import Material
from jointset.report.sections.base import Section

KINDS = {"better": "good", "worse": "bad"}


def verdict(material: Material) -> Section:
    """The verdict."""
    summary = material.summary
    if not summary:
        done = len(material.facts)
        body = paragraph(
            f"The run has not finished: {done} rounds are recorded. ", "Repeat jointset run to go on."
        )
        return Section("verdict", "Verdict", join([body, _refusals(material)]))
    tasks = summary.get("tasks", {})
    rows = [
        [
            name,
            t.get("metric", ""),
            f"{t.get('rows', 0):,} {t.get('on', '')}",
            number(t.get("before")),
            number(t.get("after")),
            f"{number(_low(t), sign=True)} … {number(_high(t), sign=True)}",
            chip(t.get("verdict", ""), KINDS.get(t.get("verdict", ""), "")),
        ]
        for name, t in tasks.items()
    ]
    judged = [
        (name, t["before"], t["after"], _low(t), _high(t), t["verdict"])
        for name, t in tasks.items()
        if None not in (t.get("before"), t.get("after"), _low(t), _high(t))
    ]
    head = ["task", "metric", "held-out rows", "before", "after", "change within", "verdict"]
    edits = material.counts
    line = (
        f"{edits['proposed']:,} edits proposed, {edits['accepted']:,} in force, {edits['rejected']:,} refused "
        "by the gate, "
        f"{edits['undone']:,} undone; {len(material.decisions):,} decided by people."
    )
    return Section(
        "verdict",
        "Verdict",
        join(
            [
                paragraph(_sentence(tasks), " ", line),
                svg.changes(judged) if judged else None,
                table(head, rows, caption="held-out scores", text=(0, 1, 6)),
                note(
                    "Before: the joint model trained on the labels as given. After: on the repaired labels. "
                    "The interval is a "
                    "paired bootstrap of the change, positive where it is better. Held-out labels are never "
                    "edited automatically."
                ),
                _corrected(tasks),
                _leaks(tasks),
                _by_people(material),
                _refusals(material),
                paragraph(f"The run stopped because {summary.get('stopped', 'it was told to')}."),
            ]
        ),
    )


def _corrected(tasks: dict[str, Any]) -> Markup | None:
    """The scores that verdicts go by where they are corrected for label noise."""
    told = [
        [
            name,
            number(c["before"]),
            number(c["after"]),
            f"{number(_low(c), sign=True)} … {number(_high(c), sign=True)}",
        ]
        for name, c in ((n, t["corrected_for_noise"]) for n, t in tasks.items() if "corrected_for_noise" in t)
    ]
    if not told:
        return None
    head = ["task", "before, corrected", "after, corrected", "change within, corrected"]
    why = note(
        "These held-out labels are wrong in part. Here scores are estimates of those on right labels, and "
        "the verdict goes by them."
    )
    return join([table(head, told, caption="held-out scores corrected for label noise", text=(0,)), why])


def _leaks(tasks: dict[str, Any]) -> Markup | None:
    """What held-out rows judged nothing because the training rows know them, and the scores with them."""
    told = [(n, t["with_leaks"]) for n, t in tasks.items() if t.get("with_leaks")]
    if not told:
        return None
    each = [f"{n}: {k['note']}; with them {number(k['before'])} → {number(k['after'])}" for n, k in told]
    return join([element("h3", "Held-out rows that leaked"), element("ul", [element("li", e) for e in each])])


def _by_people(material: Material) -> Markup | None:
    """What people decided of held-out labels, and whether the run has heeded it."""
    counts = material.truth.counts
    told = []
    for what in COUNTS:
        by_task = {n: c[what] for n, c in counts.items() if c[what]}
        if by_task:
            each = ", ".join(f"{n} {c:,}" for n, c in by_task.items())
            told.append(f"{what} {sum(by_task.values()):,} ({each})")
    late = material.unheeded
    if not told and not late:
        return None
    parts = [f"Of held-out labels people {', '.join(told)}; they count as people have them."] if told else []
    if late:
        parts.append(
            f"{late:,} decisions were made after the run was finished, and its verdict does not know them yet; "
            "jointset run, repeated, goes on with them."
        )
    return paragraph(" ".join(parts))


def _sentence(tasks: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for name, t in tasks.items():
        groups.setdefault(t.get("verdict", ""), []).append(name)
    told = [
        f"{what}: {', '.join(groups[what])}"
        for what in ("better", "same", "worse", "not judged")
        if what in groups
    ]
    return ("; ".join(told) + ".").capitalize() if told else ""


def _low(task: dict[str, Any]) -> Any:
    return (task.get("interval") or [None, None])[0]


def _high(task: dict[str, Any]) -> Any:
    return (task.get("interval") or [None, None])[1]


def _refusals(material: Material) -> Markup | None:
    refused = [v for v in material.verdicts if not v["accepted"]]
    if not refused:
        return paragraph("The gate refused nothing.") if material.verdicts else None
    items = [element("li", f"round {v['round']}, attempt {v['name']}: {v['reason']}") for v in refused[:20]]
    more = paragraph(f"… and {len(refused) - 20} more.") if len(refused) > 20 else None
    return join([element("h3", "What the gate refused, and why"), element("ul", items), more])
