"""CSV and TSV files with a header line, plain or compressed."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from jointset.data.sources.base import READ_ERRORS, broken, check_utf8, finish, open_bytes
from jointset.errors import DataError

_BLOCK = 1 << 24


def read(source: Path, *, name: str) -> pa.Table:
    """Read a CSV (.csv) or TSV (.tsv, .tab) file; an empty field is null.

    Raises :class:`DataError` for a file that is empty, not UTF-8, ragged (line number, fields expected and
    found), or whose header repeats a name.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("id,body \\n1,good\\n2,\\n")
    >>> read(path, name="a").to_pydict()
    {'id': [1, 2], 'body ': ['good', None]}
    """
    delimiter = _delimiter(source, name)
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        with open_bytes(source) as stream:
            options = pacsv.ReadOptions(block_size=_BLOCK)
            table = pacsv.read_csv(stream, read_options=options, parse_options=parse)
        suspect = not table.column_names or any(pa.types.is_binary(kind) for kind in table.schema.types)
    except UnicodeDecodeError:  # a column name, once it is looked at
        suspect = True
    except READ_ERRORS as error:
        with contextlib.suppress(csv.Error):  # what Python's reader refuses is told in Arrow's words
            _explain(source, name, delimiter)
        raise broken(source, name, "CSV", error) from None
    if suspect:
        check_utf8(source, name)  # Arrow turns text that is not UTF-8 into bytes without a word
    return finish(_empty_to_null(table), name=name, where=source.name)


def _delimiter(path: Path, name: str) -> str:
    try:
        with open_bytes(path) as stream:
            header = stream.readline(1 << 20)
    except READ_ERRORS as error:
        raise broken(path, name, "CSV", error) from None
    if not header.strip():
        with open_bytes(path) as stream:
            if not stream.read(1 << 20).strip():
                raise DataError(f"dataset {name}: {path} is empty; expected a header line and rows")
    suffixes = [s.lower() for s in path.suffixes]
    expected = b"\t" if ".tsv" in suffixes or ".tab" in suffixes else b","
    if expected not in header:
        expected = next((d for d in (b";", b"\t") if d in header), expected)
    return expected.decode()


def _empty_to_null(table: pa.Table) -> pa.Table:
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _explain(path: Path, name: str, delimiter: str) -> None:
    """Raise the error of the first line that is not UTF-8 or ragged; return when there is none."""
    check_utf8(path, name)
    csv.field_size_limit(1 << 30)
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        expected, line = None, 1
        for row in rows:
            if expected is None and row:
                expected = len(row)
            elif row and len(row) != expected:
                raise DataError(
                    f"dataset {name}: {path.name} line {line}: expected {expected} fields, found {len(row)}; "
                    "quote fields that hold the delimiter, or fill the row"
                )
            line = rows.line_num + 1
