"""Reads decisions from a file of any of the formats, told apart by name and content."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from jointset.errors import DataError
from jointset.export.edits import argilla, label_studio, table
from jointset.records import Answer

KNOWN = "edits.csv, edits.jsonl, Label Studio's JSON export, or the records of Argilla as JSON"


def read(path: str | Path) -> list[Answer]:
    """What people said in a file, in its order, still unchecked.

    ``.csv`` and ``.tsv`` are tables; ``.jsonl`` has an edit a line; ``.json`` is Label Studio's export or Argilla's
    records; a folder is one that Argilla wrote to disk. Raises DataError, which names file and line, for what cannot be
    read as that.
    """
    path = Path(path)
    if path.is_dir() and (path / argilla.RECORDS).is_file():
        path = path / argilla.RECORDS
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {KNOWN}")
    try:
        if path.suffix in (".csv", ".tsv"):
            return table.read_csv(path)
        if path.suffix == ".jsonl":
            return table.read_jsonl(path)
        return _read_json(path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8, in spreadsheets «CSV UTF-8»"
        ) from None
    except csv.Error as error:
        raise DataError(f"{path}: not a table that can be read ({error})") from None


def _read_json(path: Path) -> list[Answer]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}); expected {KNOWN}") from None
    if not isinstance(content, list) or not all(isinstance(c, dict) for c in content):
        raise DataError(f"{path}: a list of objects expected; {KNOWN}")
    if all("fields" in c for c in content):
        return argilla.read(path, content)
    if all("data" in c for c in content):
        return label_studio.read(path, content)
    raise DataError(f"{path}: neither tasks of Label Studio nor records of Argilla; expected {KNOWN}")
