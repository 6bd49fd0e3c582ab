"""What joint training is to every task, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jointset.console.foreseen import lines

SHOWN = 12  # names of tasks that are not compared
WHY_NOT = "relatedness.budget went to tasks whose labels say more, which others help least; raise it to see them all"


def relatedness_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Joint against single: the counts, the tasks that gain or lose, and which get a model of their own.

    >>> one = {"metric": "accuracy", "alone": 0.77, "joint": 0.7, "interval": [-0.1, -0.04], "rows": 800}
    >>> found = {"tasks": {"kind": {**one, "verdict": "hurt"}}, "not_compared": [], "groups": [{"serves": ["kind"]}]}
    >>> print("\\n".join(relatedness_lines(found)))
    joint against single, held out: 1 hurt
      kind: accuracy 0.770 alone, 0.700 joint, gain -0.100 … -0.040, 800 rows: hurt, so it has a model of its own
    """
    yield from (f"foreseen: {line}" for line in lines(found))
    counts = dict.fromkeys(("helped", "same", "hurt", "not judged"), 0)
    for task in found["tasks"].values():
        counts[task["verdict"]] += 1
    told = ", ".join(f"{n} {word}" for word, n in counts.items() if n) or "nothing compared"
    yield f"joint against single, held out: {told}"
    if left := found["not_compared"]:
        more = f" and {len(left) - SHOWN:,} more" if len(left) > SHOWN else ""
        yield f"  not compared: {', '.join(left[:SHOWN])}{more}; {WHY_NOT}"
    own = {g["serves"][0] for g in found["groups"] if len(g["serves"]) == 1 and not g.get("along")}
    for name, task in found["tasks"].items():
        if task["verdict"] not in ("helped", "hurt") and name not in own:
            continue
        low, high = task["interval"]
        then = ", so it has a model of its own" if name in own else ""
        yield (
            f"  {name}: {task['metric']} {task['alone']:.3f} alone, {task['joint']:.3f} joint, "
            f"gain {low:+.3f} … {high:+.3f}, {task['rows']:,} rows: {task['verdict']}{then}"
        )
