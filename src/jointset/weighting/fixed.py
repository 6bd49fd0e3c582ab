"""Fixed weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.preference import checked, preference
from jointset.weighting.state import like, stacked


class Fixed(LossWeighting):
    """The weighted sum of the task losses, Σ ω_t L_t, with ω_t given; a task that is not named has ω_t = 1.

    >>> import torch
    >>> Fixed({"b": 0.5}).step({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, {})[0]
    tensor(2.)
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.weights = dict(checked(weights) or {})

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ ω_t L_t."""
        values = stacked(losses)
        return (like(preference(self.weights, list(losses)), values) * values).sum(), state
