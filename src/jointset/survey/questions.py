"""Questions: rows without a label, in the order in which one would help most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from jointset.prepare import Work
from jointset.records import TRAIN, is_labelled
from jointset.repair.ask import rank_questions
from jointset.survey.run import Survey

MOST = 200  # questions of a task


def questions(work: Work, found: Survey, *, probs: dict[str, Any] | None = None) -> pa.Table:
    """The questions of every task: dataset, row, task, and the expected use in rows that the label would speak for.

    ``probs`` is task → out-of-sample predictions ``(N, K)``, where there are some. Only training rows of datasets that
    have the task are asked about.
    """
    columns: dict[str, list[Any]] = {"dataset": [], "row": [], "task": [], "use": []}
    for task in work.tasks:
        rows = np.flatnonzero(work.labels_task(task.name) & (work.pool.split == TRAIN))
        labelled = is_labelled(work.given[task.name][rows])
        if labelled.all():
            continue
        own = None if probs is None or task.kind == "regression" else probs[task.name][rows]
        if own is not None:  # of a row without a prediction nothing is known
            own = np.where(np.isfinite(own), own, 0.5 if task.kind == "multilabel" else 1 / own.shape[1])
        order, uses = rank_questions(
            found.inputs.embedding[rows],
            labelled,
            probs=own,
            multilabel=task.kind == "multilabel",
            n=MOST,
            seed=work.config.seed,
        )
        columns["dataset"] += work.pool.dataset_names[rows[order]].tolist()
        columns["row"] += work.pool.row_ids[rows[order]].tolist()
        columns["task"] += [task.name] * len(order)
        columns["use"] += uses.tolist()
    text = pa.large_string()
    return pa.table(
        columns, schema=pa.schema({"dataset": text, "row": text, "task": text, "use": pa.float64()})
    )
