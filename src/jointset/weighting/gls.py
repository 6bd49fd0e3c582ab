"""The geometric mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import not_negative, stacked

FLOOR = 1e-8


class GLS(LossWeighting):
    """The geometric mean of the losses, (Π L_t)^(1/k) (Chennupati et al. 2019, arXiv 1904.08492).

    Its gradient is that mean times the mean of ∇L_t / L_t: the scales of the losses do not matter, and a loss near zero
    stills all others. 10⁻⁸ is added to each loss, so that a zero is no infinity; a negative loss is an error.

    >>> import torch
    >>> GLS().step({"a": torch.tensor(1.0), "b": torch.tensor(4.0)}, {})[0]
    tensor(2.)
    """

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """(Π L_t)^(1/k)."""
        values = stacked(losses)
        not_negative(values, list(losses), "gls")
        return (values + FLOOR).log().mean().exp(), state
