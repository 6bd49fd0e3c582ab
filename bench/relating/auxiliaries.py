"""Auxiliaries of a target that has a tenth of its labels: those chosen before training, against all tasks and none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.relating.sets import Rows, made
from bench.relating.trainings import Trainings

SHARE = 0.1
SETS: dict[str, Rows] = {
    "sentence_cls": (600, 1000, 600),
    "tox21": (1500, 3000, 1600),
    "adult": (1000, 3000, 3000),
    "fdu_mtl": (400, 800, 400),
    "goemotions": (2000, 3000, 3000),
}
WAYS = ("none", "chosen", "random", "all")


def target_of(names: Sequence[str], draw: int) -> str:
    """The task that is drawn as target.

    >>> target_of(("a", "b", "c"), 0) in ("a", "b", "c")
    True
    """
    return names[int(np.random.default_rng(draw).integers(len(names)))]


def compared(
    work: Path, name: str, draw: int, seeds: Sequence[int], changes: Sequence[str]
) -> dict[str, Any]:
    """By way of choosing: the tasks beside the target, and its test skill and metric for every seed."""
    folder = made(work, name, 0, SETS[name])
    target = target_of(Trainings(folder, changes).names, draw)
    trainings = Trainings(folder, changes, {target: SHARE})
    chosen = choice(trainings, target)
    others = [n for n in trainings.names if n != target]
    rng = np.random.default_rng([draw, 1])
    beside = {
        "none": (),
        "chosen": chosen,
        "random": tuple(others[i] for i in rng.permutation(len(others))[: max(len(chosen), 1)]),
        "all": tuple(others),
    }
    scores = {
        way: [trainings.scores((target, *tasks), s)["tasks"][target]["test"] for s in seeds]
        for way, tasks in beside.items()
    }
    return {"set": name, "target": target, "beside": beside, "scores": scores}


def choice(trainings: Trainings, target: str) -> tuple[str, ...]:
    """What the library advises before anything is trained."""
    from jointset.relating import relate

    return relate(trainings.work, targets=[target]).choices[target].chosen


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A line per target: test skill by way of choosing, mean over seeds and their range, and the chosen tasks."""
    lines = [f"| target | {' | '.join(WAYS)} | chosen |", "|---" * (len(WAYS) + 2) + "|"]
    for one in found:
        cells = []
        for way in WAYS:
            skill = [s[0] for s in one["scores"][way]]
            metric = float(np.mean([s[1] for s in one["scores"][way]]))
            cells.append(f"{np.mean(skill):.3f} ({min(skill):.3f} to {max(skill):.3f}); {metric:.3f}")
        named = ", ".join(one["beside"]["chosen"]) or "none"
        lines.append(f"| {one['set']}: {one['target']} | {' | '.join(cells)} | {named} |")
    means = [float(np.mean([np.mean([s[0] for s in one["scores"][w]]) for one in found])) for w in WAYS]
    lines.append(f"| mean skill | {' | '.join(f'{m:.4f}' for m in means)} | |")
    return "\n".join(lines)
