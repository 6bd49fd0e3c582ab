"""The prepared rows of a run as files that are mapped, not read: who is who, in which split, labelled how.

Preparing a million rows takes minutes; a report or a review page that opens these files takes none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.data.storage import write_atomically
from jointset.errors import InternalError, RunError
from jointset.records import Bools, Ints, Task
from jointset.rundir import RunDirectory, read_json, write_json

if TYPE_CHECKING:
    from jointset.prepare import Work

FORMAT = 1
NUMPY = {"float": "float32", "double": "float64", "halffloat": "float16"}  # where the names differ


@dataclass(frozen=True, eq=False)
class Rows:
    """One dataset of a run: ``table`` has the original columns, ``ids`` the row ids, both memory-mapped.

    ``start`` is the place of its first row among all rows of the run; ``split`` ``(n,)`` holds codes of
    ``records.SPLITS``; ``given[task]`` are the labels as they came, in the forms of :mod:`jointset.records`; ``inputs``
    is modality → columns; relative paths of media start at ``root``.
    """

    name: str
    start: int
    table: pa.Table
    ids: pa.ChunkedArray
    split: Ints
    trusted: Bools
    given: Mapping[str, NDArray[Any]]
    inputs: Mapping[str, tuple[str, ...]]
    root: Path | None
    labels: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.split)

    def find(self, row: str) -> int:
        """The number of a row within the dataset; -1 when there is none of this id."""
        return int(pc.index(self.ids, pa.scalar(row, pa.large_string())).as_py())

    def places(self, rows: pa.ChunkedArray) -> Ints:
        """The numbers of rows among all rows of the run, ``(m,)``; -1 where an id is unknown."""
        found = pc.index_in(rows, value_set=self.ids)
        found = np.asarray(pc.fill_null(found, -1)).astype(np.int64)
        return np.where(found < 0, -1, found + self.start)


@dataclass(frozen=True, eq=False)
class AllRows:
    """The datasets of a run, one after another, and its tasks."""

    datasets: Mapping[str, Rows]
    tasks: Mapping[str, Task]

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets.values())

    def positions(self, dataset: NDArray[np.object_], row: NDArray[np.object_]) -> NDArray[np.int64]:
        """Places of addresses (dataset name, row id), ``(m,)``; InternalError for one that the run does not have."""
        found = np.full(len(row), -1, np.int64)
        for name, data in self.datasets.items():
            here = dataset == name
            found[here] = data.places(pa.chunked_array([pa.array(row[here], pa.large_string())]))
        for i in np.flatnonzero(found < 0)[:1]:
            raise InternalError(
                f"rows: dataset {dataset[i]!r} has no row {row[i]!r}; was the run's data replaced?"
            )
        return found

    def column(self, name: str) -> NDArray[Any]:
        """``split`` or ``trusted`` of all rows, ``(N,)``."""
        return np.concatenate([getattr(d, name) for d in self.datasets.values()])

    def given(self, task: str) -> NDArray[Any]:
        """The labels of a task as they came, of all rows."""
        return np.concatenate([d.given[task] for d in self.datasets.values()])

    def dataset_at(self, place: int) -> tuple[Rows, int]:
        """The dataset of a place among all rows, and the row's number in it."""
        for rows in self.datasets.values():
            if place < rows.start + len(rows):
                return rows, place - rows.start
        raise IndexError(place)


def write_rows(directory: RunDirectory, work: Work) -> None:
    """Write the rows of a run for readers; an earlier form is replaced."""
    folder = directory.data / "rows"
    pool, known = work.pool, []
    for number, dataset in enumerate(pool.datasets):
        at = pool.rows_of(dataset.name)
        columns: dict[str, Any] = {
            "row": pa.array(dataset.row_ids, pa.large_string()),
            "split": pa.array(pool.split[at]),
            "trusted": pa.array(pool.trusted[at].astype(np.int8)),
        }
        for i, task in enumerate(work.tasks):
            columns[f"given.{i}"] = _labels(work.given[task.name][at])
        table = pa.table(columns).combine_chunks()
        write_atomically(folder / f"{number}.arrow", lambda path, table=table: write_ipc(path, table))  # type: ignore[misc]
        known.append(
            {
                "name": dataset.name,
                "fingerprint": dataset.fingerprint,
                "inputs": {m: list(c) for m, c in dataset.inputs.items()},
                "root": str(dataset.root) if dataset.root else None,
                "labels": {n: _columns(t.labels.get(dataset.name)) for n, t in work.config.tasks.items()},
            }
        )
    tasks = [asdict(t) for t in work.tasks]
    write_json(folder / "rows.json", {"format": FORMAT, "datasets": known, "tasks": tasks})


