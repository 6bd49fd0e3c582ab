"""Joint against single-task, where the run has compared them."""

from __future__ import annotations

from typing import Any

from jointset.report.generic import render
from jointset.report.html import bounded, chip, join, note, number, table
from jointset.report.material import Material
from jointset.report.sections.base import Section

KEYS = ("single_task", "single", "joint_vs_single", "single_tasks")


def joint(material: Material) -> Section | None:
    """The comparison; None without one."""
    found = next((material.summary[k] for k in KEYS if material.summary.get(k)), None)
    if found is None:
        per_task = {
            n: t.get("single_task") or t.get("single") for n, t in material.summary.get("tasks", {}).items()
        }
        found = {n: v for n, v in per_task.items() if v}
    if not found:
        return None
    known = isinstance(found, dict) and all(
        isinstance(v, dict) and {"joint", "single"} <= v.keys() for v in found.values()
    )
    body = table(
        ["task", "metric", "single", "joint", "change within", "verdict"],
        [_row(name, v) for name, v in found.items()],
        caption="joint against single-task training",
        text=(0, 1, 5),
    ) if known else bounded([render(found)])  # fmt: skip
    told = note("Positive changes speak for training jointly.") if known else None
    return Section("joint", "Joint against single-task", join([body, told]))


def _row(name: str, values: dict[str, Any]) -> list[Any]:
    low, high = (values.get("interval") or [None, None])[:2]
    verdict = str(values.get("verdict", ""))
    kind = {"better": "good", "worse": "bad"}.get(verdict, "")
    return [
        name, str(values.get("metric", "")), number(values["single"]), number(values["joint"]),
        f"{number(low, sign=True)} … {number(high, sign=True)}", chip(verdict, kind) if verdict else "",
    ]  # fmt: skip
