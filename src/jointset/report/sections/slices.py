"""Parts of the held-out data on which the final model does worse than the first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jointset.records import Bools, Task
from jointset.report.html import chip, join, note, number, paragraph, short, table
from jointset.report.judged import Judged, correct, judged
from jointset.report.material import Material
from jointset.report.rows import Rows
from jointset.report.sections.base import Section

FEWEST = 20
SHOWN = 12
MOST_VALUES = 12
LEVEL = 0.05


def slices(material: Material) -> Section | None:
    """Slices by dataset, class, columns and length of text, worst first; None without a model before."""
    found: list[tuple[float, float, str, str, int, float, float]] = []
    tried = 0
    for task in material.tasks.values():
        seen = judged(material, task)
        if seen is None or seen.decided_before is None:
            continue
        before, after = (
            correct(task, seen.labels, seen.decided_before),
            correct(task, seen.labels, seen.decided),
        )
        for name, mask in _slices(material, task, seen):
            n = int(mask.sum())
            if n < FEWEST:
                continue
            tried += 1
            change = after[mask] - before[mask]
            found.append(
                (*paired(change), task.name, name, n, float(before[mask].mean()), float(after[mask].mean()))
            )
    if not tried:
        return None
    worse = sorted((f for f in found if f[0] < 0), key=lambda f: (f[1], f[0]))[:SHOWN]
    rows = [
        [
            task, short(name, 60), f"{n:,}", number(before), number(after), number(change, sign=True),
            chip("surely worse", "bad") if p < LEVEL / tried else chip("may be chance"),
        ]
        for change, p, task, name, n, before, after in worse
    ]  # fmt: skip
    head = ["task", "slice", "rows", "before", "after", "change", ""]
    surely = sum(f[1] < LEVEL / tried for f in worse)
    told = paragraph(
        f"{tried} slices of at least {FEWEST} held-out rows were compared; {surely} are surely worse."
    )
    body = [told, table(head, rows, caption="slices that got worse", text=(0, 1, 6)) if rows else None]
    body.append(
        note(
            "Share of right labels (of numbers: minus the mean absolute error) before and after on the same "
            "rows. Surely worse: "
            f"a one-sided paired test at {LEVEL:g} shared out over all slices (Bonferroni); the others are "
            "within what chance does."
        )
    )
    return Section("slices", "Slices that got worse", join(body))


def paired(change: np.ndarray) -> tuple[float, float]:
    """Mean change and its one-sided p-value for being worse; a sign test where all changes are whole steps.

    >>> paired(np.array([-1.0, -1.0, 0.0]))
    (-0.6666666666666666, 0.25)
    """
    from math import comb
    from statistics import NormalDist

    mean = float(change.mean())
    if set(np.unique(change)) <= {-1.0, 0.0, 1.0}:  # McNemar's test, exact while counts are small
        lost, won = int((change < 0).sum()), int((change > 0).sum())
        n = lost + won
        if n <= 1000:
            return mean, sum(comb(n, i) for i in range(lost, n + 1)) / 2**n if n else 1.0
        return mean, 1 - NormalDist(n / 2, (n / 4) ** 0.5).cdf(lost - 0.5)
    spread = float(change.std(ddof=1)) / len(change) ** 0.5
    return mean, NormalDist().cdf(mean / spread) if spread > 0 else 1.0


def _slices(material: Material, task: Task, seen: Judged) -> Iterator[tuple[str, Bools]]:
    datasets = material.rows.datasets
    for name, rows in datasets.items():
        here = (seen.place >= rows.start) & (seen.place < rows.start + len(rows))
        if not here.any():
            continue
        if len(datasets) > 1:
            yield f"dataset {name}", here
        yield from _columns(name, rows, seen, here)
    if task.classes and task.kind != "multilabel":
        for code in np.unique(seen.labels)[:60].tolist():
            yield f"labelled {task.classes[code]}", seen.labels == code
    if task.kind == "multilabel":
        for code, label in list(enumerate(task.classes))[:60]:
            yield f"labelled {label}", seen.labels[:, code] == 1


def _columns(dataset: str, rows: Rows, seen: Judged, here: Bools) -> Iterator[tuple[str, Bools]]:
    at = pa.array(seen.place[here] - rows.start)
    where = np.flatnonzero(here)
    for modality in ("tabular", "text"):
        for column in rows.inputs.get(modality, ())[:40]:
            values = rows.table.column(column).take(at)
            if modality == "text":
                values = pc.utf8_length(values.cast(pa.large_string()))
            for told, mask in _parts(values, "length of " if modality == "text" else "", column):
                whole = np.zeros(len(here), bool)
                whole[where[mask]] = True
                yield f"{dataset}: {told}", whole


def _parts(values: Any, what: str, column: str) -> Iterator[tuple[str, Bools]]:
    """Quarters of numbers, frequent values of others, and what is missing."""
    gone = np.asarray(values.is_null())
    if gone.any():
        yield f"{what}{column} missing", gone
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        found = values.to_numpy().astype(float)
        known = found[~np.isnan(found)]
        edges = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1])) if len(known) else known
        for low, high in pairwise(edges):
            last = high == edges[-1]
            mask = (found >= low) & ((found <= high) if last else (found < high))
            yield f"{what}{column} {low:.4g} … {high:.4g}", mask
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        counts = pc.value_counts(values.combine_chunks()).to_pylist()
        frequent = sorted(counts, key=lambda c: -c["counts"])[:MOST_VALUES]
        for value in (c["values"] for c in frequent if c["values"] is not None and c["counts"] >= FEWEST):
            yield f"{column} = {value}", np.asarray(pc.fill_null(pc.equal(values, value), False))
