"""From measures and bounds to findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.audit.findings import Checked, Findings, ended
from jointset.records import Bools, Floats


def told(marks: Mapping[str, tuple[Bools, Floats, Floats]], n: int, what: str, given: Bools) -> Checked:
    """Findings of a check of media: code → (rows it is true of, measure, score), each ``(n,)``; ``given`` marks the
    rows that have a value at all."""
    if not given.any():
        return Checked("not applicable", f"there are no {what}", Findings.empty(), {"rows": n})
    parts, counts = [], {}
    for code, (mark, measure, score) in marks.items():
        rows = np.flatnonzero(mark)
        counts[code] = len(rows)
        parts.append(
            Findings.of(
                code, rows=rows, scores=score[rows], evidence=[{"measure": float(measure[i])} for i in rows]
            )
        )
    found = Findings.concat(parts)
    listed = ", ".join(f"{c:,} {code.replace('_', ' ')}" for code, c in counts.items() if c)
    outcome, reason = ended(found, listed, f"{int(given.sum()):,} {what} look sound")
    facts: dict[str, Any] = {"rows": n, "missing": int((~given).sum()), **counts}
    return Checked(outcome, reason, found, facts)


def far(values: Floats, spreads: float) -> Bools:
    """Values further than ``spreads`` robust standard deviations from the median; none where half of them are equal.

    >>> far(np.array([1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 90.0]), 6).tolist()[-1]
    True
    """
    known = values[np.isfinite(values)]
    if len(known) < 5:
        return np.zeros(len(values), bool)
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    return (
        np.nan_to_num(np.abs(values - middle)) > spreads * spread
        if spread > 0
        else np.zeros(len(values), bool)
    )
