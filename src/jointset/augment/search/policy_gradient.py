"""A learnt sampler of policies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jointset.augment.search.base import PolicySearch, PolicyTrial
from jointset.records import Floats, Ints

LEVELS = np.array([0.0, 0.2, 0.4, 0.7, 1.0])
RATE = 1.0  # of the steps on the logits, for advantages in standard deviations


class PolicyGradient(PolicySearch):
    """REINFORCE (Williams 1992) over one categorical level per coordinate, rewarded by the held-out score.

    After AutoAugment (Cubuk et al. 2019) with independent choices in the place of its recurrent controller, which a
    dozen rewards could not train. The baseline is the mean reward; the sampler is rebuilt from the trials, each of
    which moves the logits of the levels that it drew by its advantage.
    """

    def logits(self, trials: Sequence[PolicyTrial]) -> Floats:
        """What the sampler has learnt, ``(size, levels)``."""
        found = np.zeros((self.space.size, len(LEVELS)))
        if len(trials) < 2:
            return found
        reward = np.array([t.score for t in trials])
        advantage = (reward - reward.mean()) / max(float(reward.std()), 1e-9)
        for trial, a in zip(trials, advantage, strict=True):
            drawn = _levels(np.array(trial.point))
            p = _softmax(found)
            gradient = -p
            gradient[np.arange(len(drawn)), drawn] += 1.0
            found += RATE * a * gradient
        return found

    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        rng = self.rng(len(trials))
        draw = (self.logits(trials) + rng.gumbel(size=(self.space.size, len(LEVELS)))).argmax(1)
        return LEVELS[draw], -1


def _levels(point: Floats) -> Ints:
    return np.asarray(np.abs(point[:, None] - LEVELS).argmin(1))


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))
