"""Population-based search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.augment.search.base import PolicySearch, PolicyTrial
from jointset.records import Floats

AGAIN = 0.25  # chance that a coordinate is drawn anew


class Population(PolicySearch):
    """Members train side by side, piece by piece; the worst go on from the best's weights and policy, perturbed.

    Population-based augmentation (Ho et al. 2019, alg. 1–2): after every piece the lower quarter exploits (copies) the
    upper quarter and explores: a coordinate is drawn anew with chance ¼, else moved by up to a fifth. Deviation: what
    is kept is the best member's last policy, not the schedule that led there.
    """

    pieces = 3

    @property
    def members(self) -> int:
        """Policies that train side by side: as many as whole trainings fit the budget."""
        return max(self.budget - 2, 1)

    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        number, m = len(trials), self.members
        rng = self.rng(number)
        if number < m:
            return rng.random(self.space.size), -1
        start = (number // m - 1) * m
        last, own = trials[start : start + m], trials[number - m]
        order = sorted(last, key=lambda t: t.score)
        quarter = max(1, m // 4)
        if m > 1 and own.number in {t.number for t in order[:quarter]}:
            best = order[-1 - int(rng.integers(quarter))]
            return self._explored(np.array(best.point), rng), best.number
        return np.array(own.point), own.number

    def _explored(self, point: Floats, rng: np.random.Generator) -> Floats:
        moved = np.clip(point + rng.uniform(-0.2, 0.2, len(point)), 0.0, 1.0)
        return np.where(rng.random(len(point)) < AGAIN, rng.random(len(point)), moved)
