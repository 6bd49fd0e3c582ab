"""What this run cannot say."""

from __future__ import annotations

import numpy as np

from jointset.records import is_labelled
from jointset.report.html import element, join
from jointset.report.material import Material
from jointset.report.sections.base import Section

FEW = 200


def limits(material: Material) -> Section:
    """Limits that hold for every run, and those of this one."""
    found = [
        "Held-out labels may be wrong as well. Accuracy and log-loss of the gate are corrected by an "
        "estimated noise matrix; "
        "the other figures of this page are not.",
        "Errors that depend on the input, as a rule that mislabels every row with a word, look like truth to "
        "a model that "
        "learns the rule.",
        "Promised precision is the model's own estimate. Reviewing some edits of every kind shows how far it "
        "holds here.",
    ]
    split = material.rows.column("split")
    for task in material.tasks.values():
        held = int((is_labelled(material.rows.given(task.name)) & (split != 0)).sum())
        if held < FEW:
            found.append(
                f"{task.name} has {held:,} held-out labels: only large changes can be told from chance."
            )
    found += [
        f"{n}: not judged, for want of held-out labels."
        for n, t in material.summary.get("tasks", {}).items()
        if t.get("verdict") == "not judged"
    ]
    found += [
        f"{n} is {t['with_leaks']['note']}. The verdict goes by the rest; the other figures of this page have them in."
        for n, t in material.summary.get("tasks", {}).items()
        if t.get("with_leaks")
    ]
    if not np.concatenate([d.trusted for d in material.rows.datasets.values()]).any():
        found.append("No rows were marked as trusted, so that nothing anchors the estimate of the noise.")
    notes = [n for e in material.events if e.get("event") == "prepared" for n in e.get("notes", [])]
    found += [f"Of the data: {n}" for n in notes[:20]]
    return Section("limits", "Limits", join([element("ul", [element("li", f) for f in found])]))
