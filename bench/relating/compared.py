"""Which tasks are compared within the budget: how many of those that joint training hurts an order finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.relating.sets import made

FOUND = 2  # tasks that a budget of 2 compares, where all share their rows
LOSS = 0.005  # of the test metric


def verdicts(work: Path, name: str, seed: int) -> dict[str, Any]:
    """Of a set every task's verdict on the holdout and gain on test rows, what its labels say, and what the gradients
    of the others do to it; rows and training have the seed."""
    from jointset import apart
    from jointset import config as configs
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import TEST, TRAIN, Edits
    from jointset.relatedness import Affinity, label_information
    from jointset.rundir import RunDirectory, read_json
    from jointset.workbench import set_up

    folder = made(work, name, seed)
    changes = [f"seed={seed}", "relatedness={mode: verdict, budget: 60}"]
    ready = prepare(configs.load(folder / "jointset.yaml", changes), folder / "cache")
    bench = set_up(RunDirectory(folder / "run"), ready, lambda event: None)
    apart.settled(bench, apply(ready.given, Edits.empty(), ready.by_name, ready.pool))
    joint, alone = apart.kept_outputs(bench)  # type: ignore[misc]
    on_test = apart.compared(ready, joint, alone, split=TEST, margin=0.01)
    ahead = Affinity.read(read_json(bench.run.affinity)["affinity"]["lookahead"]).values.copy()
    np.fill_diagonal(ahead, np.nan)
    train = ready.pool.split == TRAIN
    held = read_json(bench.run.relatedness)["tasks"]
    return {
        "tasks": list(held),
        "hurt": [n for n, v in held.items() if v["verdict"] == "hurt"],
        "gain": {v.task: v.after - v.before for v in on_test},
        "said": {n: label_information(ready.given[n][train]) for n in held},
        "ahead": dict(zip([t.name for t in ready.tasks], np.nanmean(ahead, axis=0), strict=True)),
        "score": {n: v["joint"] for n, v in held.items()},
    }


ORDERS = {
    "cheapest first, else as they stand": lambda one: list(one["tasks"]),
    "labels that say most": lambda one: sorted(one["tasks"], key=lambda t: -one["said"][t]),
    "least lookahead from the others": lambda one: sorted(one["tasks"], key=lambda t: one["ahead"][t]),
    "best joint score": lambda one: sorted(one["tasks"], key=lambda t: -one["score"][t]),
}


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """By order and set: hurt tasks found of all, tasks found that lose on the test rows, and the sum of those losses.

    >>> one = {"tasks": ["a", "b", "c"], "hurt": ["c"], "gain": {"a": 0, "b": 0, "c": -0.1},
    ...        "said": {"a": 1, "b": 2, "c": 3}, "ahead": {"a": 1, "b": 2, "c": 3}, "score": {"a": 1, "b": 2, "c": 3}}
    >>> print(table({"x": [one]}).splitlines()[3])
    | labels that say most | 1 of 1; 1 of 1; -.100 | 1 of 1; 1 of 1; -.100 |
    """
    lines = [f"| order | {' | '.join(found)} | all |", "|---" * (len(found) + 2) + "|"]
    for order, chosen in ORDERS.items():
        cells = []
        for runs in [*found.values(), [one for several in found.values() for one in several]]:
            first = [set(chosen(one)[:FOUND]) for one in runs]
            losing = [{t for t, g in one["gain"].items() if g < -LOSS} for one in runs]
            pairs = list(zip(first, runs, losing, strict=True))
            hurt = sum(len(f & set(one["hurt"])) for f, one, _ in pairs)
            loss = sum(one["gain"][t] for f, one, bad in pairs for t in f & bad)
            cells.append(
                f"{hurt} of {sum(len(one['hurt']) for one in runs)}; "
                f"{sum(len(f & bad) for f, _, bad in pairs)} of {sum(map(len, losing))}; "
                f"{loss:.3f}".replace("0.", ".")
            )
        lines.append(f"| {order} | {' | '.join(cells)} |")
    return "\n".join(lines)
