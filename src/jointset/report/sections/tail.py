"""The long tail: frequent and rare classes, and how well the rare ones do."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.records import TRAIN, Floats, Ints, Task
from jointset.report import svg
from jointset.report.html import bounded, element, note, number, table
from jointset.report.judged import judged
from jointset.report.material import Material
from jointset.report.sections.base import Section

FEW = 10
SHOWN = 12


def tail(material: Material) -> Section | None:
    """Class frequencies, and recall of frequent and rare classes."""
    parts: list[Any] = []
    split = material.rows.column("split")
    for task in material.tasks.values():
        if not task.classes:
            continue
        labels = material.rows.given(task.name)
        counts = _counts(task, labels[split == TRAIN])
        order = np.argsort(-counts, kind="stable")
        shown = order if len(order) <= 2 * SHOWN else np.concatenate([order[:SHOWN], order[-SHOWN:]])
        held, recall, recall_before = _recall(material, task)
        bars = []
        for i in shown.tolist():
            few = f", {held[i]:,} held out" + (
                ": too few to judge" if held[i] < FEW else f", recall {number(recall[i], 2)}"
            )
            moved = (
                f" (before {number(recall_before[i], 2)})"
                if held[i] >= FEW and recall_before[i] == recall_before[i]
                else ""
            )
            bars.append((task.classes[i], [float(counts[i])], f"{counts[i]:,}{few}{moved}"))
        known = counts[counts > 0]
        ratio = f"{known.max() / known.min():,.1f}" if len(known) else "–"
        cannot = int((held < FEW).sum())
        shown_here = [
            element("h3", task.name),
            svg.bars(bars, ("accepted",), f"training labels of {task.name} by class"),
            note(
                f"{len(order)} classes; the largest has {ratio} times the labels of the smallest. "
                f"{cannot} classes have fewer than {FEW} held-out labels and cannot be judged."
                + (
                    f" The {SHOWN} largest and the {SHOWN} smallest are shown."
                    if len(order) > 2 * SHOWN
                    else ""
                )
            ),
            _thirds(order, counts, held, recall),
        ]
        parts.append(shown_here)
    return Section("tail", "Long tail", bounded(parts)) if parts else None


def _counts(task: Task, labels: Ints) -> Ints:
    if task.kind == "multilabel":
        return np.asarray((labels == 1).sum(axis=0))
    return np.bincount(labels[labels >= 0], minlength=len(task.classes))


def _recall(material: Material, task: Task) -> tuple[Ints, Floats, Floats]:
    """Held-out labels per class, and recall after and before, NaN where there is none."""
    k = len(task.classes)
    held, after, before = np.zeros(k, int), np.full(k, np.nan), np.full(k, np.nan)
    found = judged(material, task)
    if found is None:
        return held, after, before
    held = _counts(task, found.labels)
    for into, outputs in ((after, found.decided), (before, found.decided_before)):
        if outputs is None:
            continue
        if task.kind == "multilabel":
            right = ((outputs >= 0.5) & (found.labels == 1)).sum(axis=0)
        else:
            right = np.bincount(found.labels[outputs.argmax(axis=1) == found.labels], minlength=k)
        with np.errstate(divide="ignore", invalid="ignore"):
            into[:] = right / held
    return held, after, before


def _thirds(order: Ints, counts: Ints, held: Ints, recall: Floats) -> object:
    """Recall of the classes that hold the first, second and last third of the labels."""
    if len(order) < 6:
        return None
    place = np.cumsum(counts[order]) / max(counts.sum(), 1)
    rows = []
    for name, low, high in (("head", 0.0, 1 / 3), ("middle", 1 / 3, 2 / 3), ("tail", 2 / 3, 2.0)):
        own = order[(place > low) & (place <= high)]
        fit = own[held[own] >= FEW]
        mean = float(np.nanmean(recall[fit])) if len(fit) and np.isfinite(recall[fit]).any() else float("nan")
        rows.append([name, len(own), f"{int(counts[own].sum()):,}", len(fit), number(mean)])
    head = ["part of the labels", "classes", "labels", "classes judged", "mean recall"]
    return table(head, rows, caption="recall from head to tail")
