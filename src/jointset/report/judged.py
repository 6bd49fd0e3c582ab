"""What models say of the held-out rows, beside the labels: before and after, or as cross-fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.records import TEST, Floats, Ints, Task, is_labelled
from jointset.report.material import Material


@dataclass(frozen=True, eq=False)
class Judged:
    """Held-out rows of one task: ``place`` ``(n,)`` among all rows, labels, outputs before (None without) and after.

    ``decided`` are what labels are read off; ``where`` says which rows and whose outputs they are.
    """

    place: Ints
    labels: NDArray[Any]
    before: Floats | None
    after: Floats
    decided: Floats
    decided_before: Floats | None
    where: str


def judged(material: Material, task: Task) -> Judged | None:
    """The test rows if there are any, else the holdout; None without outputs, or without such a row with a label.

    Labels are those that people gave where they did, else those of the data.
    """
    number = list(material.tasks).index(task.name)
    before: Floats | None
    first: Floats | None
    split, labels = material.rows.column("split"), material.truth.labels[task.name]
    stored = material.held_out
    if f"after.{number}" in stored:
        place = np.asarray(stored["rows"])
        before, after, first, last = (
            np.asarray(stored[f"{n}.{number}"])
            for n in ("before", "after", "before_decided", "after_decided")
        )
        whose = "the final model"
    else:
        outputs = material.predictions()
        if f"outputs.{number}" not in outputs:
            return None
        place = np.flatnonzero(split != 0)
        after = last = np.asarray(outputs[f"outputs.{number}"][place])
        before, first = None, None
        whose = "cross-fitted predictions of the last round"
    tested = bool((split == TEST).any())
    use = is_labelled(labels[place]) & ((split[place] == TEST) if tested else True)
    if not use.any():
        return None
    place = place[use]
    seen = int(material.truth.reviewed[task.name][place].sum())
    told = f", {seen:,} of them labelled by people" if seen else ""
    return Judged(
        place,
        labels[place],
        None if before is None else before[use],
        after[use],
        last[use],
        None if first is None else first[use],
        f"{len(place):,} {'test' if tested else 'holdout'} rows{told}, {whose}",
    )


def correct(task: Task, labels: NDArray[Any], outputs: Floats) -> Floats:
    """How right an output is, row by row, ``(n,)``.

    1 or 0 for classes, the share of right entries for multilabel, minus the absolute error for numbers.
    """
    if task.kind == "regression":
        return np.asarray(-np.abs(outputs[:, 0] - labels), np.float64)
    if task.kind == "multilabel":
        known = labels >= 0
        right = ((outputs >= 0.5) == (labels == 1)) & known
        return np.asarray(right.sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.float64)
    return np.asarray(outputs.argmax(axis=1) == labels, np.float64)
