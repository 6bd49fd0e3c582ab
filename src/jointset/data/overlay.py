"""Edits as a view: given labels and edits in, final labels, weights and sources out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jointset.errors import InternalError
from jointset.records import Edits, Task, is_labelled

SOURCES = ("none", "given", "relabelled", "filled", "reviewed", "augmented")
NONE, GIVEN, RELABELLED, FILLED, REVIEWED, AUGMENTED = range(6)
_APPLIED = ("relabel", "fill", "drop", "weight")


class Addresses(Protocol):
    """Rows that are found by their addresses, such as a :class:`~jointset.data.Pool`."""

    def __len__(self) -> int: ...

    def positions(self, dataset: NDArray[np.object_], row: NDArray[np.object_]) -> NDArray[np.int64]:
        """Positions among all rows, ``(m,)``, of (dataset name, row id); InternalError for an unknown one."""
        ...


@dataclass(frozen=True, eq=False)
class Overlay:
    """The labels after edits.

    ``labels`` is task → array in the records' form; ``weights`` task → ``(N,)``, for multilabel ``(N, K)``, 0
    where a label is missing or not used in training; ``source``, of the same shape, is a code of ``SOURCES``;
    ``keep`` is ``(N,)``, False where the whole row was dropped or drops left it without any label;
    ``added`` holds the edits that add a row which is derived from one that is kept."""

    labels: Mapping[str, NDArray[Any]]
    weights: Mapping[str, NDArray[np.float32]]
    source: Mapping[str, NDArray[np.int8]]
    keep: NDArray[np.bool_]
    added: Edits = field(default_factory=Edits.empty)


def apply(
    given: Mapping[str, NDArray[Any]], edits: Edits, tasks: Mapping[str, Task], pool: Addresses
) -> Overlay:
    """The given labels with the edits on top; ``given`` is not changed.

    All edits handed in count, whatever their status; of several at one address the later wins, where a weight
    edit leaves the label as it is. A drop makes the label missing; a drop without a task drops the row in
    every task, for good. For multilabel, ``position`` names the class ('' = all, for drop and weight) and
    ``new`` is '0' or '1'. An edit whose reason begins with "review" has the source "reviewed". Raises
    :class:`~jointset.errors.InternalError` for an unknown address, task, action or label.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jointset.data import build_pool, load_dataset
    >>> d = load_dataset("d", {"id": ["a", "b"], "t": ["x", "y"]}, inputs={"text": "t"}, id="id",
    ...                  cache=Path(tempfile.mkdtemp()))
    >>> pool = build_pool([d], strata=None, split_settings={}, seed=0)
    >>> task = Task("s", "binary", ("no", "yes"))
    >>> apply({"s": np.array([0, -1])}, Edits.empty(), {"s": task}, pool).weights["s"]
    array([1., 0.], dtype=float32)
    """
    views = {name: _View(tasks[name], labels) for name, labels in given.items()}
    adds, edits = edits.take(edits.action == "add"), edits.take(edits.action != "add")
    _check(edits, views)
    row = pool.positions(edits.dataset, edits.row) if len(edits) else np.empty(0, np.int64)
    dropped = np.zeros(len(pool), bool)
    dropped[row[edits.task == ""]] = True
    touched = dropped.copy()
    for name, view in views.items():
        mine = np.flatnonzero(edits.task == name)
        if len(mine):
            view.edit(edits.take(mine), row[mine])
            touched[row[mine[edits.action[mine] == "drop"]]] = True
        view.drop_rows(dropped)
    labelled = np.zeros(len(pool), bool)
    for view in views.values():
        labelled |= is_labelled(view.labels)
    return Overlay(
        {name: view.labels for name, view in views.items()},
        {name: view.weights for name, view in views.items()},
        {name: view.source for name, view in views.items()},
        ~(dropped | (touched & ~labelled)),
        adds.take(~dropped[pool.positions(adds.dataset, adds.row)]) if len(adds) else adds,
    )


class _View:
    """One task's arrays while edits are laid on them."""

    def __init__(self, task: Task, given: NDArray[Any]) -> None:
        self.task = task
        self.labels = given.copy()
        known = ~np.isnan(given) if given.dtype.kind == "f" else given >= 0
        self.weights = known.astype(np.float32)
        self.source = known.astype(np.int8)  # GIVEN is 1, NONE is 0
        self._missing = np.nan if task.kind == "regression" else -1

    def edit(self, edits: Edits, row: NDArray[np.int64]) -> None:
        """Lay on this task's edits, in the order of the record."""
        entry, cell = self._cells(edits, row)
        edits = edits.take(entry)
        is_weight = edits.action == "weight"
        last = _last(cell[~is_weight])
        labels, where = edits.take(~is_weight).take(last), cell[~is_weight][last]
        weight = np.where(labels.action == "drop", 0.0, labels.weight)
        self._flat(self.weights)[where] = weight
        for action, code in (("relabel", RELABELLED), ("fill", FILLED), ("drop", NONE)):
            mask = labels.action == action
            if mask.any():
                chosen, at = labels.take(mask), where[mask]
                self._flat(self.labels)[at] = self._missing if action == "drop" else self._encode(chosen.new)
                reviewed = _starts(chosen.reason, "review") if code else np.zeros(len(at), bool)
                self._flat(self.source)[at] = np.where(reviewed, REVIEWED, code)
        self._reweight(edits, cell, is_weight)

    def drop_rows(self, dropped: NDArray[np.bool_]) -> None:
        """Make rows missing; nothing missing has a weight or a source."""
        self.labels[dropped] = self._missing
        gone = np.isnan(self.labels) if self.labels.dtype.kind == "f" else self.labels < 0
        self.weights[gone] = 0.0
        self.source[gone] = NONE

    def _reweight(self, edits: Edits, cell: NDArray[np.int64], is_weight: NDArray[np.bool_]) -> None:
        last = _last(cell)
        last = last[is_weight[last]]  # a later relabel brings a weight of its own
        self._flat(self.weights)[cell[last]] = edits.weight[last]

    def _cells(self, edits: Edits, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Index into the edits and flat index into the arrays, one pair for every entry an edit touches."""
        if self.task.kind != "multilabel":
            return np.arange(len(row)), row
        classes = {c: i for i, c in enumerate(self.task.classes)}
        width = len(classes)
        code = _look_up(edits.position, {**classes, "": -1}, f"task {self.task.name}: unknown position")
        whole = code < 0
        if bad := set(edits.action[whole].tolist()) - {"drop", "weight"}:
            raise InternalError(
                f"task {self.task.name}: {bad.pop()} of a multilabel task needs a class as position"
            )
        entry = np.repeat(np.arange(len(row)), np.where(whole, width, 1))
        start = np.cumsum(np.where(whole, width, 1)) - np.where(whole, width, 1)
        nth = np.arange(len(entry)) - start[entry]
        return entry, row[entry] * width + np.where(whole[entry], nth, code[entry])

    def _encode(self, new: NDArray[np.object_]) -> NDArray[Any]:
        name = self.task.name
        if self.task.kind == "regression":
            try:
                values = new.astype(np.float64)
            except ValueError as error:
                raise InternalError(f"task {name}: a new label is no number: {error}") from None
            if not np.isfinite(values).all():
                raise InternalError(f"task {name}: a new label is not finite")
            return values
        classes = ("0", "1") if self.task.kind == "multilabel" else self.task.classes
        return _look_up(new, {c: i for i, c in enumerate(classes)}, f"task {name}: unknown label")

    @staticmethod
    def _flat(array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(-1)  # the arrays are fresh copies in C order, so this is a view


def _check(edits: Edits, views: Mapping[str, _View]) -> None:
    for name in set(edits.task.tolist()) - {"", *views}:
        raise InternalError(f"edits: unknown task {name!r}; known: {', '.join(views)}")
    for action in set(edits.action.tolist()) - set(_APPLIED):
        raise InternalError(
            f"edits: action {action!r} cannot be laid over labels; known: {', '.join(_APPLIED)}"
        )
    if bad := set(edits.action[edits.task == ""].tolist()) - {"drop"}:
        raise InternalError(f"edits: {bad.pop()} needs a task; only a drop may stand for the whole row")
    weight = edits.weight[edits.action != "drop"]
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise InternalError("edits: a weight is negative or not a number")


def _last(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of the last entry of every cell, ascending."""
    _, index = np.unique(cell[::-1], return_index=True)
    return np.sort(len(cell) - 1 - index)


def _look_up(values: NDArray[np.object_], table: Mapping[str, int], problem: str) -> NDArray[np.int64]:
    codes = [table.get(v) for v in values.tolist()]
    if None in codes:
        raise InternalError(f"{problem} {values[codes.index(None)]!r}; known: {', '.join(map(repr, table))}")
    return np.array(codes, np.int64)


def _starts(texts: NDArray[np.object_], prefix: str) -> NDArray[np.bool_]:
    return np.array([t.startswith(prefix) for t in texts.tolist()], bool)
