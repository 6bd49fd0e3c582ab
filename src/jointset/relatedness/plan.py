"""Which sets of tasks to train, when only some trainings can be paid for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from jointset.errors import ArrayError


def plan_trainings(
    tasks: Sequence[str], budget: int, *, size: int | None = None, seed: int = 0
) -> list[tuple[str, ...]]:
    """The sets of tasks to train, ``budget`` of them, the most informative first.

    Every task alone, as gains are over that; then all tasks together; then, where they can be paid for, all pairs
    (without ``size``, or with 2); else sets of ``size`` tasks (a third of them by default, at least two), drawn so that
    every pair occurs about as often (each set takes in turn the task that its members have met least; ties by
    ``seed``), as Li, Nguyen and Zhang (2023) draw subsets for their surrogate. Raises ArrayError for a budget below one
    training a task and one more.

    >>> plan_trainings(("a", "b", "c"), 7)
    [('a',), ('b',), ('c',), ('a', 'b', 'c'), ('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    names = tuple(tasks)
    t = len(names)
    if budget <= t:
        raise ArrayError(
            f"a budget of {budget} trainings does not do: {t} tasks alone and at least one set are needed"
        )
    plan: list[tuple[str, ...]] = [(n,) for n in names]
    if t > 1 and names not in plan:
        plan.append(names)
    pairs = [p for p in combinations(names, 2) if p != names]
    if size in (None, 2) and budget - len(plan) >= len(pairs):
        return plan + pairs
    wide = size or max(2, round(t / 3))
    if not 2 <= wide <= t:
        raise ArrayError(f"size must be 2 to {t}, found {wide}")
    rng, met = np.random.default_rng(seed), np.zeros((t, t))
    seen, tried = set(plan), 0
    while len(plan) < budget and tried < 50 * budget:
        tried += 1
        noise = rng.random((t, t)) * 1e-3
        members = [int(np.argmin(met.sum(axis=0) + noise[0]))]
        while len(members) < wide:
            load = met[members].sum(axis=0) + noise[len(members)]
            load[members] = np.inf
            members.append(int(np.argmin(load)))
        for i, j in combinations(members, 2):
            met[i, j] += 1
            met[j, i] += 1
        chosen = tuple(names[i] for i in sorted(members))
        if chosen not in seen:
            seen.add(chosen)
            plan.append(chosen)
    return plan
