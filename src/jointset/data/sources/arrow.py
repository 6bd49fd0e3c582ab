"""Arrow and Feather files (the IPC file and stream formats), and tables in memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather

from jointset.data.sources.base import READ_ERRORS, broken, finish
from jointset.data.sources.features import decode


def read(source: Path, *, name: str) -> pa.Table:
    """Read an Arrow IPC file or stream, or a Feather file.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.feather"
    >>> feather.write_feather(pa.table({"a": [1]}), path)
    >>> read(path, name="a").to_pydict()
    {'a': [1]}
    """
    return finish(decode(read_ipc(source, name)), name=name, where=source.name)


def read_table(source: pa.Table, *, name: str) -> pa.Table:
    """Take an Arrow table as it is.

    >>> read_table(pa.table({"a": [1]}), name="a").num_rows
    1
    """
    return finish(decode(source), name=name, where="the Arrow table")


def read_ipc(path: Path, name: str) -> pa.Table:
    """The table of an IPC file or stream, whichever it is."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(b"FEA1"):
            return feather.read_table(path)
        with pa.memory_map(str(path)) as stream:
            opened = pa.ipc.open_file(stream) if head == b"ARROW1" else pa.ipc.open_stream(stream)
            return opened.read_all()
    except READ_ERRORS as error:
        raise broken(path, name, "Arrow IPC", error) from None
