"""What a run foresaw of its tasks, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What was foreseen, and what came of it, out of ``relatedness.json``.

    >>> foreseen = {"no_signal": {"coin": {"reason": "labels are random"}}, "copies": [["a", "b"]], "pooling": {}}
    >>> for line in lines({"foreseen": foreseen, "set_apart": {"coin": "labels are random"}}):
    ...     print(line)
    a and b are copies: in the audit none bears witness for another
    coin: labels are random; its own model does not tell those held out either, so it is trained apart
    """
    foreseen, apart = found.get("foreseen", {}), found.get("set_apart", {})
    for group in foreseen.get("copies", ()):
        yield (
            f"{', '.join(group[:-1])} and {group[-1]} are copies: in the audit none bears witness for another"
        )
    for pair in foreseen.get("same", ()):
        if pair["kind"] == "near copy":
            yield f"{pair['reason']}; trained and audited as two tasks"
    for name, signal in foreseen.get("no_signal", {}).items():
        then = (
            "its own model does not tell those held out either, so it is trained apart"
            if name in apart
            else "trained with the others all the same, as that is not sure"
        )
        yield f"{name}: {signal['reason']}; {then}"
    for name, reason in apart.items():
        if name not in foreseen.get("no_signal", {}):
            yield f"{name}: {reason}: it has a model of its own, and the others still learn from it"
    silent: dict[str, list[str]] = {}
    for name, reason in foreseen.get("gains_not_told", {}).items():
        silent.setdefault(reason, []).append(name)
    for reason, names in silent.items():
        yield f"{', '.join(names)}: what rows of tasks of the same labels add was not looked at: {reason}"
    partners = foreseen.get("partners", {})
    if partners:
        yield (
            f"{len(partners)} tasks have the same labels in more than {len(next(iter(partners.values()))['tried'])} "
            "other datasets; for each, rows of the likeliest of them were tried, not of all"
        )
    for task, pooling in foreseen.get("pooling", {}).items():
        for target, sources in pooling["harm"].items():
            if sources:
                yield f"{task}: rows of {', '.join(sources)} do harm on {target}; two tasks may serve better than one"
