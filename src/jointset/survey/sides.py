"""Shift between the sites or large groups of a dataset, over time, and of the labels between any two sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.findings import Checked, Findings
from jointset.audit.leakage import find_order
from jointset.audit.shift import column_shift, compare_inputs, share_shift, shift_matrix
from jointset.data import Dataset
from jointset.prepare import Work
from jointset.records import HOLDOUT, SPLITS, TEST, TRAIN, Floats, Ints, Task, is_labelled
from jointset.survey.inputs import PoolInputs
from jointset.survey.sections import Section
from jointset.survey.times import times_of, why_none

LEAST = 0.1  # effect from which a shifted column, or label, is reported
FEWEST = 50  # rows of a site or group that is compared
MOST_SITES = 8  # of a dataset, the largest; pairs grow with their square
SITE_ROWS = 400
PERIODS = 4  # of equally many rows, whose labels are compared
MOST_LABELS = 30  # labels of a multilabel task that are compared

Sides = Mapping[str, Ints]  # name of a side → its rows of the pool, copies once


def once(rows: Ints, group: Ints) -> Ints:
    """The first of the rows of every group, ascending: tests count draws, and copies are no further ones.

    >>> once(np.array([3, 1, 2]), np.array([0, 7, 8, 7])).tolist()
    [2, 3]
    """
    return np.sort(rows[np.unique(group[rows], return_index=True)[1]])


def values_of(dataset: Dataset, column: str) -> NDArray[np.object_]:
    """A column as text, ``None`` where there is no value."""
    values = dataset.table.column(column).to_pylist()
    return np.array([None if v is None or v != v else str(v) for v in values], object)


def sites_of(work: Work, dataset: Dataset, near: Ints) -> dict[str, Sides]:
    """The sites and the groups of a dataset that have rows enough: by column, where at least two have."""
    start = work.pool.rows_of(dataset.name).start
    found: dict[str, Mapping[str, Ints]] = {}
    for column in dict.fromkeys(c for c in (dataset.site, dataset.group) if c):
        values = values_of(dataset, column)
        known = np.flatnonzero([v is not None for v in values.tolist()])
        names, codes, counts = np.unique(values[known].astype(str), return_inverse=True, return_counts=True)
        largest = np.argsort(-counts, kind="stable")[:MOST_SITES]
        sides = {str(names[k]): once(start + known[codes == k], near) for k in sorted(largest.tolist())}
        big = {n: rows for n, rows in sides.items() if len(rows) >= FEWEST}
        most = sum(map(len, big.values())) >= len(known) / 2  # a few groups, not the largest of many
        if len(big) > 1 and most:
            found[column] = big
    return found


def shift_of_sites(work: Work, inputs: PoolInputs, near: Ints) -> list[Section]:
    """The inputs of every two sites, or large groups, of a dataset; for tables column by column as well."""
    out = []
    for dataset in work.pool.datasets:
        for column, sides in sites_of(work, dataset, near).items():
            rows = np.concatenate(list(sides.values()))
            names = np.repeat(np.array(list(sides), object), [len(r) for r in sides.values()])
            points, same = inputs.embedding[rows], near[rows]
            seen = compare_inputs(points, names, together=same, rows=SITE_ROWS, seed=work.config.seed)
            matrix = shift_matrix(points, names, together=same, inputs=seen)
            differ, pairs = len(matrix.findings), len(seen.corrected)
            reason = f"by {column}: inputs differ in {differ} of {pairs} pairs of {len(sides)} sites"
            told = dataclasses.replace(matrix, reason=reason)
            out.append(Section("shift between sites", told, rows, dataset.name))
            out += _columns(inputs, dataset, column, sides)
    return out


def _columns(inputs: PoolInputs, dataset: Dataset, column: str, sides: Sides) -> list[Section]:
    part = inputs.by_modality.get("tabular")
    if part is None or "tabular" not in dataset.inputs:
        return []
    first, second = {}, {}
    own = {n: c for n, c in part.data.items() if n.split("[")[0] in dataset.inputs["tabular"]}
    for a, b in combinations(sides, 2):
        for name, values in own.items():
            first[f"{a} × {b}: {name}"] = values[np.searchsorted(part.rows, sides[a])]
            second[f"{a} × {b}: {name}"] = values[np.searchsorted(part.rows, sides[b])]
    found = column_shift(first, second, least=LEAST)  # one call, so that p-values are corrected for all pairs
    told = dataclasses.replace(found, reason=f"by {column}: {found.reason}")
    return [Section("columns", told, np.empty(0, np.int64), dataset.name)]


def drift(work: Work, inputs: PoolInputs, near: Ints) -> list[Section]:
    """Whether rows near each other in time are alike, for datasets whose configuration names a time."""
    out = []
    for dataset in work.pool.datasets:
        if dataset.time is None:
            continue
        times = times_of(dataset)
        if times is None or not np.isfinite(times).any():
            why = why_none(dataset) if times is None else "no row has a time"
            untold = Checked("not applicable", f"over {dataset.time}: {why}", Findings.empty(), {})
            out.append(Section("drift", untold, np.empty(0, np.int64), dataset.name))
            continue
        rows = work.pool.rows_of(dataset.name).start + np.flatnonzero(np.isfinite(times))
        order = times[np.isfinite(times)]
        found = find_order(inputs.embedding[rows], order=order, groups=near[rows], seed=work.config.seed)
        named = np.full(len(found.findings), f"over {dataset.time}", object)
        findings = dataclasses.replace(found.findings, subject=named)
        reason = f"over {dataset.time}: {found.reason}"
        told = dataclasses.replace(found, findings=findings, reason=reason)
        out.append(Section("drift", told, rows, dataset.name))
    return out


@dataclass(frozen=True, eq=False)
class Divisions:
    """By dataset its sites and groups, and the time of every row; read once, for all tasks."""

    sites: Mapping[str, tuple[Sides, ...]]
    times: Mapping[str, Floats | None]

    @classmethod
    def of(cls, work: Work, near: Ints) -> Divisions:
        """Those that the configuration names."""
        datasets = work.pool.datasets
        return cls(
            {d.name: tuple(sites_of(work, d, near).values()) for d in datasets},
            {d.name: times_of(d) for d in datasets},
        )


def shift_of_shares(
    work: Work, near: Ints, divisions: Divisions, usable: list[Dataset], task: Task, labels: NDArray[Any]
) -> list[Section]:
    """The given labels of every two datasets that have the task; within a dataset, those of train and held out, of
    its sites, and of its quarters in time."""
    known = np.flatnonzero(is_labelled(labels))
    mine = {d.name: np.intersect1d(known, _rows(work, d)) for d in work.pool.datasets}
    out = []
    between = {d.name: once(mine[d.name], near) for d in usable if len(mine[d.name])}
    if len(between) > 1:
        out.append(_shares(task, labels, combinations(between, 2), between, ""))
    for dataset in work.pool.datasets:
        own = mine[dataset.name]
        if not len(own):
            continue
        split = {SPLITS[s]: once(own[work.pool.split[own] == s], near) for s in (TRAIN, HOLDOUT, TEST)}
        if len(split["train"]) < len(own):
            pairs = [("train", s) for s in ("holdout", "test") if len(split[s])]
            out.append(_shares(task, labels, pairs, split, dataset.name))
        sides = list(divisions.sites[dataset.name])
        times = divisions.times[dataset.name]
        if times is not None:
            sides.append(_periods(own, times[own - work.pool.rows_of(dataset.name).start], near))
        for parts in sides:
            labelled = {n: np.intersect1d(rows, own) for n, rows in parts.items()}
            out.append(_shares(task, labels, combinations(labelled, 2), labelled, dataset.name))
    return out


def _rows(work: Work, dataset: Dataset) -> Ints:
    return np.arange(len(work.pool))[work.pool.rows_of(dataset.name)]


def _periods(rows: Ints, times: Floats, near: Ints) -> Sides:
    """Rows in quarters of time, none parted from others of its own moment."""
    rows, times = rows[np.isfinite(times)], times[np.isfinite(times)]
    edges = np.unique(np.quantile(times, np.linspace(0, 1, PERIODS + 1)[1:-1])) if len(times) else times
    place = np.searchsorted(edges, times, side="right")
    return {f"period {k + 1}": once(rows[place == k], near) for k in range(len(edges) + 1)}


def _shares(task: Task, labels: NDArray[Any], pairs: Any, sides: Sides, dataset: str) -> Section:
    compared: dict[str, tuple[Any, Any]] = {}
    for a, b in pairs:
        one, two = labels[sides[a]], labels[sides[b]]
        if labels.ndim == 1:
            compared[f"{a} × {b}"] = one, two
            continue
        for k in np.argsort(-(labels == 1).sum(axis=0), kind="stable")[:MOST_LABELS].tolist():
            compared[f"{a} × {b}: {task.classes[k]}"] = one[:, k].astype(np.int64), two[:, k].astype(np.int64)
    names = ["without", "with"] if labels.ndim == 2 else list(task.classes) or None
    found = share_shift(compared, names=names, least=LEAST)
    rows = np.empty(0, np.int64)
    return Section("shares of classes", found, rows, dataset, task.name)
