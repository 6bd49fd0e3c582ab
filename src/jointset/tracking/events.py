"""The numbers in a run's events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Measured = tuple[str, dict[str, float], int]  # of what, the numbers by name, and the step


def measured(event: Mapping[str, Any]) -> Measured | None:
    """What an event measures, if anything.

    >>> measured({"event": "epoch", "name": "round-00", "epoch": 3, "loss": 0.5, "skill": 0.2, "skills": {"a": 0.2}})
    ('round-00', {'loss': 0.5, 'skill': 0.2, 'skill/a': 0.2}, 3)
    """
    kind = event["event"]
    if kind == "epoch":
        fold = f"/fold-{event['fold']}" if "fold" in event else ""
        of = event.get("name") or f"round-{event['round']:02d}"
        values = {"loss": event["loss"], "skill": event["skill"]}
        values |= {f"skill/{t}": s for t, s in event.get("skills", {}).items()}
        return f"{of}{fold}", _numbers(values), event["epoch"]
    if kind == "round":
        own = {k: v for k, v in event.items() if k not in ("event", "round", "task", "verdict")}
        verdict = event["verdict"] or {}
        own |= {f"{verdict.get('metric')}/{side}": verdict.get(side) for side in ("before", "after")}
        return "rounds", _numbers({f"{event['task']}/{k}": v for k, v in own.items()}), event["round"]
    if kind == "trial":
        own = {f"weight/{t}": w for t, w in event.get("weights", {}).items()}
        return "search", _numbers({"score": event.get("score"), **own}), event["number"]
    if kind == "finished":
        values = {
            f"{name}/{task['metric']}/{side}": task[side]
            for name, task in event["tasks"].items()
            for side in ("before", "after")
        }
        values |= {
            f"edits/{status}": event["edits"].get(status) for status in ("proposed", "accepted", "rejected")
        }
        return "summary", _numbers({**values, "seconds": event["seconds"]}), event["rounds"]
    return None


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        k: float(v)
        for k, v in values.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
    }
