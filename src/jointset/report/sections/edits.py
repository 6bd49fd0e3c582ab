"""Edits by dataset, task and action, with what was promised and what people found."""

from __future__ import annotations

import numpy as np

from jointset.records import ACTIONS, STATUSES
from jointset.report.html import join, note, number, paragraph, table
from jointset.report.material import Material
from jointset.report.reliability import observed
from jointset.report.sections.base import Section


def edits(material: Material) -> Section:
    """The edits by place and kind."""
    found = material.edits
    if not len(found):
        return Section("edits", "Edits", paragraph("No edit was proposed."))
    size = (len(found.names["dataset"]), len(found.names["task"]), len(found.names["action"]))
    cell = np.ravel_multi_index(tuple(found.codes[n] for n in ("dataset", "task", "action")), size)
    counts = np.zeros((np.prod(size), len(STATUSES)), int)
    np.add.at(counts, (cell, found.status), 1)
    total = counts.sum(axis=1)
    said = np.bincount(cell, found.numbers["confidence"], minlength=len(counts))
    promised = np.bincount(cell, found.numbers["expected_precision"], minlength=len(counts))
    seen = observed(found, material.decisions)
    rows = []
    for at in np.flatnonzero(total):
        dataset, task, action = (
            found.names[n][i]
            for n, i in zip(("dataset", "task", "action"), np.unravel_index(at, size), strict=True)
        )
        kind = seen.get((task, action))
        rows.append(
            [
                dataset, task, action, f"{total[at]:,}", *(f"{counts[at, s]:,}" for s in (1, 2, 3)),
                number(said[at] / total[at]), number(promised[at] / total[at]),
                kind.told() if kind else "not reviewed",
            ]
        )  # fmt: skip
    rows.sort(key=lambda r: (r[0], r[1], ACTIONS.index(r[2]) if r[2] in ACTIONS else 9))
    head = ["dataset", "task", "action", "proposed", "in force", "refused", "undone"]
    head += ["mean confidence", "promised precision", "observed by people"]
    return Section(
        "edits",
        "Edits",
        join(
            [
                table(head, rows[:200], caption="edits by dataset, task and action", text=(0, 1, 2, 9)),
                note(
                    "Promised precision is the expected share of right edits in the set an edit was chosen "
                    "with. Observed is what "
                    "people who looked at edits of this task and action found, with a 90 % interval; it is "
                    "the same for all "
                    "datasets. The confidence of a drop or a weight is that the given label is wrong."
                ),
            ]
        ),
    )
