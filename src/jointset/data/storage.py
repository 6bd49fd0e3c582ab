"""The base (Parquet) and the cache (Arrow IPC, one chunk, memory-mapped), named by content."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jointset.errors import RunError

_OFFSETS_END = 2**31 - 1


def single_chunk(table: pa.Table) -> pa.Table:
    """The table with one chunk per column; text and bytes above 2 GiB get 64-bit offsets.

    >>> single_chunk(pa.table({"a": pa.chunked_array([[1], [2]])})).column("a").num_chunks
    1
    """
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    for i, field in enumerate(table.schema):
        if field.type in large and table.column(i).nbytes > _OFFSETS_END:
            wide = field.with_type(large[field.type])
            table = table.set_column(i, wide, table.column(i).cast(wide.type))
    return table.combine_chunks()


def store(table: pa.Table, fingerprint: str, cache: Path) -> pa.Table:
    """Write base and cache unless they are there, and memory-map the cache.

    Raises :class:`~jointset.errors.RunError` when the folder is full or cannot be written; nothing
    half-written stays.

    >>> import tempfile
    >>> store(pa.table({"a": [1, 2]}), "f00d", Path(tempfile.mkdtemp())).column("a").to_pylist()
    [1, 2]
    """
    base, mapped = cache / "base" / f"{fingerprint}.parquet", cache / "arrow" / f"{fingerprint}.arrow"
    if not base.exists():
        write_atomically(base, lambda path: pq.write_table(table, path, compression="zstd"))
    if mapped.exists():
        # damaged from outside: what was read is at hand, so it is written again
        with contextlib.suppress(pa.ArrowException, OSError):
            return _map(mapped)
    write_atomically(mapped, lambda path: _write_ipc(table, path))
    return _map(mapped)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place.

    Raises :class:`~jointset.errors.RunError` for a full or unwritable disk.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new" / "a.txt"
    >>> write_atomically(path, lambda p: p.touch())
    >>> [p.name for p in path.parent.iterdir()]
    ['a.txt']
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno == errno.ENOSPC or "No space left" in str(error):
            raise RunError(
                f"{path.parent}: the disk is full; nothing was changed; free some space and repeat"
            ) from None
        reason = error.strerror or str(error).splitlines()[0]
        raise RunError(f"{path.parent}: cannot write ({reason}); choose another folder") from None
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


def _write_ipc(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _map(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
