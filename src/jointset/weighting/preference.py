"""Weights that the user gives the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jointset.records import Floats


def preference(weights: Mapping[str, float] | None, tasks: Sequence[str]) -> Floats:
    """The weight of each task, ``(k,)``; 1 for a task that is not named.

    >>> preference({"b": 0.5}, ["a", "b"])
    array([1. , 0.5])
    """
    named = weights or {}
    return np.array([float(named.get(task, 1.0)) for task in tasks])


def checked(weights: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """The weights by task; ValueError for one that is below 0 or no number.

    >>> checked({"a": -1.0})
    Traceback (most recent call last):
        ...
    ValueError: a task's weight is a number, at least 0, found -1.0 for 'a'
    """
    for task, weight in (weights or {}).items():
        if not 0 <= weight < np.inf:
            raise ValueError(f"a task's weight is a number, at least 0, found {weight} for {task!r}")
    return weights


def mean_preference(weights: Mapping[str, float] | None, tasks: Sequence[str]) -> Floats:
    """The weight of each task over the number of tasks that are present, ``(k,)``: 1/k each if none is given."""
    return preference(weights, tasks) / max(len(tasks), 1)
