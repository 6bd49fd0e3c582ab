"""Impartial losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import stacked


class IMTLL(LossWeighting):
    """Losses brought to one scale by learnt factors, Σ exp(s_t) L_t − s_t (Liu et al. 2021, ICLR, section 3.2).

    s_t trains with the model and settles where exp(s_t) L_t = 1; the weights are twice those of uncertainty weighting
    there, and otherwise the same. Meant for positive losses.

    >>> method = IMTLL()
    >>> method.step({"a": torch.tensor(2.0)}, method.init(["a"]))[0].item()
    2.0
    """

    def init(self, tasks: Sequence[str]) -> State:
        """One s_t per task, at 0, to be trained with the model."""
        return {f"log_scale.{name}": torch.zeros((), requires_grad=True) for name in tasks}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ exp(s_t) L_t − s_t."""
        values = stacked(losses)
        log_scale = torch.stack([state[f"log_scale.{name}"] for name in losses]).to(values.device)
        return (log_scale.exp() * values - log_scale).sum(), state
