"""The table: a row over seeds, what the peer's columns say, and the form people read."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench import table
from bench.table import Row

Numbers = Iterable[float | None]
ABSENT = "not installed"


def markdown(rows: Iterable[Row]) -> str:
    """The table as people read it."""
    return table.markdown(rows, "ours: mean [min–max] over seeds", "peer")


def row(
    what: str,
    target: str,
    values: Numbers,
    met: Callable[[float], bool] | None = None,
    *,
    peers: Mapping[str, float | None] | str = "",
    form: str = ".1f",
    scale: float = 100,
    note: str = "",
) -> Row:
    """One line: the mean of ``values`` decides; ``peers`` are means by name, or words."""
    known = [scale * v for v in values if v is not None]
    measured, middle = "nothing to measure", None
    if known:
        middle = statistics.fmean(known)
        measured = f"{middle:{form}}"
        if len(known) > 1:
            measured += f" [{min(known):{form}} to {max(known):{form}}]"
    beside = peers if isinstance(peers, str) else told(peers, form, scale)
    return {
        "what": what,
        "target": target,
        "measured": measured + (f" ({note})" if note else ""),
        "baseline": beside,
        "met": met(middle) if met is not None and middle is not None else None,
        "value": middle,
    }


def told(peers: Mapping[str, float | None], form: str = ".1f", scale: float = 100) -> str:
    """The peer's means in words; :data:`ABSENT` where there is no peer."""
    return ", ".join(f"{n} {scale * v:{form}}" for n, v in peers.items() if v is not None) or ABSENT


def mean(values: Numbers) -> float | None:
    """The mean of the known values.

    >>> mean([1.0, None, 3.0])
    2.0
    """
    known = [v for v in values if v is not None]
    return statistics.fmean(known) if known else None


def methods(cases: Iterable[Mapping[str, Any]], key: str) -> dict[str, float]:
    """The peer's mean of ``key`` over cases, by method."""
    values: dict[str, list[float | None]] = {}
    for case in cases:
        for name, value in ((case["peer"] or {}).get(key) or {}).items():
            values.setdefault(name, []).append(value)
    found = {name: mean(v) for name, v in values.items()}
    return {name: v for name, v in found.items() if v is not None}


def peers(
    cases: Iterable[Mapping[str, Any]], key: str, default: str, *, lowest: bool = False
) -> dict[str, float]:
    """The peer's default method and the best of all, chosen by its mean over the cases with the truth in view."""
    found = methods(cases, key)
    if not found:
        return {}
    best = (min if lowest else max)(found, key=found.__getitem__)
    return {f"{default} (default)": found[default], f"{best} (best)": found[best]}


def every(raws: Iterable[Mapping[str, Any]], part: str = "") -> list[Any]:
    """The cases of all seeds whose name contains ``part``."""
    return [case for raw in raws for name, case in raw["cases"].items() if part in name]


def by_seed(raws: Iterable[Mapping[str, Any]], key: str, part: str = "", who: str = "ours") -> list[Any]:
    """Per seed the mean of ``key`` over the cases whose name contains ``part``."""
    return [mean(case[who][key] for case in every([raw], part)) for raw in raws]
