"""Uncertainty weighting."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import like, stacked


class Uncertainty(LossWeighting):
    """Weights from learnt homoscedastic uncertainty (Kendall, Gal & Cipolla 2018, arXiv 1705.07115, eq. 7 and 10).

    With s_t = log σ_t², a classification contributes exp(−s_t) L_t + s_t / 2 (eq. 10). So does a regression whose L_t
    is half the squared error (eq. 7), as jointset's is; name those whose loss is the whole squared error in
    ``squared``, and they contribute exp(−s_t) L_t / 2 + s_t / 2. Only tasks with a labelled row in the batch move
    their s_t. The weight settles at 1 / 2L_t (1 / L_t for the squared ones), so losses have to stay positive.

    >>> weighting = Uncertainty()
    >>> state = weighting.init(["a"])
    >>> weighting.step({"a": torch.tensor(2.0)}, state)[0].item()
    2.0
    """

    def __init__(self, *, squared: Collection[str] = ()) -> None:
        self.squared = squared

    def init(self, tasks: Sequence[str]) -> State:
        """One log-variance per task, at 0 (σ = 1), to be trained with the model."""
        return {f"log_variance.{name}": torch.zeros((), requires_grad=True) for name in tasks}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ exp(−s_t) L_t + s_t / 2, with L_t halved where it is a whole square."""
        values = stacked(losses)
        log_variance = torch.stack([state[f"log_variance.{name}"] for name in losses]).to(values.device)
        share = like(np.array([0.5 if name in self.squared else 1.0 for name in losses]), values)
        return (torch.exp(-log_variance) * share * values + log_variance / 2).sum(), state
