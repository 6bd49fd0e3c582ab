"""Joint against single-task training, where the run has compared them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from jointset.console.foreseen import lines
from jointset.console.relatedness import WHY_NOT
from jointset.report.html import chip, element, join, note, number, table
from jointset.report.material import Material
from jointset.report.sections.base import Section
from jointset.rundir import read_json

KINDS = {"helped": "good", "hurt": "bad"}
MOST = 20  # lines of foresight


def joint(material: Material) -> Section | None:
    """The comparison; None without one."""
    tasks = material.summary.get("tasks", {})
    found = {n: t["single"] for n, t in tasks.items() if isinstance(t.get("single"), Mapping)}
    told = foreseen(material)
    if not found:
        return Section("joint", "Joint against single-task", told) if told else None
    head = ["task", "metric", "held-out rows", "alone", "joint", "gain within", "joint training", "its model"]
    rows = [_row(name, v, tasks[name].get("on", "")) for name, v in found.items()]
    rest = [n for n in tasks if n not in found and "set_apart" not in tasks[n]]
    how = note(
        "Each task was trained alone as well, with the settings of the joint training and the labels as given. The "
        "interval is a paired bootstrap of what joint training gains, positive where it helps."
    )
    left = note(f"Not compared: {', '.join(rest)}; {WHY_NOT}.") if rest else None
    body = table(head, rows, caption="joint against single-task training", text=(0, 1, 6, 7))
    return Section("joint", "Joint against single-task", join([told, body, how, left]))


def foreseen(material: Material) -> Markup | None:
    """What cheap signals said before anything was trained, and what was done about it."""
    file = material.directory.relatedness
    said = list(lines(read_json(file))) if file.is_file() else []
    if not said:
        return None
    shown = element("ul", [element("li", line) for line in said[:MOST]])
    more = note(f"… and {len(said) - MOST} more, in relatedness.json.") if len(said) > MOST else None
    return join([element("h3", "Foreseen before training"), shown, more])


def _row(name: str, values: Mapping[str, Any], judged_on: str) -> list[Any]:
    low, high = (values.get("interval") or [None, None])[:2]
    verdict = str(values.get("verdict", ""))
    return [
        name,
        str(values.get("metric", "")),
        f"{values.get('rows', 0):,} {judged_on}",
        number(values.get("alone")),
        number(values.get("joint")),
        f"{number(low, sign=True)} … {number(high, sign=True)}",
        chip(verdict, KINDS.get(verdict, "")),
        "of its own" if values.get("own_model") else "shared",
    ]
