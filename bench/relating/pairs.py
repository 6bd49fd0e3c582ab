"""Pairs of tasks: what training the two jointly gains each, and what the measures say of it."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.relating.trainings import Trainings

MOST = {"fdu_mtl": 32, "tox21": 24, "sider": 24}  # pairs; of the other sets all
TASKS = {"sider": 12}  # of the 27, drawn
Floats = NDArray[np.float64]


def drawn(set_name: str, tasks: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """The pairs to train: all, or as many as :data:`MOST` says, in which every task occurs about as often.

    >>> pairs = drawn("tox21", [f"t{i}" for i in range(12)], 0)
    >>> len(pairs), {sum(t in p for p in pairs) for t in ("t0", "t5", "t11")}
    (24, {4})
    """
    rng = np.random.default_rng(seed)
    kept = sorted(rng.permutation(len(tasks))[: TASKS.get(set_name, len(tasks))])
    free = list(combinations([tasks[i] for i in kept], 2))
    most, met = MOST.get(set_name, len(free)), dict.fromkeys(tasks, 0)
    found = []
    while free and len(found) < most:
        noise = rng.random(len(free))
        best = min(range(len(free)), key=lambda i: (sum(met[t] ** 2 for t in free[i]), noise[i]))
        found.append(free.pop(best))
        for task in found[-1]:
            met[task] += 1
    return found


def gains(trainings: Trainings, pairs: Sequence[tuple[str, str]], seed: int, *, wait: bool) -> Floats:
    """Skill of the target in the pair less that alone, on the rows to judge, ``(source, target)``; NaN if not trained.

    Without ``wait`` nothing is trained, and what is there is taken.
    """
    names = trainings.names
    out = np.full((len(names), len(names)), np.nan)
    for pair in pairs:
        sets = [pair, *((t,) for t in pair)]
        if not wait and not all(trainings.has(s, seed) for s in sets):
            continue
        both = trainings.scores(pair, seed)["tasks"]
        for source, target in (pair, pair[::-1]):
            alone = trainings.scores((target,), seed)["tasks"][target]["judge"][0]
            out[names.index(source), names.index(target)] = both[target]["judge"][0] - alone
    return out


@dataclass(frozen=True)
class Agreement:
    """Spearman's correlation of two matrices: over all pairs, and the mean over targets of that over their sources."""

    overall: float
    within: float
    pairs: int
    targets: int


def agreement(values: Floats, gain: Floats) -> Agreement:
    """How the ranks of values and gains ``(t, t)`` agree, where both are known.

    A target needs three sources; a measure that says the same of all of them agrees with nothing there (0).

    >>> gain = np.array([[np.nan, 1, 2, 3], [1, np.nan, 1, 2], [2, 2, np.nan, 1], [3, 3, 3, np.nan]])
    >>> agreement(gain, gain)
    Agreement(overall=1.0, within=1.0, pairs=12, targets=4)
    """
    known = np.isfinite(values) & np.isfinite(gain)
    np.fill_diagonal(known, False)
    found = [_spearman(values[k, j], gain[k, j]) for j, k in enumerate(known.T) if k.sum() >= 3]
    overall = _spearman(values[known], gain[known]) if known.sum() >= 3 else float("nan")
    within = float(np.mean(found)) if found else float("nan")
    return Agreement(overall, within, int(known.sum()), len(found))


def _spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else round(float(spearmanr(a, b).statistic), 12)


def kept(trainings: Trainings) -> tuple[dict[str, Any], dict[str, float]]:
    """What :func:`measured` finds, taken over from the set's folder where it is there."""
    from jointset.relatedness import Affinity

    file = trainings.folder / "measures.json"
    if not file.is_file():
        found, cost = measured(trainings)
        whole = {"affinities": {m: a.record() for m, a in found.items()}, "cost": cost}
        file.write_text(json.dumps(whole), encoding="utf-8")
    whole = json.loads(file.read_text(encoding="utf-8"))
    return {m: Affinity.read(a) for m, a in whole["affinities"].items()}, whole["cost"]


def measured(trainings: Trainings) -> tuple[dict[str, Any], dict[str, float]]:
    """Affinities by every measure and their consensus, and the seconds of the processor that each takes by itself.

    What several read (embedding, probes, probes of permuted labels) counts for each, and once for the consensus.
    Imports count for none.
    """
    for library in (
        "scipy.stats",
        "sklearn.decomposition",
        "sklearn.feature_extraction.text",
        "sklearn.linear_model",
    ):
        importlib.import_module(library)
    from jointset.relatedness import MEASURES, affinity, consensus
    from jointset.relatedness.table import TELLING
    from jointset.relating import ROWS, material_of, sampled

    spent: dict[str, float] = {}

    def timed(name: str, made: Any) -> Any:
        begun = time.process_time()
        found = made()
        spent[name] = time.process_time() - begun
        return found

    material = timed("features", lambda: material_of(trainings.work, sampled(trainings.work, ROWS)))
    for part in ("outputs", "nulls"):
        timed(part, lambda part=part: getattr(material, part))
    found = {m: timed(m, lambda m=m: affinity(m, material)) for m in MEASURES if material.has(m)}
    own = {m: spent[m] for m in found}
    cost = {m: own[m] + sum(spent[r] for r in _needs(MEASURES[m].reads)) for m in found}
    telling = [m for m in TELLING if m in found]
    found["consensus"] = consensus([found[m] for m in telling])
    every = {r for m in telling for r in _needs(MEASURES[m].reads)}
    cost["consensus"] = sum(own[m] for m in telling) + sum(spent[r] for r in every)
    return found, cost


def _needs(reads: Sequence[str]) -> list[str]:
    return [*(["features"] if {"features", "outputs", "nulls"} & set(reads) else []),
            *(r for r in reads if r in ("outputs", "nulls"))]  # fmt: skip


def noise(by_seed: Mapping[int, Floats]) -> tuple[Agreement, float]:
    """How gains of two training seeds agree, on average; and what a measure of the true gains could reach against the
    mean over the seeds: √(n r / (1 + (n − 1) r)), by Spearman and Brown, for n seeds.

    >>> gain = np.arange(16.0).reshape(4, 4)
    >>> noise({0: gain, 1: gain})[1]
    1.0
    """
    found = [agreement(by_seed[a], by_seed[b]) for a, b in combinations(by_seed, 2)]
    if not found:
        return Agreement(float("nan"), float("nan"), 0, 0), float("nan")
    mean = Agreement(
        float(np.mean([f.overall for f in found])),
        float(np.mean([f.within for f in found])),
        found[0].pairs,
        found[0].targets,
    )
    r, n = max(mean.overall, 0.0), len(by_seed)
    return mean, float(np.sqrt(n * r / (1 + (n - 1) * r)))
