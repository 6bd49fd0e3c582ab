"""Uncertainty weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from jointset.weighting.base import LossWeighting, State


class Uncertainty(LossWeighting):
    """Weights from learnt homoscedastic uncertainty (Kendall, Gal & Cipolla 2018, eq. 7 and 10).

    With s_t = log σ_t², a classification contributes exp(−s_t) L_t + s_t / 2; a regression, whose L_t is half the
    squared error, contributes exp(−s_t) L_t + s_t / 2 as well (eq. 5), so one form serves both. Only tasks with a
    labelled row in the batch move their s_t.

    >>> weighting = Uncertainty()
    >>> state = weighting.init(["a"])
    >>> weighting.step({"a": torch.tensor(2.0)}, state)[0].item()
    2.0
    """

    def init(self, tasks: Sequence[str]) -> State:
        """One log-variance per task, at 0 (σ = 1)."""
        return {f"log_variance.{name}": torch.zeros((), requires_grad=True) for name in tasks}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ exp(−s_t) L_t + s_t / 2."""
        terms = [
            torch.exp(-state[f"log_variance.{name}"]) * loss + state[f"log_variance.{name}"] / 2
            for name, loss in losses.items()
        ]
        return sum(terms[1:], start=terms[0]), state
