"""Random choices of the methods, which follow from a seed and the number of the step, kept in the state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from jointset.records import Ints
from jointset.weighting.base import State

STEP = "step"


def first_step() -> State:
    """The state of a method that draws and keeps nothing else."""
    return {STEP: torch.zeros((), dtype=torch.int64)}


def step_of(state: State) -> int:
    """The number of steps taken."""
    return int(state[STEP].item())


def after_step(state: State) -> State:
    """The state one step on."""
    return {**state, STEP: state[STEP] + 1}


def generator(seed: int, state: State) -> np.random.Generator:
    """The random numbers of this step.

    >>> bool(generator(0, first_step()).random() == generator(0, first_step()).random())
    True
    """
    return np.random.default_rng([seed, step_of(state)])


def by_name(tasks: Sequence[str]) -> Ints:
    """The places of the tasks in the order of their names, so that a draw belongs to a task, not to its place."""
    return np.argsort(np.array(tasks))


def visits(tasks: Sequence[str], rng: np.random.Generator) -> Ints:
    """For each task, all others in random order, ``(k, k − 1)``.

    >>> visits(["a", "b"], np.random.default_rng(0)).tolist()
    [[1], [0]]
    """
    k, order = len(tasks), by_name(tasks)
    others = np.arange(k - 1) + (np.arange(k - 1) >= np.arange(k)[:, None])  # (k, k − 1)
    drawn = np.empty((k, k - 1), dtype=np.int64)
    drawn[order] = order[rng.permuted(others, axis=1)]
    return drawn
