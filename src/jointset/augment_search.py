"""The search of augmentation policies: trials of the joint training, each with its record on disk."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.augment import Policy
from jointset.augment.search import POLICY_SEARCHES, PolicySearch, PolicyTrial, Space
from jointset.augment_trial import HARM, Scored, train_under
from jointset.data import Overlay
from jointset.operations import OPERATIONS, modality_of
from jointset.records import TRAIN, Floats
from jointset.rundir import read_json, write_json
from jointset.training import checkpoint
from jointset.training.differentiable import learnt_strengths
from jointset.workbench import Bench

NEVER = (".mixup", ".cutmix")


def searched(bench: Bench, overlay: Overlay, stated: Policy) -> tuple[Policy | None, dict[str, Any]]:
    """The best policy of a search, ``None`` where none is better than no augmentation, and what the search cost.

    A trial's score is the mean over tasks of the held-out skill, less what a task loses against no augmentation beyond
    half a point.
    """
    settings = bench.work.config.augment.search
    assert settings is not None
    started = time.monotonic()
    space = _space(bench, stated, by_task=settings.method == "bayes" and len(bench.work.tasks) <= 4)
    trials: list[PolicyTrial] = []
    _trial(bench, overlay, trials, None, ())
    _trial(bench, overlay, trials, stated, ())
    if settings.method == "differentiable":
        _trial(bench, overlay, trials, _learnt(bench, overlay, stated), ())
    else:
        search = POLICY_SEARCHES[settings.method](space, settings.budget, seed=bench.work.config.seed)
        while (asked := search.propose(trials)) is not None:
            _piece(bench, overlay, trials, search, *asked)
    whole = [t for t in trials if _is_whole(trials, t, settings.method)]
    best = max(whole, key=lambda t: t.score)
    told = {
        "method": settings.method,
        "trials": len(trials),
        "none": trials[0].score,
        "stated": trials[1].score,
        "best": {"number": best.number, "score": best.score, "scores": dict(best.scores)},
        "seconds": round(sum(t.seconds for t in trials), 1),
        "wall": round(time.monotonic() - started, 1),
    }
    return (best.policy if best.number else None), told


def _learnt(bench: Bench, overlay: Overlay, stated: Policy) -> Policy:
    """The policy whose strengths were learnt, read back when that was done before."""
    file = bench.run.path / "augment" / "learnt.json"
    if not file.is_file():
        problem, seed = bench.problem(overlay), bench.work.config.seed
        rows = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
        write_json(file, learnt_strengths(problem, rows, bench.settings, stated, seed=seed).record())
    return Policy.read(read_json(file))


def _space(bench: Bench, stated: Policy, *, by_task: bool) -> Space:
    """The operations that a search may take: the stated ones, and those of their modalities that keep some label."""
    modalities = {modality_of(o) for o in stated.operations()}
    tasks = tuple(t.name for t in bench.work.tasks)
    able = [
        o
        for o in OPERATIONS
        if modality_of(o) in modalities
        and not o.endswith(NEVER)
        and (o in stated.operations() or OPERATIONS[o].stock)
        and any(stated.keeps(t, o) for t in tasks)
    ]
    return Space(stated, tuple(able), tasks, by_task)


def _is_whole(trials: Sequence[PolicyTrial], trial: PolicyTrial, method: str) -> bool:
    """Whether a trial is a training to its end: of a population, only the last pieces are."""
    if method != "population" or trial.number < 2:
        return True
    depth, at = 1, trial
    while at.parent >= 0:
        depth, at = depth + 1, trials[at.parent]
    return depth == POLICY_SEARCHES["population"].pieces


def _piece(
    bench: Bench,
    overlay: Overlay,
    trials: list[PolicyTrial],
    search: PolicySearch,
    point: Floats,
    parent: int,
) -> None:
    _trial(bench, overlay, trials, search.policy(point), tuple(point.tolist()), parent, search.pieces)


def _trial(
    bench: Bench,
    overlay: Overlay,
    trials: list[PolicyTrial],
    policy: Policy | None,
    point: Sequence[float],
    parent: int = -1,
    pieces: int = 1,
) -> None:
    """Add the next trial, read back when it was done before."""
    number = len(trials)
    folder = bench.run.path / "augment"
    file, weights = folder / f"trial-{number:03d}.json", folder / f"trial-{number:03d}.safetensors"
    if not file.is_file():
        started = time.monotonic()
        start = checkpoint.load(folder / f"trial-{parent:03d}.safetensors")[0] if parent >= 0 else None
        seed = bench.work.config.seed + (number if pieces > 1 else 0)
        scored, model = train_under(bench, overlay, policy, seed, start=start, pieces=pieces)
        if pieces > 1:
            checkpoint.save(weights, model.state_dict(), {})
        record = {
            "number": number,
            "point": list(point),
            "policy": (policy or Policy()).record(),
            "scores": dict(scored.skill),
            "score": _score(scored, trials[0].scores if trials else scored.skill),
            "seconds": round(time.monotonic() - started, 2),
            "parent": parent,
        }
        write_json(file, record)
    read = read_json(file)
    trial = PolicyTrial(**{**read, "point": tuple(read["point"]), "policy": Policy.read(read["policy"])})
    trials.append(trial)
    bench.emit({"event": "policy", **dataclasses.asdict(trial), "policy": read["policy"]})


def _score(scored: Scored, none: Mapping[str, float]) -> float:
    gains = {t: s - none[t] for t, s in scored.skill.items() if t in none}
    harm = sum(max(0.0, -g - HARM) for g in gains.values())
    return round(float(np.mean(list(scored.skill.values()))) - harm, 6) if scored.skill else 0.0
