"""The search of task weights in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = 12  # tasks of a line


def trial_line(event: Mapping[str, Any]) -> str:
    """One trial on one line."""
    lead = f"trial {event['number'] + 1} of {event['of']}: {_named(event['weights'])}"
    if event["pruned"]:
        return f"{lead}: ended after {len(event['curve'])} epochs, behind the median"
    return f"{lead}: held-out skill {event['score']:.4f}, best so far {event['highest']:.4f}"


def again_line(event: Mapping[str, Any]) -> str:
    """The best and equal weights with another seed, on one line."""
    return (
        f"again with another seed, {event['turn']} of {event['of']}: "
        f"equal {event['equal']:.4f}, best {event['best']:.4f}"
    )


def weights_lines(found: Mapping[str, Any]) -> list[str]:
    """What a search found, and what was kept and why."""
    best, pruned = found["best"], f", {found['pruned']} of them ended early" if found["pruned"] else ""
    again = ", ".join(f"{gain:+.4f}" for gain in found["again"])
    lines = [
        f"weights: {found['trials']} trials ({found['search']}){pruned}; held-out skill, {found['searched']}: "
        f"equal {found['equal']:.4f}, best {best['score']:.4f}; gain on rows that do not choose "
        f"{found['expected']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"
        + (f", with other seeds {again}" if again else "")
    ]
    if found["kept"] == best["number"] != 0:
        lines.append(f"weights: {_named(found['weights'])}")
    else:
        why = "the best did not hold" if best["number"] else "no other was better"
        lines.append(f"weights: equal, as {why}")
    if found["front"]:
        lines.append(f"front: {len(found['front'])} trials that no other beats on every task")
        lines += [
            f"  {_named(point['weights'])}: skill {_named(point['scores'], '.4f')}"
            for point in found["front"]
        ]
    return lines


def _named(values: Mapping[str, float], form: str = ".2f") -> str:
    shown = [f"{name} {value:{form}}" for name, value in list(values.items())[:SHOWN]]
    return ", ".join(shown) + (f", … {len(values) - SHOWN} more" if len(values) > SHOWN else "")
