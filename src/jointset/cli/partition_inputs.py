"""The inputs of ``jointset partition``: those that were named, or those that the columns look like."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from jointset.cli.init import LABEL
from jointset.errors import DataError, UserError, nearest
from jointset.study.columns import unfit, unread
from jointset.study.raw import as_images, as_sounds

MODALITIES = ("tabular", "text", "image", "audio")
RAW = {"image": re.compile(r"(.+):(\d+)x(\d+)(?:x(\d+))?"), "audio": re.compile(r"(.+):(\d+)")}
SHOWN = 8  # columns by name in a note


def named_inputs(entries: Iterable[str], table: Any, file: str) -> tuple[dict[str, list[str]], Any]:
    """Modality → columns out of ``MODALITY=COLUMN,COLUMN``, and the table with raw bytes as what they were named as.

    Raw pixels are ``image=COLUMN:HEIGHTxWIDTH[xCHANNELS]``, raw samples of 16 bits ``audio=COLUMN:RATE``. Raises
    ``UserError`` and ``DataError``.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        modality, sign, columns = entry.partition("=")
        listed = [c.strip() for c in columns.split(",") if c.strip()]
        if not sign or modality not in MODALITIES or not listed:
            raise UserError(
                f"--input {entry}: expected MODALITY=COLUMN[,COLUMN] with tabular, text, image or audio, "
                "for example text=body"
            )
        for column in listed:
            name, table = _raw(modality, column, table, file)
            if name not in table.column_names:
                shown = ", ".join(map(repr, table.column_names[:20]))
                raise DataError(
                    f"{file}: no {modality} input column {name!r}{nearest(name, table.column_names)}; columns: {shown}"
                )
            found.setdefault(modality, []).append(name)
    return found, table


def _raw(modality: str, column: str, table: Any, file: str) -> tuple[str, Any]:
    """The column's name without the shape or rate that stands behind it, and the table with it as arrays or files."""
    said = RAW[modality].fullmatch(column) if modality in RAW and column not in table.column_names else None
    if said is None or said[1] not in table.column_names:
        return column, table
    numbers = [int(n) for n in said.groups()[1:] if n is not None]
    if not all(numbers):
        raise UserError(f"--input {modality}={column}: sizes and rates are 1 or more")
    if modality == "image":
        return said[1], as_images(table, said[1], numbers, file)
    return said[1], as_sounds(table, said[1], numbers[0], file)


def notes_on(
    inputs: Mapping[str, list[str]], table: Any, by: str | None, tasks: Mapping[str, Any]
) -> list[str]:
    """What speaks against tabular inputs that were named."""
    doubts = unfit(table, inputs.get("tabular", ()), by=by, tasks=tasks)
    return [f"{names}: named as input, though: {why}" for why, names in _by_reason(doubts).items()]


def guessed_inputs(
    guess: Mapping[str, Any], table: Any, used: set[Any], by: str | None, tasks: Mapping[str, Any], file: str
) -> tuple[dict[str, list[str]], list[str]]:
    """Modality → columns as they look, and notes on those that were left out and why.

    ``used`` are the columns of another role. Raises ``UserError`` where nothing is left."""
    inputs = {m: [c] if isinstance(c, str) else list(c) for m, c in guess["inputs"].items()}
    kept = {m: [c for c in columns if c not in used] for m, columns in inputs.items()}
    others = [
        c for c in guess["labels"] if c not in used and not LABEL.search(c)
    ]  # taken for want of a better one
    tabular = [*kept.get("tabular", ()), *others]
    against = unfit(table, tabular, by=by, tasks=tasks)
    kept["tabular"] = [c for c in table.column_names if c in tabular and c not in against]
    kept = {m: columns for m, columns in kept.items() if columns}
    inside = {c for columns in kept.values() for c in columns}
    out = {
        c: against.get(c) or _role(c, guess, table)
        for c in table.column_names
        if c not in inside and c not in used and not c.startswith("__index_level_")
    }
    if not kept:
        why = "; ".join(f"{names}: {reason}" for reason, names in _by_reason(out).items())
        raise UserError(
            f"{file}: no input column is recognised ({why}); name some with --input MODALITY=COLUMN"
        )
    notes = [f"left out of the inputs, {names}: {reason}" for reason, names in _by_reason(out).items()]
    if notes:
        named = " ".join(f"--input {m}={','.join(columns)}" for m, columns in kept.items())
        notes.append(f"guessed are {named}; name all inputs so to have others")
    return kept, notes


def _role(name: str, guess: Mapping[str, Any], table: Any) -> str:
    """Why the guess has no place for a column among the inputs."""
    column = table.column(name)
    if column.null_count == len(column):
        return "empty in every row"
    if name in guess["labels"]:
        return "its name is that of a label"
    if name in (guess["group"], guess["id"], guess["split"]):
        return "its name is that of a group, an id or a split"
    return unread(name, column) or f"{column.type}, of which no input is guessed"


def _by_reason(reasons: Mapping[str, str]) -> dict[str, str]:
    """Reason → the columns' names in a line."""
    found: dict[str, list[str]] = defaultdict(list)
    for column, reason in reasons.items():
        found[reason].append(repr(column))
    return {
        r: ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
        for r, names in found.items()
    }
