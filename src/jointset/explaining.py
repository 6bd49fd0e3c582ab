"""One prediction of a finished run, explained: by the parts of its row, and by the training rows behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jointset.data import Overlay
from jointset.errors import DataError, nearest
from jointset.interpret import Attribution, Rows, attribute, influence_on, target_of
from jointset.interpret.attribution import columns_of
from jointset.models.grouped import TaskGroup
from jointset.prepare import Work
from jointset.records import TRAIN, Task
from jointset.rundir import RunDirectory
from jointset.tasks import KINDS
from jointset.training.problem import Problem
from jointset.workbench import set_up

if TYPE_CHECKING:
    from jointset.models.saved import SavedModel

SHOWN = 12


@dataclass(frozen=True)
class Explanation:
    """Why a task's prediction is what it is.

    ``prediction`` is the label or value, ``confidence`` its probability (NaN for numbers); ``attribution`` the parts of
    the row; ``helpful`` and ``harmful`` the training labels that lower and raise the loss of this prediction most, with
    ``dataset``, ``row``, ``task``, ``label`` and ``influence``."""

    dataset: str
    row: str
    task: str
    prediction: str
    confidence: float
    attribution: Attribution
    helpful: tuple[Mapping[str, Any], ...]
    harmful: tuple[Mapping[str, Any], ...]

    def facts(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        a = self.attribution
        parts = [
            {"kind": u.kind, "name": u.name, "column": u.column, "contribution": round(float(c), 6)}
            for u, c in zip(a.units, a.contributions, strict=True)
        ]
        confidence = None if np.isnan(self.confidence) else round(self.confidence, 6)
        return {
            "dataset": self.dataset, "row": self.row, "task": self.task, "prediction": self.prediction,
            "confidence": confidence, "target": a.target.name, "measure": a.target.measure, "method": a.method,
            "value": round(a.value, 6), "baseline": round(a.baseline, 6), "rest": round(a.rest, 6),
            "gap": round(a.gap, 6), "parts": parts, "helpful": list(self.helpful), "harmful": list(self.harmful),
        }  # fmt: skip

    def __str__(self) -> str:
        a = self.attribution
        what = f"log-odds of {a.target.name}" if a.target.task.classes else f"value ({a.target.measure})"
        for_it, against = (
            ("speak for it", "speak against it") if a.target.task.classes else ("push it up", "push it down")
        )
        sure = "" if np.isnan(self.confidence) else f" ({self.confidence:.0%})"
        lines = [
            f"{self.task}: {self.prediction}{sure}, row {self.row} of {self.dataset}",
            f"{what}: {a.value:+.3f}; of a row with nothing in it {a.baseline:+.3f}",
            f"what its parts add ({a.method.replace('_', ' ')}):",
        ]
        order = np.argsort(-np.abs(a.contributions), kind="stable")
        width = max((len(a.units[i].name) for i in order[:SHOWN]), default=0)
        lines += [f"  {a.contributions[i]:+8.3f}  {a.units[i].name:<{width}}" for i in order[:SHOWN]]
        if len(order) > SHOWN:
            lines.append(f"  {a.contributions[order[SHOWN:]].sum():+8.3f}  {len(order) - SHOWN} more")
        if abs(a.rest) > 5e-4:
            lines.append(f"  {a.rest:+8.3f}  what is missing")
        for told, rows in ((for_it, self.helpful), (against, self.harmful)):
            if rows:
                lines.append(f"training labels that {told}:")
                lines += [
                    f"  {r['influence']:+8.3g}  {r['dataset']}/{r['row']} {r['task']}: {r['label']}"
                    for r in rows
                ]
        return "\n".join(lines)


def explain(
    directory: RunDirectory,
    work: Work,
    saved: SavedModel,
    overlay: Overlay,
    row: Any,
    *,
    dataset: str | None = None,
    task: str | None = None,
    label: str | None = None,
    method: str = "occlusion",
    rows: int = 5,
) -> Explanation:
    """Explain one prediction; see :meth:`jointset.project.Run.explain`."""
    if rows < 0:
        raise DataError(f"rows is how many training labels are shown, 0 or more; found {rows}")
    table, name, shown, root = find_row(work, saved, row, dataset)
    chosen = find_task(saved, task)
    outputs = saved.outputs(table, dataset=name, root=root)[chosen.name]
    target = target_of(chosen, outputs, label)
    found = attribute(saved, table, target, dataset=name, method=method, root=root)
    predicted = target_of(chosen, outputs)
    sure = float(outputs[0, predicted.index]) if chosen.classes else float("nan")
    told = chosen.classes[predicted.index] if chosen.classes else f"{outputs[0, 0]:.4g}"
    helpful, harmful = (
        _behind(directory, work, saved, overlay, table, name, root, target, outputs, rows)
        if rows
        else ((), ())
    )
    return Explanation(name, shown, chosen.name, told, sure, found, helpful, harmful)


def find_task(saved: SavedModel, task: str | None) -> Task:
    """The task of that name, or the only one."""
    names = {t.name: t for t in saved.tasks}
    if task is None and len(names) > 1:
        raise DataError(f"the run has {len(names)} tasks; say which one: {', '.join(names)}")
    chosen = task or next(iter(names))
    if chosen not in names:
        raise DataError(f"the run has no task {chosen!r}{nearest(chosen, names)}; one of {', '.join(names)}")
    return names[chosen]


def find_row(
    work: Work, saved: SavedModel, row: Any, dataset: str | None
) -> tuple[pa.Table, str, str, Path | None]:
    """A table of one row, its dataset, what to call it, and the folder of its files.

    ``row`` is a row id of ``dataset``; a text, where the dataset reads one text column; a mapping of columns; or a
    pandas frame of one row."""
    by_name = {d.name: d for d in work.pool.datasets}
    if dataset is not None and dataset not in by_name:
        raise DataError(
            f"the run has no dataset {dataset!r}{nearest(dataset, by_name)}; one of {', '.join(by_name)}"
        )
    if not isinstance(row, (str, int)):
        table = (
            pa.Table.from_pylist([dict(row)])
            if isinstance(row, Mapping)
            else pa.Table.from_pandas(row, preserve_index=False)
        )
        if table.num_rows != 1:
            raise DataError(f"one row is explained at a time, found {table.num_rows:,}")
        name = dataset or next(
            n for n in by_name if set(_columns(saved, n)) <= {*table.column_names} or n == list(by_name)[-1]
        )
        return table, name, "given", None
    for name in [dataset] if dataset else by_name:
        data = by_name[name]
        place = np.flatnonzero(data.row_ids == str(row))
        if len(place):
            return data.table.slice(int(place[0]), 1), name, str(row), data.root
    name = dataset or next(iter(by_name))
    columns = columns_of(saved, name)
    if list(columns) == ["text"] and len(columns["text"]) == 1 and (" " in str(row) or dataset is None):
        return pa.table({columns["text"][0]: pa.array([str(row)])}), name, "given", None
    near = nearest(str(row), by_name[name].row_ids[:5000].tolist())
    raise DataError(f"dataset {name!r} has no row {str(row)!r}{near}; its {len(by_name[name]):,} rows begin with "
                    f"{', '.join(map(repr, by_name[name].row_ids[:3].tolist()))}")  # fmt: skip


def _columns(saved: SavedModel, dataset: str) -> list[str]:
    return [c for columns in columns_of(saved, dataset).values() for c in columns]


def _behind(
    directory: RunDirectory, work: Work, saved: SavedModel, overlay: Overlay, table: pa.Table, dataset: str,
    root: Path | None, target: Any, outputs: Any, rows: int,
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]:  # fmt: skip
    """The training labels with the largest and the smallest influence on the prediction."""
    task = target.task
    own = TaskGroup(tuple(t.name for t in saved.network.serving(task.name).tasks))
    problem = set_up(directory, work, lambda event: None).problem(overlay).of_group(own)
    train = np.flatnonzero(problem.usable() & (work.pool.split == TRAIN))
    label: Any = np.array([target.index], np.int64)
    if (
        task.kind == "regression"
    ):  # a label a deviation above the prediction: what pushes the value up lowers its loss
        label = outputs[:, 0].astype(np.float64) + task.scale[1]
    elif task.kind == "multilabel":
        label = np.full((1, task.n_outputs), -1, np.int8)
        label[0, target.index] = 1
    judged = Rows(saved.prepared(table, dataset, root), np.zeros(1, np.int64), task.name, label)
    # plain products: of one row they name rows like it, with curvature also opposite rows of the other class
    found = influence_on([saved.network], problem, train, {"it": judged}, damping=None)
    entries: dict[tuple[str, int], float] = {}
    for (source, _), score in found.scores.items():
        known = np.flatnonzero(np.isfinite(score) & (score != 0))
        order = known[np.argsort(score[known], kind="stable")]
        entries |= {(source, int(train[i])): float(score[i]) for i in (*order[:rows], *order[-rows:])}
    ordered = sorted(entries.items(), key=lambda e: -e[1])
    told = [(value, _label(work, problem, source, at, value)) for (source, at), value in ordered]
    helpful = tuple(entry for value, entry in told[:rows] if value > 0)
    return helpful, tuple(entry for value, entry in told[::-1][:rows] if value < 0)


def _label(work: Work, problem: Problem, source: str, at: int, value: float) -> dict[str, Any]:
    task = work.by_name[source]
    text = KINDS[task.kind].decode(task, problem.labels[source][at : at + 1])[0]
    where = {"dataset": str(work.pool.dataset_names[at]), "row": str(work.pool.row_ids[at]), "task": source}
    told = f"{float(text):.6g}" if task.kind == "regression" else str(text)
    return {**where, "label": told, "influence": value}
