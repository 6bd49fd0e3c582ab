"""Conflict-averse gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import Cosines, cosines
from jointset.weighting.nonnegative import solve_nonnegative
from jointset.weighting.simplex import least_norm
from jointset.weighting.state import like

ROUNDS = 100
ENOUGH = 1e-10  # of the radius


class CAGrad(GramianWeighting):
    """The update near the mean gradient that the worst-off task gains most by (Liu et al. 2021, arXiv 2110.14048).

    max_d min_i ⟨g_i, d⟩ over ‖d − g_0‖ ≤ c ‖g_0‖, g_0 the mean gradient (eq. 3, algorithm 1). With x = w · radius /
    ‖g_w‖ for the paper's w, the update is g_0 + Σ x_i g_i, so the weights are 1/k + x. ``c = 0`` is the mean, and as
    c grows the update turns to that of MGDA; below 1 it converges to a minimum of the mean loss.

    x solves min ½ xᵀGx + (b − μ1)ᵀx over x ≥ 0, b_i = ⟨g_i, g_0⟩, for the μ that gives it the length of the radius.
    On a given set of free variables that μ is the root of a square, so we alternate between the two and are exact
    after a few rounds; the paper and its code minimise over w with a general solver. Where gradients of the tasks can
    cancel out, all d with min_i ⟨g_i, d⟩ = 0 are optimal, and we take the one nearest to g_0.

    >>> import torch
    >>> CAGrad(c=0.5).weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([1.0590, 0.5000])
    """

    def __init__(self, *, c: float = 0.5) -> None:
        if not c >= 0:
            raise ValueError(f"c is the radius over the length of the mean gradient, at least 0, found {c}")
        self.c = c

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """1/k + x."""
        found = cosines(gramian)
        mean = np.where(found.zero, 0.0, found.norms) / len(tasks)
        toward = found.matrix @ mean  # ⟨g_i, g_0⟩ / ‖g_i‖
        radius = self.c * np.sqrt(max(float(mean @ toward), 0.0))
        added = found.rows(_ascent(found, toward, radius)) if radius > 0 else np.zeros(len(tasks))
        return like(1.0 / len(tasks) + added, gramian), state


def _ascent(gradients: Cosines, toward: Floats, radius: float) -> Floats:
    """x in unit gradients, ``(k,)``; ``toward`` holds ⟨g_i, g_0⟩ / ‖g_i‖."""
    matrix = gradients.raised()
    price = np.where(gradients.zero, 0.0, 1.0 / gradients.norms)
    hull = least_norm(gradients) * gradients.norms
    shortest = float(hull @ gradients.matrix @ hull)
    high = float(hull @ toward) + radius * np.sqrt(shortest)  # the gain of any w bounds μ from above
    if shortest <= gradients.noise * float(hull @ hull):
        x, high = solve_nonnegative(matrix, toward[None])[0], 0.0
        if x @ matrix @ x <= radius**2:
            return x
    low = float((toward[~gradients.zero] * gradients.norms[~gradients.zero]).min())  # where x becomes zero
    gain = high
    for _ in range(ROUNDS):
        x = solve_nonnegative(matrix, (toward - gain * price)[None])[0]
        length = np.sqrt(float(x @ matrix @ x))
        if abs(length - radius) <= ENOUGH * radius:
            break
        low, high = (gain, high) if length < radius else (low, gain)
        gain = _root(matrix, toward, price, x > 0.0, radius)
        if not low < gain < high:
            gain = (low + high) / 2
    return x


def _root(matrix: Floats, toward: Floats, price: Floats, free: np.ndarray, radius: float) -> float:
    """The μ at which x has the length of the radius if the free variables stay free; NaN if there is none."""
    if not free.any():
        return float("nan")
    both = np.linalg.solve(matrix[np.ix_(free, free)], np.stack([price[free], toward[free]], axis=1))
    a, b, c = price[free] @ both[:, 0], price[free] @ both[:, 1], toward[free] @ both[:, 1]
    inside = b * b - a * (c - radius * radius)
    return float((b + np.sqrt(inside)) / a) if inside >= 0 else float("nan")
