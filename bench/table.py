"""A row of the table over several seeds, and the table as people read it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]


def markdown(
    rows: Iterable[Row], measured: str = "measured: median [min–max]", beside: str = "linear baseline"
) -> str:
    """The table as people read it; ``measured`` and ``beside`` head the two columns of figures."""
    lines = [f"| what | target | {measured} | {beside} | met? |", "|---|---|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: "–"}[row["met"]]
        lines.append(f"| {row['what']} | {row['target']} | {row['measured']} | {row['baseline']} | {met} |")
    return "\n".join(lines)


def row(
    what: str,
    target: str,
    values: Iterable[float | None],
    met: Callable[[float], bool] | None = None,
    *,
    form: str = ".3f",
    baseline: Iterable[float | None] = (),
    note: str = "",
) -> Row:
    """A row over the seeds' values; the median decides."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    beside = [v for v in baseline if v is not None]
    measured, middle = "nothing to measure", None
    if known:
        middle = statistics.median(known)
        between = " … " if min(known) < 0 else "–"
        measured = f"{middle:{form}} [{min(known):{form}}{between}{max(known):{form}}]"
    return {
        "what": what,
        "target": target,
        "measured": measured + (f" ({note})" if note else ""),
        "baseline": f"{statistics.median(beside):{form}}" if beside else "",
        "met": met(middle) if met is not None and middle is not None else None,
        "value": middle,
    }


def failed(name: str, seed: str, why: str) -> Row:
    """A row for what could not be run."""
    said = why.replace("|", "/")[:160]
    return {
        "what": f"{name}, seed {seed}",
        "target": "runs",
        "measured": said,
        "baseline": "",
        "met": False,
        "value": None,
    }


def share(edits: Iterable[Any], key: str) -> float:
    """Mean of ``key`` over edits, each weighted with its number ``n``."""
    edits = list(edits)
    n = sum(e["n"] for e in edits)
    return sum(e["n"] * e[key] for e in edits) / n if n else math.nan
