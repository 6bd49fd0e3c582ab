"""How tasks relate, where it was measured."""

from __future__ import annotations

from typing import Any

from jointset.report.generic import heat, render
from jointset.report.html import bounded, element
from jointset.report.material import Material
from jointset.report.sections.base import Section


def affinity(material: Material) -> Section | None:
    """Affinities between tasks from the facts or the summary; None without."""
    found: Any = material.last_facts.get("affinity") or material.summary.get("affinity")
    if not found:
        return None
    tasks = list(material.tasks)
    parts: list[Any] = []
    measures = found if isinstance(found, dict) else {"affinity": found}
    for name, value in measures.items():
        square = (
            isinstance(value, list) and len(value) == len(tasks) and all(isinstance(r, list) for r in value)
        )
        shown = heat(value, tasks, tasks, str(name), "of ↓ on →") if square else render(value, str(name))
        parts.append([element("h3", str(name).replace("_", " ")), shown])
    return Section("affinity", "Affinity between tasks", bounded(parts))
