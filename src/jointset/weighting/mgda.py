"""Multiple-gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.simplex import least_norm
from jointset.weighting.state import like, numbers

Normalize = Literal["none", "l2", "loss", "loss+"]


class MGDA(GramianWeighting):
    """The shortest convex combination of the task gradients (Désidéri 2012; Sener & Koltun 2018).

    arXiv 1810.04650, eq. 3: min ‖Σ w_i g_i‖² over w ≥ 0, Σ w_i = 1. No task loses by the update, and it is zero
    exactly at a Pareto-stationary point. The short gradients get the weight: a task that is done stops all others.
    ``normalize`` divides the gradients first, as the second paper's code does: by their norm (``"l2"``), by the loss,
    or by both (``"loss+"``); the weights still multiply the gradients as they are.

    Solved exactly by pivoting, where the papers' Frank-Wolfe iteration stops within 10⁻³ or so. A zero gradient would
    be a solution by itself; it gets weight zero instead.

    >>> import torch
    >>> MGDA().weigh(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2), ["a", "b"], {})[0]
    tensor([0.8000, 0.2000])
    """

    def __init__(self, *, normalize: Normalize = "none") -> None:
        if normalize not in ("none", "l2", "loss", "loss+"):
            raise ValueError(f"normalize is none, l2, loss or loss+, found {normalize!r}")
        self.normalize = normalize

    def init(self, tasks: Sequence[str]) -> State:
        """No state."""
        return {}

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The minimiser w."""
        found = cosines(gramian)
        divisor = self._divisor(found.norms, np.abs(numbers(losses)))
        return like(least_norm(replace(found, norms=found.norms / divisor)), gramian), state

    def _divisor(self, norms: Floats, sizes: Floats) -> Floats:
        """What each gradient is divided by, ``(k,)``."""
        divisor = {"none": np.ones_like(norms), "l2": norms, "loss": sizes, "loss+": sizes * norms}
        chosen = divisor[self.normalize]
        return np.where(chosen > 0, chosen, 1.0)
