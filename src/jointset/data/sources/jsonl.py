"""JSON lines: one object per line (a .json file may also hold one list of objects)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from jointset.data.sources.base import check_utf8, finish, open_bytes
from jointset.errors import DataError


def read(source: Path, *, name: str) -> pa.Table:
    """Read .jsonl, .ndjson or .json; a key that a line lacks is null there.

    Raises :class:`DataError` with the line number for text that is not UTF-8, not JSON or not an object, and
    with the column for values that have no common type.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.jsonl"
    >>> _ = path.write_text('{"text": "good", "stars": 5}\\n{"text": "bad"}\\n')
    >>> read(path, name="a").to_pydict()
    {'text': ['good', 'bad'], 'stars': [5, None]}
    """
    check_utf8(source, name)
    rows, lines = _objects(source, name)
    if not rows:
        raise DataError(f"dataset {name}: {source} is empty; expected one JSON object per line")
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: _column(key, [row.get(key) for row in rows], lines, name, source) for key in keys}
    return finish(pa.table(columns), name=name, where=source.name)


def _objects(path: Path, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    with open_bytes(path) as stream:
        head = stream.read(4096).lstrip(b"\xef\xbb\xbf").lstrip()
    rows, lines = [], []
    for line, value in _values(path, name, whole=head.startswith(b"[")):
        if not isinstance(value, dict):
            raise DataError(
                f"dataset {name}: {path.name} line {line}: expected a JSON object, found "
                f"{type(value).__name__}; "
                'write one {"column": value, …} per line'
            )
        rows.append(value)
        lines.append(line)
    return rows, lines


def _values(path: Path, name: str, *, whole: bool) -> Iterator[tuple[int, Any]]:
    with open_bytes(path) as stream:
        pieces = [stream.read()] if whole else stream
        for line, piece in enumerate(pieces, 1):
            text = piece.decode("utf-8-sig").strip()
            if not text:
                continue
            try:
                value = json.loads(text)
            except json.JSONDecodeError as error:
                at = line + error.lineno - 1
                raise DataError(
                    f"dataset {name}: {path.name} line {at}, column {error.colno}: not valid JSON: "
                    f"{error.msg}; "
                    "write one object per line"
                ) from None
            if whole:  # one list of objects: its entries are counted instead of lines
                yield from enumerate(value, 1)
            else:
                yield line, value


def _column(key: str, values: list[Any], lines: list[int], name: str, path: Path) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        kinds: dict[str, int] = {}
        for line, value in zip(lines, values, strict=True):
            if value is not None:
                kinds.setdefault(type(value).__name__, line)
        found = ", ".join(f"{kind} (first in line {line})" for kind, line in kinds.items())
        raise DataError(
            f"dataset {name}: {path.name}: column {key!r} mixes values of several types: {found}; use one "
            f"type per column"
        ) from None
