"""How the tasks went together in training, where it was watched."""

from __future__ import annotations

from typing import Any

from jointset.report.generic import heat
from jointset.report.html import bounded, element, note
from jointset.report.material import Material
from jointset.report.sections.base import Section
from jointset.rundir import read_json

SAID = {
    "gradient_cosine": "Cosine of the tasks' gradients, the mean over steps",
    "conflict_rate": "Share of the steps in which two gradients point against each other",
    "lookahead": "What a step that takes 1 % off the row's loss takes off the column's, in %",
    "loss_ratios": "Correlation of how the losses fall from epoch to epoch",
}


def affinity(material: Material) -> Section | None:
    """How gradients and losses went together in the first joint training; None where it was not watched."""
    file = material.directory.affinity
    if not file.is_file():
        return None
    taken = read_json(file)
    parts: list[Any] = []
    for name, found in taken["affinity"].items():
        values = [[None if i == j else v for j, v in enumerate(row)] for i, row in enumerate(found["values"])]
        if any(v is not None for row in values for v in row):
            parts.append([element("h3", SAID[name]), heat(values, found["tasks"], found["tasks"], name)])
    if not parts:
        return None
    steps = max(max(row) for row in taken["affinity"]["gradient_cosine"]["support"])
    told = f"Gradients of {taken['where']}, in at most {steps:,} steps of the first joint training."
    parts.append(note(told, " Greater is more alike, but for conflicts."))
    return Section("affinity", "Affinity between tasks", bounded(parts))
