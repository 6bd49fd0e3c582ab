"""File formats of an export: a writer takes a table, a folder and a stem, and returns the path it wrote."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000


def write_parquet(table: pa.Table, folder: Path, stem: str) -> str:
    """Parquet, compressed with zstd."""
    import pyarrow.parquet as pq

    path = _place(folder, f"{stem}.parquet")
    pq.write_table(table, path, compression="zstd")
    return f"{stem}.parquet"


def write_csv(table: pa.Table, folder: Path, stem: str) -> str:
    """CSV in UTF-8; null is an empty field, lists and structures are JSON, bytes are base64."""
    import pyarrow as pa
    import pyarrow.csv

    flat = [
        pa.array([None if v is None else _text(v) for v in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type) or _is_bytes(column.type)
        else column
        for column in table.columns
    ]
    pyarrow.csv.write_csv(pa.table(flat, names=table.column_names), _place(folder, f"{stem}.csv"))
    return f"{stem}.csv"


def write_jsonl(table: pa.Table, folder: Path, stem: str) -> str:
    """One JSON object per line; bytes are base64, times ISO 8601, undefined numbers null."""
    with _place(folder, f"{stem}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for batch in table.to_batches(max_chunksize=BATCH):
            for row in batch.to_pylist():
                file.write(json.dumps(_jsonable(row), ensure_ascii=False) + "\n")
    return f"{stem}.jsonl"


def write_arrow(table: pa.Table, folder: Path, stem: str) -> str:
    """A folder that ``datasets.load_from_disk`` reads: one Arrow stream, its state and its description."""
    import pyarrow as pa

    name = "data-00000-of-00001.arrow"
    path = _place(folder / stem, name)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=BATCH)
    state: dict[str, Any] = {
        "_data_files": [{"filename": name}],
        "_fingerprint": file_sha256(path)[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": "train",
    }
    (folder / stem / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    (folder / stem / "dataset_info.json").write_text("{}\n", encoding="utf-8")
    return f"{stem}/{name}"


WRITERS: dict[str, Callable[[pa.Table, Path, str], str]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "jsonl": write_jsonl,
    "arrow": write_arrow,
}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _text(value: Any) -> str:
    plain = _jsonable(value)
    return plain if isinstance(value, bytes) else json.dumps(plain, ensure_ascii=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
