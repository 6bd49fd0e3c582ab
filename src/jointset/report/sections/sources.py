"""Where the labels come from, before and after."""

from __future__ import annotations

import numpy as np

from jointset.report import svg
from jointset.report.html import join, note, table
from jointset.report.material import Material
from jointset.report.sections.base import Section

KINDS = ("given", "relabelled", "filled", "reviewed", "dropped", "missing")


def sources(material: Material) -> Section:
    """Counts of labels by source, per task."""
    edits, last = material.edits, material.edits.last()
    decided = {(d["dataset"], d["row"], d["task"], d["position"]) for d in material.decisions}
    rows, bars = [], []
    for task in material.tasks.values():
        labels = material.rows.given(task.name)
        entries = labels.size
        known = int((~np.isnan(labels)).sum() if labels.dtype.kind == "f" else (labels >= 0).sum())
        own = last[edits.is_("task", task.name)[last]]
        missing = edits.names["old"].index("") if "" in edits.names["old"] else -1
        was = edits.codes["old"][own] != missing
        action = {a: edits.is_("action", a)[own] for a in ("relabel", "fill", "drop")}
        relabelled, filled, dropped = (
            int(action["relabel"].sum()),
            int(action["fill"].sum()),
            int((action["drop"] & was).sum()),
        )
        reviewed = sum(1 for d in decided if d[2] == task.name)
        after = [known - relabelled - dropped, relabelled, filled, dropped, entries - known - filled]
        rows.append(
            [task.name, f"{known:,}", f"{entries - known:,}", *(f"{v:,}" for v in after), f"{reviewed:,}"],
        )
        bars.append((f"{task.name}, given", [known, 0, 0, 0, entries - known], f"{known:,}"))
        bars.append((f"{task.name}, now", [max(v, 0) for v in after], f"{sum(after[:3]):,}"))
    head = [
        "task",
        "given",
        "missing",
        "kept as given",
        "relabelled",
        "filled",
        "dropped",
        "missing now",
        "seen by people",
    ]
    return Section(
        "sources",
        "Where labels come from",
        join(
            [
                svg.bars(bars, ("given", "relabelled", "filled", "dropped", "missing"), "labels by source"),
                table(head, rows, caption="labels by source, as given and now"),
                note(
                    "Edits in force, the last of every label; weights change no label and are not counted "
                    "here. Multilabel tasks "
                    "are counted entry by entry. What people decided is in the last column whatever it was."
                ),
            ]
        ),
    )
