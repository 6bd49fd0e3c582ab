"""Missing values of tables, said and disguised: zeros, 999, question marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.features.tables import is_missing, is_number
from jointset.audit.findings import Checked, Findings, ended
from jointset.errors import ArrayError
from jointset.records import Bools, Floats

WORDS = re.compile(
    r"^\W*$|^(?:n/?a|nan|none|null|nil|missing|not (?:available|mapped|known|applicable|recorded)|no data|"
    r"unknown(?:/invalid)?|"
    r"invalid|unspecified|undefined|tbd|test|xxx+|\(null\)|#n/a|#ref!|#value!)$",
    re.IGNORECASE,
)
NUMBERS = np.array(
    [
        *(s * float("9" * d) for d in range(2, 10) for s in (1, -1)),
        -1.0,
        0.0,
        9999.99,
        999.9,
        -9.0,
        1e10,
        -1e10,
    ]
)
MUCH = 0.2  # share of missing values from which a column is reported
SPIKE = 3  # rows at least
GAP = 3.0  # robust standard deviations between a sentinel and the rest
MANY = 20  # distinct values that make a column of numbers a measurement


@dataclass(frozen=True, repr=False)
class MissingValues(Checked):
    """``missing`` is column → share that is missing as it stands, ``disguised`` column → values that stand for missing,
    ``mask`` column → ``(n,)`` where they stand."""

    missing: dict[str, float]
    disguised: dict[str, list[Any]]
    mask: dict[str, Bools]


def find_missing_values(columns: Mapping[str, ArrayLike], *, subject: str = "") -> MissingValues:
    """Find missing values in a table of columns ``(n,)``, and values that stand for them.

    In a category column, values that say so ("?", "unknown", "not available"). In a column of measurements (more than
    20 distinct numbers), a usual sentinel (0, -1, nines) or the extreme of the column that repeats although it stands
    apart: three times or more, at the column's end, with a gap to the next value of three robust standard deviations
    and ten times the gaps nearby; or a zero that repeats far beyond its neighbours in a column that is otherwise
    positive and stays clear of it. (Hua and Pei 2007 and Qahtan et al. 2018 call them disguised.) Codes:
    ``missing_values`` by column (a fifth or more is missing; score 1 − share), ``disguised_missing`` by column and
    value. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> age = np.append(rng.normal(40, 9, 500).round(1), [999.0] * 4)
    >>> find_missing_values({"age": age}).disguised
    {'age': [999.0]}
    """
    arrays = {str(n): np.asarray(c) for n, c in columns.items()}
    if len({c.shape for c in arrays.values()}) > 1 or any(c.ndim != 1 for c in arrays.values()):
        raise ArrayError("columns must be (n,) of the same length")
    gone = {n: is_missing(c) for n, c in arrays.items()}
    missing = {n: float(m.mean()) if len(m) else 0.0 for n, m in gone.items()}
    disguised, mask = {}, {}
    for name, column in arrays.items():
        found = _numbers(column[~gone[name]]) if is_number(column) else _words(column[~gone[name]])
        if found:
            disguised[name] = found
            mask[name] = (
                np.isin(column, found)
                if is_number(column)
                else np.array([v in found for v in column.tolist()], bool)
            )
    findings = _findings(missing, disguised, mask, subject)
    told = "; ".join(f"{n} {', '.join(map(repr, v))}" for n, v in list(disguised.items())[:5])
    much = sum(s >= MUCH for s in missing.values())
    outcome, reason = ended(
        findings,
        f"{much} of {len(arrays)} columns miss {MUCH:.0%} or more" + (f"; disguised: {told}" if told else ""),
        f"no column misses {MUCH:.0%}, and no value seems to stand for missing",
    )
    facts = {"missing": missing, "disguised": {n: [str(x) for x in v] for n, v in disguised.items()}}
    return MissingValues(outcome, reason, findings, facts, missing, disguised, mask)


def _words(values: NDArray[Any]) -> list[str]:
    return (
        [v for v in np.unique(values.astype(str)).tolist() if WORDS.match(v.strip())] if len(values) else []
    )


def _numbers(values: NDArray[Any]) -> list[float]:
    x = values.astype(np.float64)
    x = x[np.isfinite(x)]
    distinct, counts = np.unique(x, return_counts=True)
    if len(distinct) <= MANY:
        return []
    low, high = np.quantile(x, [0.25, 0.75])
    spread = float(high - low) / 1.349 or float(x.std())
    ends = ((distinct, 0), (-distinct[::-1], -1))
    found = [
        float(distinct[end])
        for ordered, end in ends
        if counts[end] >= SPIKE and _apart(ordered, spread, x, distinct[end], counts[end])
    ]
    if _zero(distinct, counts) and 0.0 not in found:
        found.append(0.0)
    return found


def _apart(ordered: Floats, spread: float, x: Floats, value: float, count: int) -> bool:
    """Whether the first of ``ordered`` values stands apart: a wide gap, and none like it among those that follow."""
    gaps = np.diff(ordered[: max(len(ordered) // 10, 4)])
    wide = gaps[0] >= GAP * spread and gaps[0] >= 10 * float(np.median(gaps[1:]))
    usual = bool(np.isclose(NUMBERS, value).any())
    return bool(wide and (usual or gaps[0] >= 20 * spread) and count < 0.5 * len(x))


def _zero(distinct: Floats, counts: NDArray[np.int64]) -> bool:
    """Whether zeros stand for missing: nothing is negative, and between them and the rest lies at least the half of
    what the rest's lowest hundredth is."""
    if distinct[0] != 0 or counts[0] < SPIKE:
        return False
    rest = np.repeat(distinct[1:], counts[1:])
    if counts[0] > 0.5 * (len(rest) + counts[0]):
        return False  # most rows: a count of something rare
    lowest, middle = np.quantile(rest, [0.0, 0.5])
    near = counts[1:][distinct[1:] <= np.quantile(rest, 0.05)]
    return bool(lowest >= 0.15 * middle and counts[0] >= max(SPIKE, 3 * float(np.median(near))))


def _findings(
    missing: dict[str, float], disguised: dict[str, list[Any]], mask: dict[str, Bools], subject: str
) -> Findings:
    prefix = f"{subject}: " if subject else ""
    much = [n for n, s in missing.items() if s >= MUCH]
    return Findings.concat(
        [
            Findings.of(
                "missing_values",
                subjects=[prefix + n for n in much],
                scores=[1 - missing[n] for n in much],
                evidence=[{"share": missing[n]} for n in much],
            ),
            Findings.of(
                "disguised_missing",
                subjects=[prefix + n for n in disguised],
                scores=[1 - float(mask[n].mean()) for n in disguised],
                evidence=[
                    {"values": [str(v) for v in disguised[n]], "rows": int(mask[n].sum())} for n in disguised
                ],
            ),
        ]
    )
