"""One dataset: a memory-mapped table with stable row ids and checked inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.data import hashing, sources
from jointset.data.checks import check_inputs, text_column
from jointset.data.storage import single_chunk, store
from jointset.errors import DataError, nearest


@dataclass(frozen=True, eq=False)
class Dataset:
    """One table of rows with stable ids and inputs of one or more modalities.

    ``table`` holds all original columns in the original order, in a single memory-mapped chunk; ``row_ids``
    is ``(n,) str``, unique; ``inputs`` is modality → columns; ``fingerprint`` is the sha256 (hex) of the
    content; relative paths of images and sounds are resolved against ``root``; ``notes`` says what was left out of the
    inputs, and why; ``site`` and ``time`` are columns that only the checks of shift read."""

    name: str
    table: pa.Table
    row_ids: NDArray[np.object_]
    inputs: Mapping[str, tuple[str, ...]]
    group: str | None
    split: str | None
    trusted: str | None
    fingerprint: str
    root: Path | None
    notes: tuple[str, ...] = ()
    site: str | None = None
    time: str | None = None

    def __len__(self) -> int:
        return self.table.num_rows

    def input_table(self, modality: str) -> pa.Table:
        """The input columns of a modality, in order; text columns that hold numbers are cast to text.

        Raises :class:`KeyError` when the dataset has no such modality.
        """
        table = self.table.select(list(self.inputs[modality]))
        if modality != "text":
            return table
        return pa.table([text_column(c) for c in table.columns], names=table.column_names)


def load_dataset(
    name: str,
    source: Any,
    *,
    inputs: Mapping[str, str | Sequence[str]],
    id: str | None = None,
    group: str | None = None,
    split: str | None = None,
    trusted: str | None = None,
    site: str | None = None,
    time: str | None = None,
    cache: Path,
    label_columns: Sequence[str] = (),
    root: Path | None = None,
) -> Dataset:
    """Read a source, check it, and keep it as a Parquet base and an Arrow cache under ``cache``.

    ``inputs`` maps a modality (tabular, text, image, audio) to its column or columns; ``"*"`` for tabular means
    every column without another role. Without ``id``, a row's id is the hash of all its values. Relative paths
    of images and sounds start from ``root``, by default the source's own folder. The source is never
    written to. Raises :class:`~jointset.errors.DataError` for anything wrong with the data and
    :class:`~jointset.errors.RunError` when the cache cannot be written.

    >>> import tempfile
    >>> rows = {"body": ["good", "bad", "bad"], "stars": [5, 1, 1]}
    >>> d = load_dataset("reviews", rows, inputs={"text": "body"}, cache=Path(tempfile.mkdtemp()))
    >>> len(d), d.table.column_names, d.row_ids[2] == f"{d.row_ids[1]}-1"
    (3, ['body', 'stars'], True)
    """
    table = single_chunk(sources.read(source, name=name))
    roles = {"id": id, "group": group, "split": split, "trusted": trusted, "site": site, "time": time}
    taken = [c for c in roles.values() if c is not None]
    for role, column in [*roles.items(), *(("label", c) for c in label_columns)]:
        if column is not None:
            _check_column(table, column, role, name)
    columns, starred = _input_columns(table, inputs, taken, label_columns, name)
    root = root or folder_of(source)
    columns, notes = check_inputs(table, columns, starred, name=name, root=root)
    row_hashes = hashing.hash_rows(table)
    row_ids = hashing.hex_ids(row_hashes) if id is None else _given_ids(table.column(id), id, name)
    fingerprint = _fingerprint(table, row_hashes)
    table = store(table, fingerprint, Path(cache))
    return Dataset(name, table, row_ids, columns, group, split, trusted, fingerprint, root, notes, site, time)


def _check_column(table: pa.Table, column: str, role: str, name: str) -> None:
    if column in table.column_names:
        return
    shown = ", ".join(repr(c) for c in table.column_names[:30])
    more = f" and {table.num_columns - 30} more" if table.num_columns > 30 else ""
    hint = nearest(column, table.column_names)
    raise DataError(f"dataset {name}: no {role} column {column!r}{hint}; columns: {shown}{more}")


def _input_columns(
    table: pa.Table,
    inputs: Mapping[str, str | Sequence[str]],
    roles: Sequence[str],
    labels: Sequence[str],
    name: str,
) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Modality → columns with ``"*"`` written out, and whether there was one."""
    listed = {m: (c,) if isinstance(c, str) else tuple(c) for m, c in inputs.items()}
    if not listed or not all(listed.values()):
        raise DataError(
            f"dataset {name}: no input columns; name at least one, for example inputs: {{text: COLUMN}}"
        )
    starred = listed.get("tabular") == ("*",) and "*" not in table.column_names
    others = [c for m, columns in listed.items() if not (starred and m == "tabular") for c in columns]
    used = {*others, *roles, *labels}
    if starred:
        rest = [c for c in table.column_names if c not in used and not c.startswith("__index_level_")]
        if not rest:
            raise DataError(
                f"dataset {name}: inputs tabular '*' leaves no column; every column has another role"
            )
        listed["tabular"] = tuple(rest)
    for modality, columns in listed.items():
        for column in columns:
            _check_column(table, column, f"{modality} input", name)
            if column in labels:
                raise DataError(
                    f"dataset {name}: column {column!r} is both a label and a {modality} input; "
                    "take it out of one of them"
                )
    return listed, starred


def _given_ids(column: pa.ChunkedArray, id: str, name: str) -> NDArray[np.object_]:
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise DataError(
            f"dataset {name}: id column {id!r} has {column.null_count:,} empty values (first in row {row}); "
            f"give every "
            "row an id, or leave id out"
        )
    try:
        ids = column.cast(pa.large_string())
    except pa.ArrowException:
        raise DataError(
            f"dataset {name}: id column {id!r} is {column.type}; ids are numbers or text"
        ) from None
    n_distinct = pc.count_distinct(ids).as_py()
    values = np.asarray(ids.to_numpy(), dtype=object)
    if n_distinct < len(values):
        codes = np.asarray(ids.combine_chunks().dictionary_encode().indices)
        again = hashing.occurrence(codes) > 0
        row = int(np.flatnonzero(again)[0])
        raise DataError(
            f"dataset {name}: id column {id!r} repeats values in {int(again.sum()):,} rows (first "
            f"{values[row]!r} in row "
            f"{row}); ids must be unique, or leave id out"
        )
    return values


def _fingerprint(table: pa.Table, row_hashes: hashing.Hashes) -> str:
    digest = hashlib.sha256()
    for field, column in zip(table.schema, table.columns, strict=True):
        # NaN and null hash alike, so their counts stand here: the cache hands back what was read
        shape = (field.metadata or {}).get(b"jointset.shape", b"").decode()
        digest.update(repr((field.name, str(field.type), shape, column.null_count)).encode())
    digest.update(row_hashes.astype("<u8").tobytes())
    return digest.hexdigest()


def folder_of(source: Any) -> Path | None:
    """The folder a path stands in, or is; None for an object."""
    if not isinstance(source, (str, Path)):
        return None
    path = Path(source).expanduser().resolve()
    return path if path.is_dir() else path.parent
