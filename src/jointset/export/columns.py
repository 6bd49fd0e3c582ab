"""The export table of one dataset: the original columns, then what is known about every task's labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError, DataError
from jointset.records import Bools, Floats, Ints, Strings, Task, is_labelled

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]

SOURCES = ("", "given", "relabelled", "filled", "reviewed", "augmented")  # in the order of their codes
PARTS = ("", "__given", "__source", "__quality", "__suggested", "__confidence", "__weight")
ROW, KEEP = "jointset_row", "jointset_keep"


@dataclass(frozen=True)
class TaskColumns:
    """One task's labels over all rows of a dataset; label arrays in the forms of :mod:`jointset.records`.

    ``source`` holds codes into ``SOURCES`` (0 none, 1 given, 2 relabelled, 3 filled, 4 reviewed, 5
    augmented); ``quality`` in [0, 1] is that of the given label, ``confidence`` in [0, 1] that of
    ``suggested``; ``weight`` is that of the final label. These four are ``(n,)``, or ``(n, K)`` for
    multilabel, where the furthest source, the worst quality, the least confidence and the mean weight of a
    row's entries are shown.
    """

    task: Task
    final: Array
    given: Array
    source: Ints
    quality: Floats
    suggested: Array
    confidence: Floats
    weight: Floats


def clashes(originals: Iterable[str], tasks: Iterable[str]) -> list[str]:
    """Original columns that have the name of a column the export adds; ``tasks`` are the tasks' names.

    >>> clashes(["body", "stars"], ["stars"])
    ['stars']
    """
    added = {name + part for name in tasks for part in PARTS} | {ROW, KEEP}
    return [name for name in originals if name in added]


def has_task(table: pa.Table, task: str) -> bool:
    """Whether an export table carries a task (an original column alone may happen to bear its name)."""
    return set(table.column_names) >= {task + part for part in PARTS}


def columns(
    table: pa.Table, tasks: Sequence[TaskColumns], *, rows: Sequence[str] | Strings, keep: Bools
) -> pa.Table:
    """The dataset's original ``table`` with the columns of every task, ``jointset_row`` and
    ``jointset_keep``.

    ``rows`` are the n stable ids; ``keep`` ``(n,)`` is False for dropped rows. Labels are written by name: a
    string, a list of strings for multilabel (null when no entry is known), a float64 for regression. Raises
    DataError when an original column already has the name of one that would be added, ArrayError when lengths
    differ.

    >>> import pyarrow as pa
    >>> codes, ones = np.array([0, -1]), np.ones(2)
    >>> task, new = Task("mood", "binary", ("bad", "good")), np.array([1, -1])
    >>> mood = TaskColumns(task, new, codes, np.array([2, 0]), ones * 0.1, new, ones, ones)
    >>> out = columns(pa.table({"text": ["x", "y"]}), [mood], rows=["a", "b"], keep=np.array([True, True]))
    >>> out.column("mood").to_pylist(), out.column("mood__source").to_pylist()
    (['good', None], ['relabelled', None])
    """
    import pyarrow as pa

    n = table.num_rows
    taken = clashes(table.column_names, [t.task.name for t in tasks])
    if taken:
        raise DataError(
            f"column {taken[0]!r} of the data has the name of a column that the export adds; "
            f"rename the task (or the column) so that both can stand side by side"
        )
    if len(rows) != n or len(keep) != n:
        raise ArrayError(f"{n} row ids and keep flags expected, found {len(rows)} and {len(keep)}")
    arrays = [_plain(column) for column in table.columns]
    names = list(table.column_names)
    for task in tasks:
        for part, array in zip(PARTS, _task_arrays(task, n), strict=True):
            names.append(task.task.name + part)
            arrays.append(array)
    arrays += [pa.array(list(rows), pa.string()), pa.array(np.asarray(keep, dtype=bool))]
    return pa.table(arrays, names=[*names, ROW, KEEP])


def label_array(task: Task, labels: Array) -> pa.Array:
    """Labels by name as an Arrow array; null where unknown.

    >>> label_array(Task("t", "multilabel", ("a", "b")), np.array([[1, 1], [0, -1], [-1, -1]])).to_pylist()
    [['a', 'b'], [], None]
    """
    import pyarrow as pa

    known = is_labelled(labels)
    if task.kind == "regression":
        return pa.array(labels, pa.float64(), mask=~known)
    names = pa.array(task.classes, pa.string())
    if task.kind != "multilabel":
        return names.take(pa.array(labels, pa.int64(), mask=~known))
    positive = labels == 1
    ends = np.concatenate([[0], np.cumsum(positive.sum(axis=1))]).astype(np.int32)
    values = names.take(pa.array(np.nonzero(positive)[1]))
    return pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(~known))


def _task_arrays(t: TaskColumns, n: int) -> list[pa.Array]:
    import pyarrow as pa

    for what in ("final", "given", "source", "quality", "suggested", "confidence", "weight"):
        if len(getattr(t, what)) != n:
            raise ArrayError(
                f"task {t.task.name}: {what} has {len(getattr(t, what))} rows, the dataset has {n}"
            )
    labelled, given, suggested = is_labelled(t.final), is_labelled(t.given), is_labelled(t.suggested)
    source = t.source.max(axis=1) if t.source.ndim == 2 else t.source
    source = np.where(labelled, source, 0)
    quality = _reduce(t.quality, t.given, np.min)
    confidence = _reduce(t.confidence, t.suggested, np.min)
    return [
        label_array(t.task, t.final),
        label_array(t.task, t.given),
        pa.array(SOURCES, pa.string()).take(pa.array(source, pa.int64(), mask=source == 0)),
        _floats(quality, given),
        label_array(t.task, t.suggested),
        _floats(confidence, suggested),
        _floats(_reduce(t.weight, t.final, np.mean), labelled),
    ]


def _reduce(values: Floats, labels: Array, how: Any) -> Floats:
    """One value per row: of the entries that carry a label and a value, NaN without any."""
    if values.ndim == 1:
        return values
    masked = np.ma.MaskedArray(values, mask=(labels < 0) | ~np.isfinite(values))
    return np.asarray(getattr(masked, how.__name__)(axis=1).filled(np.nan), dtype=np.float64)


def _floats(values: Floats, known: Bools) -> pa.Array:
    import pyarrow as pa

    return pa.array(np.asarray(values, dtype=np.float32), mask=~(known & np.isfinite(values)))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionary columns as their values: readers of Parquet and Hugging Face differ on dictionaries."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
