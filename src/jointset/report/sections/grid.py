"""Who labels what: dataset × task, before and after."""

from __future__ import annotations

import numpy as np

from jointset.records import is_labelled
from jointset.report.html import join, note, paragraph, share, table
from jointset.report.material import Material
from jointset.report.sections.base import Section


def grid(material: Material) -> Section:
    """The grid with its coverage."""
    edits = material.edits
    last = edits.last()
    change = {}
    for code, name in enumerate(edits.names["task"]):
        own = last[edits.codes["task"][last] == code]
        old = edits.codes["old"][own]
        missing = edits.names["old"].index("") if "" in edits.names["old"] else -1
        gained = (old == missing) & edits.is_("action", "fill")[own]
        lost = edits.is_("action", "drop")[own]
        change[name] = (edits.place[own], gained.astype(int) - lost.astype(int))
    rows, tasks = [], list(material.tasks.values())
    for dataset, data in material.rows.datasets.items():
        cells = []
        for task in tasks:
            known = int(is_labelled(data.given[task.name]).sum())
            if task.kind == "multilabel":
                cells.append(f"{share(known / max(len(data), 1))}" if known else "·")
                continue
            place, delta = change.get(task.name, (np.empty(0, int), np.empty(0, int)))
            here = (place >= data.start) & (place < data.start + len(data))
            after = known + int(delta[here].sum())
            cells.append(
                f"{share(known / max(len(data), 1))} → {share(after / max(len(data), 1))}"
                if known or after
                else "·"
            )
        split = np.bincount(data.split, minlength=3)
        rows.append([dataset, f"{len(data):,}", " / ".join(f"{n:,}" for n in split), *cells])
    head = ["dataset", "rows", "train / holdout / test", *(f"{t.name} ({t.kind})" for t in tasks)]
    named = "; ".join(
        f"{t.name}: {', '.join(t.classes[:12])}{' …' if len(t.classes) > 12 else ''}"
        for t in tasks
        if t.classes
    )
    multi = any(t.kind == "multilabel" for t in tasks)
    return Section(
        "grid",
        "Datasets and tasks",
        join(
            [
                table(
                    head,
                    rows,
                    caption="share of rows with a label, as given → after the edits in force",
                    text=(0, 2),
                ),
                paragraph("Classes: ", named) if named else None,
                note(
                    "A dot: the dataset does not label the task. Missing labels are masked in training, never guessed."
                ),
                note("Of multilabel tasks the share of rows with any known entry is shown.")
                if multi
                else None,
            ]
        ),
    )
