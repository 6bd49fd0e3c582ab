"""The estimated noise of the given labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.report.generic import MOST_ROWS, heat
from jointset.report.html import bounded, element, join, note, paragraph, share
from jointset.report.material import Material
from jointset.report.sections.base import Section


def noise(material: Material) -> Section | None:
    """Matrices P(given | true) of the last round; None before the first."""
    facts = material.last_facts
    matrices, known = facts.get("noise_matrix") or {}, facts.get("noise_rate") or {}
    if not matrices and not known:
        return None
    told = ", ".join(f"{name} {share(rate)}" for name, rate in known.items() if rate is not None)
    parts: list[Any] = []
    for name, matrix in matrices.items():
        task = material.tasks.get(name)
        classes = list(task.classes) if task else [str(i) for i in range(len(matrix))]
        found = np.array(matrix, float)
        order = (
            np.argsort(np.diag(found), kind="stable")[:MOST_ROWS]
            if len(found) > MOST_ROWS
            else np.arange(len(found))
        )
        names = [classes[i] for i in order]
        shown = [
            element("h3", name),
            heat(
                found[np.ix_(order, order)].tolist(),
                names,
                names,
                f"{name}: P(given | true)",
                "true ↓ given →",
            ),
            note(f"The {MOST_ROWS} noisiest of {len(found)} classes.") if len(found) > MOST_ROWS else None,
        ]
        parts.append(shown)
    rest = note(
        "Rows are the true class, columns the given one; each row sums to one. Estimated, not counted."
    )
    rates = paragraph("Estimated share of wrong labels: ", told, ".") if told else None
    return Section("noise", "Label noise", join([rates, bounded(parts), rest]))
