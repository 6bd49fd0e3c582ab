"""Equal weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import stacked


class Equal(LossWeighting):
    """The plain sum of the task losses, Σ L_t.

    >>> import torch
    >>> Equal().step({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, {})[0]
    tensor(3.)
    """

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ L_t."""
        return stacked(losses).sum(), state
