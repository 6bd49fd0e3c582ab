"""What a joint training tells of its tasks while it runs, and what linearised gains tell after a short one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.relating.pairs import Agreement, agreement
from bench.relating.trainings import Trainings

AGAINST = ("conflict_rate",)  # greater is worse


def compared(
    trainings: Trainings, seeds: Sequence[int], gain: NDArray[np.float64]
) -> tuple[dict[str, Agreement], dict[str, float]]:
    """By measure the mean over training seeds of its agreement with gains, and of its cost in joint trainings."""
    each = [kept(trainings, s) for s in seeds]
    told, cost = {}, {}
    for name in each[0][0]:
        found = [agreement(-a[name].values if name in AGAINST else a[name].values, gain) for a, _ in each]
        told[name] = Agreement(
            float(np.mean([f.overall for f in found])),
            float(np.mean([f.within for f in found])),
            found[0].pairs,
            found[0].targets,
        )
        cost[name] = float(np.mean([c[name] for _, c in each]))
    return told, cost


def kept(trainings: Trainings, seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    """What :func:`measured` finds, taken over from the set's folder where it is there."""
    from jointset.relatedness import Affinity

    file = trainings.folder / f"running-{seed}.json"
    if not file.is_file():
        found, cost = measured(trainings, seed)
        whole = {"affinities": {m: a.record() for m, a in found.items()}, "cost": cost}
        file.write_text(json.dumps(whole), encoding="utf-8")
    whole = json.loads(file.read_text(encoding="utf-8"))
    return {m: Affinity.read(a) for m, a in whole["affinities"].items()}, whole["cost"]


def measured(trainings: Trainings, seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Affinities of one joint training that is watched and of linearised gains, and what each takes of that training.

    Running measures come with a training, and count as one. All that linearised gains read (their own short training,
    gradients and fits) counts for them; they look at the rows that early stopping watches, not at those to judge.
    """
    from jointset.linearising import linearised
    from jointset.training.loop import fit
    from jointset.workbench import threads

    bench, problem, train, stop = trainings.prepared(trainings.names)
    with threads(bench):
        fit(problem, train, train[:0], bench.settings, seed=seed, epochs=1)  # imports count for none
        begun = time.process_time()
        watched = fit(problem, train, stop, bench.settings, seed=seed, watch=True).running
        joint = time.process_time() - begun
        begun = time.process_time()
        gain = linearised(
            problem, train, stop, bench.settings, groups=trainings.work.pool.component, seed=seed
        ).affinity
        linear = time.process_time() - begun
    found = {**(watched.affinities() if watched else {}), gain.measure: gain}
    return found, {m: linear / joint if m == gain.measure else 1.0 for m in found}
