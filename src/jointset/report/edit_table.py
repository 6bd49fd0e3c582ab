"""The edits of a ledger as columns of numbers: a million of them in some tens of megabytes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.data.storage import write_atomically
from jointset.errors import RunError
from jointset.ledger import Ledger
from jointset.records import ACTIONS, STATUSES, Bools, Floats, Ints
from jointset.report.rows import AllRows, numbers, write_ipc

PLAIN = ("id", "round", "status", "place")
CODED = ("dataset", "task", "position", "action", "old", "new", "reason")
NUMBERS = ("weight", "confidence", "expected_precision")
PROPOSED, ACCEPTED, REJECTED, UNDONE = range(4)


@dataclass(frozen=True, eq=False)
class EditTable:
    """``codes[name]`` ``(n,)`` are codes into ``names[name]``; ``place`` is the row among all rows of the run.

    ``id`` ascends; ``status`` holds codes of ``records.STATUSES``, current as of the reading. Arrays of numbers are
    float32.
    """

    id: Ints
    round: Ints
    status: Ints
    place: Ints
    codes: Mapping[str, Ints]
    numbers: Mapping[str, Floats]
    names: Mapping[str, list[str]]

    def __len__(self) -> int:
        return len(self.id)

    def is_(self, name: str, value: str) -> Bools:
        """Where a coded column has a value, ``(n,)``."""
        names = self.names[name]
        return np.asarray(self.codes[name] == (names.index(value) if value in names else -1))

    @property
    def in_force(self) -> Bools:
        """Accepted and not undone, ``(n,)``."""
        return np.asarray(self.status == ACCEPTED)

    def address(self) -> Ints:
        """A number per label, ``(n,)``, the same for all edits of one label."""
        tasks, positions = len(self.names["task"]), len(self.names["position"])
        return (self.place.astype(np.int64) * tasks + self.codes["task"]) * positions + self.codes["position"]

    def last(self) -> Ints:
        """Of the edits in force, the last of every label that changes it (a weight changes none)."""
        changing = np.flatnonzero(self.in_force & ~self.is_("action", "weight"))
        _, index = np.unique(self.address()[changing][::-1], return_index=True)
        return np.sort(changing[len(changing) - 1 - index])


def read_edits(ledger: Ledger, rows: AllRows, kept: Path | None = None) -> EditTable:
    """All edits of a ledger.

    What was read once is written to the file ``kept``, and mapped from there the next time: a ledger only grows, so
    that only later edits are left to read, by chunks.
    """
    old = _mapped(kept, ledger, rows) if kept else None
    table = _extended(old, ledger, rows)
    if kept and (old is None or len(table) > len(old)) and len(table):
        # A folder that cannot be written to costs time at every start, and nothing else.
        with contextlib.suppress(RunError):
            _keep(kept, table, ledger, rows)
            table = _mapped(kept, ledger, rows) or table
    status = np.array(table.status)
    for made in ledger.entries(kind="undo"):
        status[np.searchsorted(table.id, made["edit"])] = UNDONE
    return replace(table, status=status)


def _extended(old: EditTable | None, ledger: Ledger, rows: AllRows) -> EditTable:
    """The edits of ``old`` and those that were recorded since."""
    codes = {n: Coder(dict.fromkeys(old.names[n] if old else ())) for n in CODED}
    codes["action"].encode(ACTIONS)
    status_of = {name: code for code, name in enumerate(STATUSES)}
    parts: dict[str, list[NDArray[Any]]] = {}
    ids = []
    after = int(old.id[-1]) if old and len(old) else 0
    for chunk in ledger.scan(("round", "status", "row", *CODED, *NUMBERS), after=after):
        id, round, status, row, *rest = zip(*chunk, strict=True)
        ids.append(pa.array(row, pa.large_string()))
        found: dict[str, NDArray[Any]] = {
            "id": np.array(id, np.int64),
            "round": np.array(round, np.int16),
            "status": np.array([status_of[s] for s in status], np.int8),
        }
        found |= {n: codes[n].encode(v) for n, v in zip(CODED, rest, strict=False)}
        found |= {n: np.array(v, np.float32) for n, v in zip(NUMBERS, rest[len(CODED) :], strict=True)}
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    if old is not None and not parts:
        return old
    whole = {name: np.concatenate(values) for name, values in parts.items()} or _empty()
    names = {n: list(c.code) for n, c in codes.items()}
    whole["place"] = _places(
        rows, pa.chunked_array(ids, pa.large_string()), whole["dataset"], names["dataset"]
    )
    if old is not None:
        before: dict[str, Any] = {"id": old.id, "round": old.round, "status": old.status, "place": old.place}
        before |= {**old.codes, **old.numbers}
        whole = {n: np.concatenate([before[n], v]) for n, v in whole.items()}
    return _table(whole, names)


def _table(whole: Mapping[str, NDArray[Any]], names: Mapping[str, list[str]]) -> EditTable:
    return EditTable(
        whole["id"],
        whole["round"],
        whole["status"],
        whole["place"],
        {n: whole[n] for n in CODED},
        {n: whole[n] for n in NUMBERS},
        names,
    )


def _keep(path: Path, table: EditTable, ledger: Ledger, rows: AllRows) -> None:
    """Write a table to be mapped; codes in as few bytes as they need."""
    plain = {n: getattr(table, n) for n in PLAIN}
    codes = {
        n: c.astype(np.result_type(np.int8, np.min_scalar_type(int(c.max())))) for n, c in table.codes.items()
    }
    told = {"names": table.names, "stamp": _stamp(ledger, rows, int(table.id[-1]))}
    made = pa.table({**plain, **codes, **table.numbers}).replace_schema_metadata(
        {"jointset": json.dumps(told)}
    )
    write_atomically(path, lambda file: write_ipc(file, made))


def _mapped(path: Path, ledger: Ledger, rows: AllRows) -> EditTable | None:
    """The table that was kept, if it is of this ledger and these rows."""
    if not path.is_file():
        return None
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        told = json.loads((table.schema.metadata or {})[b"jointset"])
        whole = {n: numbers(table.column(n).chunk(0)) for n in (*PLAIN, *CODED, *NUMBERS)}
    except (pa.ArrowInvalid, KeyError, ValueError):
        return None  # of another version, or cut short: it is made anew
    same = told["stamp"] == _stamp(ledger, rows, int(whole["id"][-1]))
    return _table(whole, told["names"]) if same else None


def _stamp(ledger: Ledger, rows: AllRows, last: int) -> list[Any]:
    """What tells one ledger, and one layout of rows, from another: the last edit that was read, and the datasets."""
    edit = next(iter(ledger.scan(("dataset", "row", "task", "action", "confidence"), ids=[last])), [()])[0]
    return [2, list(edit), [[d.name, len(d)] for d in rows.datasets.values()]]


def _places(rows: AllRows, ids: pa.ChunkedArray, dataset: Ints, names: list[str]) -> Ints:
    """The place of every (dataset, row) among all rows of the run, ``(n,) int32``; -1 where there is none."""
    place = np.full(len(dataset), -1, np.int32)
    for code, name in enumerate(names):
        if name in rows.datasets:
            at = dataset == code
            place[at] = rows.datasets[name].places(ids.filter(pa.array(at)))
    return place


@dataclass
class Coder:
    """Codes for values, in the order they were first seen.

    >>> coder = Coder()
    >>> coder.encode(["a", "b", "a"]).tolist(), list(coder.code)
    ([0, 1, 0], ['a', 'b'])
    """

    code: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.code = {name: i for i, name in enumerate(self.code)}

    def encode(self, values: Any) -> Ints:
        """The code of every value, ``(n,) int32``."""
        for value in dict.fromkeys(values):
            self.code.setdefault(value, len(self.code))
        return np.array([self.code[v] for v in values], np.int32)


def _empty() -> dict[str, NDArray[Any]]:
    kinds: dict[str, Any] = {"id": np.int64, "round": np.int16, "status": np.int8, "place": np.int32}
    kinds |= dict.fromkeys(CODED, np.int32) | dict.fromkeys(NUMBERS, np.float32)
    return {name: np.empty(0, kind) for name, kind in kinds.items()}
