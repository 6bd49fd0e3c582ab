"""Open edits as a table with a column for the decision: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jointset.errors import DataError, nearest
from jointset.records import Answer, Question

FILLED = ("decision", "reviewer", "note")
ADDRESS = ("id", "dataset", "row", "task", "position")
COLUMNS = (
    *FILLED, *ADDRESS, "action", "given", "suggested", "choices", "confidence", "expected_precision", "inputs",
    "evidence", "round", "seen",
)  # fmt: skip
NEEDED = ("decision", *ADDRESS)
MOST_CHOICES = 50
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_csv(questions: Iterable[Question], folder: Path) -> list[str]:
    """``edits.csv``: UTF-8 with a mark, which spreadsheets ask for; text that they would run as a formula is quoted."""
    path = folder / "edits.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        for q in questions:
            out.writerow({k: _cell(v) for k, v in _row(q).items()})
    return [path.name]


def write_jsonl(questions: Iterable[Question], folder: Path) -> list[str]:
    """``edits.jsonl``: one object per line."""
    path = folder / "edits.jsonl"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for q in questions:
            file.write(json.dumps(_row(q), ensure_ascii=False) + "\n")
    return [path.name]


def read_csv(path: Path) -> list[Answer]:
    """The decisions in a CSV of :func:`write_csv`, of whatever separator a spreadsheet left.

    Lines are those of the file; where a cell of several lines stands before, the row of the spreadsheet is named too.
    Raises DataError, which names file and line, for columns that are missing and rows of another length.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        separator = max(",;\t", key=head.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator)
        names = [n.strip() for n in next(reader, [])]
        _check_names(names, f"{path}, line 1")
        found = []
        line = reader.line_num + 1
        for number, row in enumerate(reader, 2):
            where = f"{path}, line {line}" + (f" (row {number})" if number != line else "")
            line = reader.line_num + 1
            if not any(row):
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{where}: {len(row)} fields found, {len(names)} expected; write text with separators in quotes"
                )
            found.append(_answer({n: _plain(v) for n, v in zip(names, row, strict=True)}, where))
        return found


def read_jsonl(path: Path) -> list[Answer]:
    """The decisions in a file of :func:`write_jsonl`."""
    found = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                where = f"{path}, line {number}"
                row = _object(line, where)
                _check_names(list(row), where)
                found.append(_answer(row, where))
    return found


def _row(q: Question) -> dict[str, Any]:
    return {
        **dict.fromkeys(FILLED, ""),
        "id": q.key,
        "dataset": q.dataset,
        "row": q.row,
        "task": q.task.name,
        "position": q.position,
        "action": q.action,
        "given": q.given,
        "suggested": q.suggested,
        "choices": list(_choices(q)),
        "confidence": _number(q.confidence),
        "expected_precision": _number(q.expected_precision),
        "inputs": {i.column: i.value for i in q.inputs},
        "evidence": dict(q.evidence),
        "round": q.round,
        "seen": q.seen,
    }


def _choices(q: Question) -> Iterator[str]:
    names = () if q.action == "add" else ("0", "1") if q.position else q.task.classes
    yield from names[:MOST_CHOICES]


def _number(value: float) -> float | None:
    return None if value != value else round(value, 6)


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        value = _text(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _text(value: dict[str, str] | list[str]) -> str:
    """For people: one value stands alone, several each after their name."""
    if isinstance(value, list):
        return " | ".join(value)
    if len(value) == 1:
        return next(iter(value.values()))
    return "\n".join(f"{k}: {v}" for k, v in value.items())


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: an object expected, found a {type(row).__name__}")
    return row


def _check_names(names: list[str], where: str) -> None:
    for name in NEEDED:
        if name not in names:
            raise DataError(
                f"{where}: no column {name!r}{nearest(name, names)}; found {', '.join(names[:20]) or 'none'}"
            )


def _answer(row: Mapping[str, Any], where: str) -> Answer:
    text = {n: "" if row.get(n) is None else str(row[n]) for n in (*ADDRESS, *FILLED)}
    said = text["decision"].strip()
    return Answer(
        where=where,
        key=_whole(row["id"], "id", where),
        **{n: text[n] for n in ADDRESS[1:]},
        suggested=None if row.get("suggested") is None else str(row["suggested"]),
        said=said or "skip",
        reviewer=text["reviewer"].strip(),
        note=text["note"].strip(),
        seen=None if row.get("seen") in (None, "") else _whole(row["seen"], "seen", where),
    )


def _whole(value: Any, name: str, where: str) -> int:
    try:
        number = float(value)  # a spreadsheet may have made 12.0 of 12
        if number != int(number):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise DataError(
            f"{where}: {name} {value!r} is no whole number; leave that column as it was"
        ) from None
    return int(number)
