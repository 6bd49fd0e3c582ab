"""RandAugment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jointset.augment.policy import Policy
from jointset.augment.search.base import PolicySearch, PolicyTrial
from jointset.records import Floats

GRID = [(2, 0.5), (1, 0.5), (2, 1.0), (3, 0.5), (2, 0.25), (1, 1.0), (3, 1.0), (1, 0.25), (3, 0.25)]
GRID += [(2, 0.75), (1, 0.75), (3, 0.75)]  # (N, M), from the middle outwards


class RandAugment(PolicySearch):
    """A grid over N operations a row and one common strength M (Cubuk et al. 2020), the middle of the grid first."""

    def policy(self, point: Floats) -> Policy:
        """The point's strengths, with N read off its last coordinate."""
        return dataclasses.replace(self.space.policy(point), number=round(3 * float(point[-1])), share=0.9)

    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        if len(trials) >= len(GRID):
            return None
        number, strength = GRID[len(trials)]
        return np.concatenate([np.full(self.space.size - 1, strength), [number / 3]]), -1
