"""TrivialAugment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jointset.augment.policy import Policy
from jointset.augment.search.base import PolicySearch, PolicyTrial
from jointset.records import Floats


class Trivial(PolicySearch):
    """One operation per row, drawn evenly from all, at an even strength (Müller & Hutter 2021): nothing is searched."""

    def policy(self, point: Floats) -> Policy:
        """One operation a row, every row."""
        return dataclasses.replace(self.space.policy(point), number=1, share=1.0)

    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        if trials:
            return None
        return np.concatenate([np.full(self.space.size - 1, 2 / 3), [1.0]]), -1
