"""Dropped signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import JacobianWeighting, State
from jointset.weighting.draws import after_step, first_step, step_of
from jointset.weighting.preference import preference
from jointset.weighting.state import like


class GradDrop(JacobianWeighting):
    """One sign for each coordinate, drawn by how pure it is (Chen et al. 2020, arXiv 2010.06808, algorithm 1, eq. 1).

    With the purity P = ½ (1 + Σ g / Σ |g|) of a coordinate, only the positive entries stay with probability P, and
    only the negative ones otherwise; of the rest a task keeps the part ``leak`` (0, or by task).

    Works on the coordinates of whatever gradients it is given. The paper masks the gradient at one layer of features,
    after multiplying by the sign of the features; at the parameters there is no such sign. Draws follow from ``seed``
    and the number of the step, on one kind of device.

    >>> method = GradDrop()
    >>> jacobian = torch.tensor([[1.0, 1.0], [3.0, -1.0]])
    >>> update, _ = method.combine(jacobian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))
    >>> update[0].item(), abs(update[1].item())
    (4.0, 1.0)
    """

    def __init__(self, *, leak: Mapping[str, float] | None = None, seed: int = 0) -> None:
        for task, part in (leak or {}).items():
            if not 0 <= part <= 1:
                raise ValueError(f"leak is the part that stays, in [0, 1], found {part} for {task!r}")
        self.leak = leak
        self.seed = seed

    def init(self, tasks: Sequence[str]) -> State:
        """The number of the step."""
        return first_step()

    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The sum of what is kept of each gradient."""
        random = torch.Generator(jacobian.device)
        random.manual_seed(int(np.random.SeedSequence([self.seed, step_of(state)]).generate_state(1)[0]))
        total = jacobian.abs().sum(0)
        purity = 0.5 * (1 + jacobian.sum(0) / torch.where(total > 0, total, torch.ones_like(total)))
        drawn = torch.rand(purity.shape, generator=random, device=jacobian.device, dtype=jacobian.dtype)
        positive = purity > drawn
        kept = torch.where(positive, jacobian.clamp_min(0), jacobian.clamp_max(0)).sum(0)
        if self.leak:
            part = like(preference({task: self.leak.get(task, 0.0) for task in tasks}, tasks), jacobian)
            kept = kept + part @ torch.where(positive, jacobian.clamp_max(0), jacobian.clamp_min(0))
        return kept, after_step(state)
