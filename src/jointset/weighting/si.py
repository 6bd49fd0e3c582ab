"""The scale-invariant sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import not_negative, stacked

FLOOR = 1e-8


class SI(LossWeighting):
    """The sum of the logarithms of the losses, Σ log L_t, the scale-invariant baseline of Navon et al. 2022.

    arXiv 2202.01017, section 5. A task weighs 1 / L_t, whatever its scale. 10⁻⁸ is added to each loss; a negative
    loss is an error.

    >>> import torch
    >>> SI().step({"a": torch.tensor(1.0), "b": torch.tensor(1.0)}, {})[0].abs() < 1e-6
    tensor(True)
    """

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ log L_t."""
        values = stacked(losses)
        not_negative(values, list(losses), "si")
        return (values + FLOOR).log().sum(), state
