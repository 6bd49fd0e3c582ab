"""Rows of rare classes drawn more often, without moving the tasks that did not ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jointset.records import Floats, Ints
from jointset.tasks.base import Counts
from jointset.tasks.sampling import factors
from jointset.training.problem import Problem


@dataclass(frozen=True)
class Draws:
    """``rates`` (N,): how often a row is drawn in a pass over its dataset.

    ``shares[task]``, in the form of the weights: how much of that a label is meant to get.
    """

    rates: Floats
    shares: Mapping[str, Floats]


def draws(problem: Problem, counts: Mapping[str, Counts]) -> Draws | None:
    """How rows are drawn when tasks ask for over- or under-sampling; None when none does.

    A row is drawn as often as the most demanding of its labels asks, max over tasks of f_t(y_t), where f is 1 for
    tasks that ask for nothing. A label's loss then weighs f_t(y_t) over the rate (importance sampling), so that every
    task sees its own classes in the proportion that it asked for, whatever the others did: sampling for one task is
    no noise in the audit of another. Shares are at most 1.
    """
    if not any(t.sampling for t in problem.tasks):
        return None
    rates = np.zeros(len(problem.dataset_of), np.float64)
    asked = {}
    for task in problem.tasks:
        labels, weights = problem.labels[task.name], problem.weights[task.name]
        known = (~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0) & (weights > 0)
        wish = np.where(known, _wish(factors(task, counts[task.name]), labels), 0.0)
        rates = np.maximum(rates, wish.max(1) if wish.ndim == 2 else wish)
        asked[task.name] = wish
    rates = np.where(rates > 0, rates, 1.0)
    shares = {n: w / (rates[:, None] if w.ndim == 2 else rates) for n, w in asked.items()}
    return Draws(rates, shares)


def _wish(by_class: Floats, labels: Ints | Floats) -> Floats:
    """The factor of every label, in the shape of ``labels``."""
    if not by_class.size:
        return np.ones(len(labels))
    if by_class.ndim == 1:
        return by_class[labels]
    return np.where(labels == 1, by_class[:, 1], by_class[:, 0])
