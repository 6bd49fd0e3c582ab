"""Which columns are fit to be guessed as inputs, and why the others are not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jointset.data.checks import is_path
from jointset.records import Ints
from jointset.study.assign import label_codes

NUMBERED = re.compile(r"^(index|idx|row|line|(row|line)[ _]?(no|nr|num|number|index)|unnamed: ?\d+)$", re.I)
FEWEST = 20  # rows that a rule about all rows needs
MANY = 1000  # rows of which not even two have one whole number: nothing that was measured
SPREAD = 10  # a number for every row that leaves at most nine in ten numbers out
SPARSE = 0.02  # share of the rows with a value
LEFT = 0.05  # share of the errors of always telling the most frequent value


@dataclass(frozen=True)
class Telling:
    """How well the value of one column tells another's: ``right`` of ``rows`` told by the other rows of their value,
    where always telling the most frequent one has ``chance`` right. Rows whose value no other row has do not count."""

    right: int
    rows: int
    chance: int


def telling(given: Ints, told: Ints) -> Telling:
    """How well codes ``given`` ``(n,)`` tell codes ``told`` ``(n,)``, every row by the others; -1 = missing.

    >>> telling(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 1]))
    Telling(right=5, rows=5, chance=3)
    """
    known = (given >= 0) & (told >= 0)
    width = int(told.max(initial=0)) + 1
    cells, counts = np.unique(given[known] * width + told[known], return_counts=True)
    keys, place = np.unique(cells // width, return_inverse=True)
    total, top = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    np.add.at(total, place, counts)
    np.maximum.at(top, place, counts)
    first = np.zeros(len(keys), np.int64)
    second = np.zeros(len(keys), np.int64)
    np.add.at(first, place, counts == top[place])
    np.maximum.at(second, place, np.where(counts < top[place], counts, 0))
    shared = total >= 2
    sure = (
        shared & (first == 1) & (top - 1 > second)
    )  # the row itself left out, its value is still the most frequent
    weights = np.bincount(cells % width, weights=counts * shared[place], minlength=width)
    return Telling(int(top[sure].sum()), int(total[shared].sum()), int(weights.max(initial=0)))


def unfit(
    table: pa.Table,
    columns: Sequence[str],
    *,
    by: str | None = None,
    tasks: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, str]:
    """Column → why it should not be an input unless somebody names it, of tabular ``columns``.

    Left out are running numbers and other names of rows; columns of one value or with next to none; those that tell
    the site, ``by``, or that have one value at each site; and columns that tell the label of a task (``tasks``: task →
    kind and column).

    >>> t = pa.table({"no": list(range(40)), "ward": ["a", "b"] * 20, "floor": [1, 2] * 20, "age": [3, 4, 4, 5] * 10})
    >>> unfit(t, ["no", "floor", "age"], by="ward")
    {'no': 'a running number', 'floor': 'tells the site: 40 of 40 rows'}
    """
    site = _codes(table.column(by)) if by is not None else None
    labels = {}
    for task, settings in (tasks or {}).items():
        if settings["kind"] != "multilabel":
            column = settings["column"]
            labels[task] = label_codes(table.column(column), settings["kind"], column)[0]
    found = {}
    for name in columns:
        column = table.column(name)
        reason = names_rows(name, column)
        if not reason and not pa.types.is_nested(column.type):
            codes = _codes(column)
            reason = _sparse(codes) or _tells(codes, site, labels)
        if reason:
            found[name] = reason
    return found


def names_rows(name: str, column: pa.ChunkedArray) -> str:
    """Why a column says which row it is and not what is in it; empty where it does not.

    >>> names_rows("n", pa.chunked_array([list(range(100, 130))])), names_rows("n", pa.chunked_array([[1, 2] * 20]))
    ('a running number', '')
    """
    given = column.drop_null()
    n = len(given)
    if is_path(column.type):
        return "another text in every row" if n >= FEWEST and pc.count_distinct(given).as_py() == n else ""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return ""
    values = given.to_numpy()
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(values) or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
        return ""
    if NUMBERED.match(name.strip()):
        return "a running number"
    distinct = len(np.unique(values))
    steps = np.diff(values.astype(np.float64))
    if len(values) < FEWEST or distinct < len(values) / SPREAD or distinct < FEWEST:
        return ""
    if (steps >= 0).all() or (steps <= 0).all():
        return "a running number"
    if distinct == len(values):
        if float(values.max()) - float(values.min()) < SPREAD * len(values):
            return "a running number"
        return "another whole number in every row" if distinct >= MANY else ""
    return ""


def unread(name: str, column: pa.ChunkedArray) -> str:
    """What a column of bytes that begin like no file could be, and how to say so; empty for other columns.

    >>> unread("px", pa.chunked_array([[b"0" * 784] * 2]))
    'raw bytes; if they are pixels of 28 × 28, name them with --input image=px:28x28'
    """
    kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return ""
    sizes = np.unique(pc.binary_length(column.drop_null()).to_numpy())
    if len(sizes) == 1:
        for channels, more in ((1, ""), (3, "x3")):
            side = math.isqrt(int(sizes[0]) // channels)
            if side >= 8 and side * side * channels == sizes[0]:
                shape = f"{side}x{side}{more}"
                return (
                    f"raw bytes; if they are pixels of {shape.replace('x', ' × ')}, "
                    f"name them with --input image={name}:{shape}"
                )
    elif len(sizes) and not (sizes % 2).any():
        return (
            "raw bytes; if they are samples of sounds of 16 bits, "
            f"name them with their rate, for example --input audio={name}:8000"
        )
    return "raw bytes, which nothing says how to read"


def _codes(column: pa.ChunkedArray) -> Ints:
    """Codes ``(n,)`` of a column's values, -1 = missing."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    codes = column.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), np.int64)


def _sparse(codes: Ints) -> str:
    given = codes[codes >= 0]
    if len(given) and (given == given[0]).all() and len(given) == len(codes):
        return "the same in every row"
    few = len(codes) >= FEWEST and len(given) < SPARSE * len(codes)
    return f"has a value in {len(given):,} of {len(codes):,} rows" if few else ""


def _tells(codes: Ints, site: Ints | None, labels: Mapping[str, Ints]) -> str:
    if site is not None:
        for found, what in (
            (telling(codes, site), "tells the site"),
            (telling(site, codes), "one value at each site"),
        ):
            if _sure(found, len(codes)):
                return f"{what}: {found.right:,} of {found.rows:,} rows"
    for task, label in labels.items():
        found = telling(codes, label)
        if _sure(found, int((label >= 0).sum())):
            which = "the label" if len(labels) == 1 else f"the label of {task}"
            return f"tells {which}: {found.right:,} of {found.rows:,} rows"
    return ""


def _sure(found: Telling, n: int) -> bool:
    """Whether nearly all is told, of most rows, and not because nearly all is the same."""
    wrong, by_chance = found.rows - found.right, found.rows - found.chance
    return found.rows >= max(n / 2, FEWEST) and by_chance >= 5 and wrong <= LEFT * by_chance