def open_rows(directory: RunDirectory) -> AllRows:
    """Map what :func:`write_rows` wrote.

    Raises :class:`~jointset.errors.RunError` when it is absent, or when the run's copy of the data is.
    """
    folder = directory.data / "rows"
    if not (folder / "rows.json").is_file():
        raise RunError(f"{directory.path}: its rows were not laid out for reading; write the report first")
    facts = read_json(folder / "rows.json")
    tasks = [_task(t) for t in facts["tasks"]]
    datasets: dict[str, Rows] = {}
    start = 0
    for number, known in enumerate(facts["datasets"]):
        table = _map(directory.data / "arrow" / f"{known['fingerprint']}.arrow", directory)
        rows = _map(folder / f"{number}.arrow", directory)
        datasets[known["name"]] = Rows(
            name=known["name"],
            start=start,
            table=table,
            ids=rows.column("row"),
            split=_numbers(rows.column("split")),
            trusted=_numbers(rows.column("trusted")).astype(bool),
            given={t.name: _numbers(rows.column(f"given.{i}")) for i, t in enumerate(tasks)},
            inputs={m: tuple(c) for m, c in known["inputs"].items()},
            root=Path(known["root"]) if known["root"] else None,
            labels={n: tuple(c) for n, c in known["labels"].items()},
        )
        start += rows.num_rows
    return AllRows(datasets, {t.name: t for t in tasks})


def _columns(value: str | list[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _labels(labels: NDArray[Any]) -> pa.Array:
    if labels.ndim == 1:
        return pa.array(labels.astype(np.int32) if labels.dtype.kind == "i" else labels)
    flat = pa.array(np.ascontiguousarray(labels).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, labels.shape[1])


def numbers(array: pa.Array) -> NDArray[Any]:
    """Numbers or booleans as they lie in memory, ``(n,)``; what stands at a null means nothing.

    Arrow's own conversion imports pandas, which costs a reader 26 MB and a fifth of a second.
    """
    start, end = array.offset, array.offset + len(array)
    if pa.types.is_boolean(array.type):
        return _bits(array.buffers()[1], start, end)
    kind = NUMPY.get(str(array.type), str(array.type))
    return np.frombuffer(array.buffers()[1], kind, end)[start:] if len(array) else np.empty(0, kind)


def _bits(buffer: pa.Buffer, start: int, end: int) -> Bools:
    if end == start:
        return np.empty(0, bool)
    bits = np.frombuffer(buffer, np.uint8, -(-end // 8))
    return np.unpackbits(bits, bitorder="little")[start:end].astype(bool)


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    if not column.num_chunks:
        return np.empty(0)
    array = column.chunk(0)
    if pa.types.is_fixed_size_list(array.type):
        return numbers(array.flatten()).reshape(-1, array.type.list_size)
    return numbers(array)


def where(found: pa.ChunkedArray | pa.Array) -> Bools:
    """A comparison as a mask, ``(n,)``; False where it could not be made."""
    masks = [np.empty(0, bool)]
    for chunk in found.chunks if isinstance(found, pa.ChunkedArray) else [found]:
        masks.append(numbers(chunk))
        if chunk.null_count:
            masks[-1] &= _bits(chunk.buffers()[0], chunk.offset, chunk.offset + len(chunk))
    return np.concatenate(masks)


def _task(facts: dict[str, Any]) -> Task:
    lists = {k: tuple(facts[k]) for k in ("classes", "scale", "notes")}
    return Task(**{**{k: v for k, v in facts.items() if k in Task.__dataclass_fields__}, **lists})


def write_ipc(path: Path, table: pa.Table) -> None:
    """Write a table as an Arrow file that can be mapped."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _map(path: Path, directory: RunDirectory) -> pa.Table:
    if not path.is_file():
        raise RunError(f"{directory.path}: {path.name} of the run's data is gone; repeat jointset run")
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
