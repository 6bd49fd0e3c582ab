"""Gradient vaccine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.draws import after_step, first_step, generator, visits
from jointset.weighting.state import like

MOST = 0.999


class GradVac(GramianWeighting):
    """The sum of the task gradients, each turned towards the others as far as usual (Wang et al. 2021).

    arXiv 2010.05874, algorithm 1, eq. 2 and 3: gradient i visits the others in random order; where its cosine with
    g_j is below a target φ_ij, a multiple of g_j is added that lifts it there, and the target moves by ``beta``
    towards the cosine that was met. PCGrad is the case of targets that stay zero.

    As in PCGrad, coefficients are followed in the Gramian. Targets are kept within ±0.999, since a multiple grows
    without bound as its target nears 1. The targets are row ``target.TASK`` of the state, its entries by the names of
    all tasks in alphabetical order; the orders follow from ``seed`` and the number of the step.

    >>> import torch
    >>> method = GradVac()
    >>> gramian = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
    >>> method.weigh(gramian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([1.5000, 1.5000])
    """

    def __init__(self, *, beta: float = 0.5, seed: int = 0) -> None:
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is in [0, 1], found {beta}")
        self.beta = beta
        self.seed = seed

    def init(self, tasks: Sequence[str]) -> State:
        """The number of the step, and targets of zero."""
        zeros = torch.zeros(len(tasks), dtype=torch.float64)
        return first_step() | {f"target.{task}": zeros.clone() for task in tasks}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The coefficients of the turned gradients, summed, and the targets moved."""
        found, k = cosines(gramian), len(tasks)
        rows, places = np.arange(k), _places(state, tasks)
        target = np.array([state[f"target.{task}"].cpu().numpy()[places] for task in tasks])  # (k, k)
        coefficients, products = np.eye(k), found.matrix.copy()
        square = np.ones(k)  # of the length of the turned gradients
        for visited in visits(tasks, generator(self.seed, state)).T:
            wanted, length = target[rows, visited], np.sqrt(square)
            cosine = np.clip(products[rows, visited] / length, -1.0, 1.0)
            added = length * _multiple(cosine, wanted)
            coefficients[rows, visited] += added
            square = np.maximum(square + 2 * added * products[rows, visited] + added**2, 1e-12)
            products += added[:, None] * found.matrix[visited]
            met = found.zero | found.zero[visited]
            moved = np.clip((1 - self.beta) * wanted + self.beta * cosine, -MOST, MOST)
            target[rows, visited] = np.where(met, wanted, moved)
        weights = like(found.rows(found.norms @ coefficients), gramian)
        return weights, after_step(_replace(state, tasks, places, target))


def _multiple(cosine: Floats, wanted: Floats) -> Floats:
    """What to add of a unit gradient to a unit gradient so that their cosine is the wanted one, if it is below."""
    sine, wanted_sine = np.sqrt(1 - cosine**2), np.sqrt(1 - wanted**2)
    return np.where(cosine < wanted, wanted * sine / wanted_sine - cosine, 0.0)


def _places(state: State, tasks: Sequence[str]) -> list[int]:
    """Where the tasks stand in a row of targets."""
    names = sorted(key.removeprefix("target.") for key in state if key.startswith("target."))
    index = {name: place for place, name in enumerate(names)}
    return [index[task] for task in tasks]


def _replace(state: State, tasks: Sequence[str], places: list[int], target: Floats) -> State:
    fresh = dict(state)
    for task, row in zip(tasks, target, strict=True):
        moved = state[f"target.{task}"].clone()
        moved[places] = torch.from_numpy(row).to(moved)
        fresh[f"target.{task}"] = moved
    return fresh
