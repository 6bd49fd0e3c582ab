"""Who shares what in a joint model, and how many parameters that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jointset.models.joint import JointModel
from jointset.models.sharing import Part

LISTED = 4  # names of tasks in a line; more are counted


@dataclass(frozen=True)
class Entry:
    """One kind of part: how many there are, which tasks each one serves, and their parameters together.

    ``tasks`` is empty where each of ``count`` parts serves one task of its own. ``learnt`` leaves out what is frozen.
    """

    what: str
    count: int
    tasks: tuple[str, ...]
    parameters: int
    learnt: int


def describe(model: JointModel) -> tuple[Entry, ...]:
    """The model's parts, in the order in which a row meets them; every parameter is counted once.

    A parameter of two parts, such as an adapter in a backbone, counts for the one that serves fewer tasks.
    """
    parts = model.parts()
    owner: dict[int, int] = {}
    for i in sorted(range(len(parts)), key=lambda i: -len(parts[i].tasks)):
        owner |= {id(p): i for p in parts[i].parameters()}
    groups: dict[tuple[str, bool], list[int]] = {}
    for i, part in enumerate(parts):
        groups.setdefault((part.what, len(part.tasks) == 1), []).append(i)
    return tuple(_entry(parts, members, owner) for members in groups.values())


def summary(model: JointModel, sharing: str) -> dict[str, Any]:
    """:func:`describe` as plain values, with totals."""
    entries = describe(model)
    shared = sum(p.numel() for p in model.shared_parameters())
    return {
        "sharing": sharing,
        "parameters": sum(e.parameters for e in entries),
        "learnt": sum(e.learnt for e in entries),
        "shared": shared,
        "parts": [asdict(e) for e in entries],
    }


def render(facts: dict[str, Any], tasks: Sequence[str]) -> str:
    """A :func:`summary` as text, for people.

    >>> part = {"what": "head", "count": 2, "tasks": (), "parameters": 10, "learnt": 10}
    >>> print(render({"sharing": "hard", "parameters": 10, "learnt": 10, "shared": 0, "parts": [part]}, "ab"))
    model: hard sharing, 10 parameters learnt, 0 of them by several tasks
      head  one a task  10
    """
    frozen = facts["parameters"] - facts["learnt"]
    rows = [
        (e["what"], _who(e, tasks), f"{e['parameters']:,}", "" if e["learnt"] else ", frozen")
        for e in facts["parts"]
        if e["parameters"]
    ]
    wide, side, most = (max(len(r[i]) for r in rows) for i in range(3))
    head = f"model: {facts['sharing']} sharing, {facts['learnt']:,} parameters learnt, "
    head += f"{facts['shared']:,} of them by several tasks" + (
        f"; {frozen:,} more are frozen" if frozen else ""
    )
    lines = (f"  {what:<{wide}}  {who:<{side}}  {n:>{most}}{note}" for what, who, n, note in rows)
    return "\n".join([head, *lines])


def _who(entry: dict[str, Any], tasks: Sequence[str]) -> str:
    served, count = entry["tasks"], entry["count"]
    if not served:
        return "one a task" if count == len(tasks) else f"{count} of one task each"
    several = f"{count} for " if count > 1 else ""
    if len(served) == len(tasks):
        return several + ("all tasks" if len(tasks) > 1 else served[0])
    listed = ", ".join(served[:LISTED]) + (
        f" and {len(served) - LISTED} more" if len(served) > LISTED else ""
    )
    return several + listed


def _entry(parts: Sequence[Part], members: Sequence[int], owner: dict[int, int]) -> Entry:
    own = [p for i in members for p in parts[i].parameters() if owner[id(p)] == i]
    single = len(members) > 1 and all(len(parts[i].tasks) == 1 for i in members)
    return Entry(
        parts[members[0]].what,
        len(members),
        () if single else tuple(dict.fromkeys(t for i in members for t in parts[i].tasks)),
        sum(p.numel() for p in own),
        sum(p.numel() for p in own if p.requires_grad),
    )
