"""What became of augmentation, in lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def augmentation_lines(found: Mapping[str, Any]) -> list[str]:
    """What a run trains with, and why."""
    policy = found["policy"]
    shown = ", ".join(f"{o} {m:g}" for o, (m, _) in policy["steps"].items()) or "operations of single tasks"
    lines = []
    for tried in found.get("tried", ()):
        gains = ", ".join(f"{t} {g['skill']:+.3f}" for t, g in tried["gains"].items())
        name = {"all": "all tasks", "without the harmed": "without the harmed tasks"}.get(tried["name"])
        lines.append(f"augmentation, {name or tried['name']}: held-out skill {gains}")
    masked = [
        f"{o} for {t}" for t, v in policy["verdicts"].items() for o, what in v.items() if what != "keep"
    ]
    if found["kept"] == "none":
        lines.append("augmentation: none, as no policy helped on held-out rows")
    else:
        lines.append(f"augmentation: {shown}" + (f"; not {', '.join(masked[:8])}" if masked else ""))
    return lines
