"""What the flags promised against what they kept, over all cases of the other sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from bench.audits.judged import PROMISES
from bench.audits.rows import row
from bench.table import Row, share

FEWEST = 50  # flagged labels, over all seeds, below which a share says nothing
AVERAGE, WORST = 3.0, 5.0


def kept(raw: Mapping[str, Mapping[str, Any]], precision: float) -> dict[str, dict[str, float]]:
    """By case of every section: promised, mean P(error) and real precision over the seeds' flags, ``n`` of them."""
    entries = defaultdict(list)
    for section, seeds in raw.items():
        for found in seeds.values():
            for name, case in found.get("cases", {}).items():
                entry = case["ours"].get(f"promise.{precision}")
                if entry and entry["n"]:
                    entries[f"{section}, {name}"].append(entry)
    return {
        name: {key: share(e, key) for key in ("promised", "p_error", "real")}
        for name, e in entries.items()
        if sum(x["n"] for x in e) >= FEWEST
    }


def rows(raw: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Mean and worst gap at either precision."""
    found = []
    for precision in PROMISES:
        cases = kept(raw, precision)
        if not cases:
            continue
        gaps = {name: 100 * (c["real"] - c["promised"]) for name, c in cases.items()}
        worst = max(gaps, key=lambda name: abs(gaps[name]))
        within = sum(abs(g) <= WORST for g in gaps.values())
        mean = fmean(100 * abs(c["real"] - c["p_error"]) for c in cases.values())
        found += [
            row(
                f"promises at {precision}: mean distance of real and promised, points",
                f"≤ {AVERAGE:g}",
                [fmean(abs(g) for g in gaps.values())],
                lambda v: v <= AVERAGE,
                peers="–",
                scale=1,
                note=f"{len(gaps)} sets; against the flags' mean P(error) {mean:.1f}",
            ),
            row(
                f"promises at {precision}: worst real - promised, points",
                f"within {WORST:g}",
                [gaps[worst]],
                lambda v: abs(v) <= WORST,
                peers="–",
                form="+.1f",
                scale=1,
                note=f"{worst}: {cases[worst]['real']:.1%} of {cases[worst]['promised']:.1%}; "
                f"{within} of {len(gaps)} within",
            ),
            *by_section(gaps, precision),
        ]
    return found


def by_section(gaps: Mapping[str, float], precision: float) -> list[Row]:
    """Where the gaps are; little noise that was injected counts all natural errors against the promise."""
    found = defaultdict(list)
    for name, gap in gaps.items():
        found[name.split(",")[0]].append(abs(gap))
    return [
        row(
            f"promises at {precision}, {section}: mean distance, points",
            "–",
            [fmean(distances)],
            peers="–",
            scale=1,
            note=f"{sum(d <= WORST for d in distances)} of {len(distances)} within",
        )
        for section, distances in found.items()
    ]
