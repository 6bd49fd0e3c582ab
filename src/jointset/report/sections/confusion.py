"""Which classes the model takes for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.report.generic import MOST_ROWS, heat
from jointset.report.html import bounded, element, join, note
from jointset.report.judged import judged
from jointset.report.material import Material
from jointset.report.sections.base import Section


def confusion(material: Material) -> Section | None:
    """Given labels against predicted ones on held-out rows."""
    parts: list[Any] = []
    for task in material.tasks.values():
        found = judged(material, task) if task.kind in ("binary", "multiclass") else None
        if found is None:
            continue
        k = len(task.classes)
        said = found.decided.argmax(axis=1)
        counts = np.bincount(found.labels * k + said, minlength=k * k).reshape(k, k)
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        order = np.sort(np.argsort(-wrong, kind="stable")[:MOST_ROWS])
        names = [task.classes[i] for i in order]
        shown = [
            element("h3", task.name),
            heat(
                counts[np.ix_(order, order)].tolist(),
                names,
                names,
                f"{task.name}: {found.where}",
                "given ↓ predicted →",
                whole=True,
            ),
            note(f"The {MOST_ROWS} most confused of {k} classes.") if k > MOST_ROWS else None,
        ]
        parts.append(shown)
    if not parts:
        return None
    told = "Held-out labels may be wrong too: an entry off the diagonal is a disagreement, not proof of an error."
    return Section("confusion", "Confusion", join([bounded(parts), note(told)]))
