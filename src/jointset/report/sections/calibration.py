"""Whether the model is as sure as it is right."""

from __future__ import annotations

import numpy as np

from jointset.records import Task
from jointset.report import svg
from jointset.report.html import element, join, note, table
from jointset.report.judged import Judged, judged
from jointset.report.material import Material
from jointset.report.sections.base import Section

BINS = 10


def calibration(material: Material) -> Section | None:
    """Reliability of the predicted probabilities on held-out rows."""
    figures, rows = [], []
    for task in material.tasks.values():
        found = judged(material, task) if task.kind != "regression" else None
        if found is None:
            continue
        said, right = _pairs(task, found)
        points = reliability(said, right)
        error = sum(n * abs(c - r) for c, r, n in points) / max(len(said), 1)
        figures.append(svg.calibration(points, task.name))
        rows.append([task.name, found.where, f"{said.mean():.3f}", f"{right.mean():.3f}", f"{error:.3f}"])
    if not rows:
        return None
    head = ["task", "rows", "mean confidence", "right", "expected calibration error"]
    body = join(
        [
            element("div", figures, class_="figures"),
            table(head, rows, caption="calibration", text=(0, 1)),
            note(f"{BINS} bins of equal width. Below the diagonal the model is surer than it is right."),
        ]
    )
    return Section("calibration", "Calibration", body)


def reliability(said: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, rows) of every bin that holds rows.

    >>> reliability(np.array([0.95, 0.95, 0.05]), np.array([1.0, 0.0, 0.0]))
    [(0.05, 0.0, 1), (0.95, 0.5, 2)]
    """
    at = np.minimum((said * bins).astype(int), bins - 1)
    return [
        (float(said[at == b].mean()), float(right[at == b].mean()), int((at == b).sum()))
        for b in np.unique(at).tolist()
    ]


def _pairs(task: Task, found: Judged) -> tuple[np.ndarray, np.ndarray]:
    if task.kind == "multilabel":
        known = found.labels >= 0
        return found.after[known].astype(float), (found.labels[known] == 1).astype(float)
    best = found.after.argmax(axis=1)
    return found.after.max(axis=1).astype(float), (best == found.labels).astype(float)
