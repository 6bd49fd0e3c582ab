"""What the rounds recorded that has no section of its own."""

from __future__ import annotations

from typing import Any

from jointset.report.generic import render
from jointset.report.html import bounded, chip, element, table
from jointset.report.material import Material
from jointset.report.sections.base import Section

ELSEWHERE = (
    "data",
    "noise_rate",
    "noise_matrix",
    "seconds",
    "started",
    "finished",
    "time",
    "peak_memory_bytes",
)


def findings(material: Material) -> Section | None:
    """Every fact that has no section of its own; None without any."""
    facts: dict[str, Any] = {}
    for found in material.facts.values():  # the last word on each counts
        facts |= {
            k: v for k, v in found.items() if k not in ELSEWHERE and not k.endswith(("_seconds", "_at")) and v
        }
    checks = {}
    for name in list(facts):
        value = facts[name]
        if _is_check(value):
            checks[name] = facts.pop(name)
        elif isinstance(value, dict) and value and all(_is_check(v) for v in value.values()):
            checks |= facts.pop(name)
    if not facts and not checks:
        return None
    parts: list[Any] = []
    if checks:
        rows = [
            [
                str(n).replace("_", " "),
                chip(str(c["outcome"]), "bad" if c["outcome"] == "found" else ""),
                c.get("reason", ""),
            ]
            for n, c in checks.items()
        ]
        parts.append(
            table(["check", "outcome", "reason"], rows, caption="checks of the data", text=(0, 1, 2))
        )
    details = {
        n: {k: v for k, v in c.items() if k not in ("outcome", "reason") and v} for n, c in checks.items()
    }
    for name, value in {**{n: d for n, d in details.items() if d}, **facts}.items():
        title = element("h3", str(name).replace("_", " ").capitalize())
        parts.append([title, bounded([render(value, str(name))], 60_000)])
    return Section("findings", "Further findings", bounded(parts, 400_000))


def _is_check(value: Any) -> bool:
    return isinstance(value, dict) and "outcome" in value
