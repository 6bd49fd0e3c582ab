"""Dual balancing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import JacobianWeighting, State
from jointset.weighting.state import like, not_negative, read, write

FLOOR = 1e-8


class DBMTL(JacobianWeighting):
    """Gradients of log losses, averaged over steps and brought to one length (Lin et al. 2023, arXiv 2308.12029).

    Algorithm 1: y_i ← β_n y_i + (1 − β_n) ∇ log L_i, y_i = 0 at first, β_n = ``beta`` / n^``decay`` at a task's n-th
    step; the update is Σ α y_i / ‖y_i‖ with α = max_i ‖y_i‖. It needs one more copy of the shared parameters a task.
    10⁻⁸ is added to each loss; a negative loss is an error. The task's own parameters are the caller's: the paper
    trains them on log L_i.

    >>> method = DBMTL(beta=0.0)
    >>> jacobian = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    >>> method.combine(jacobian, torch.tensor([1.0, 8.0]), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([1., 1.])
    """

    along = ("gradient",)

    def __init__(self, *, beta: float = 0.9, decay: float = 0.5) -> None:
        if not 0 <= beta < 1 or not decay >= 0:
            raise ValueError(f"beta is in [0, 1) and decay at least 0, found {beta} and {decay}")
        self.beta = beta
        self.decay = decay

    def init(self, tasks: Sequence[str]) -> State:
        """The steps of each task; the averaged gradients ``gradient.TASK`` come with the first step."""
        return write({}, "steps", tasks, np.zeros(len(tasks)))

    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Σ α y_i / ‖y_i‖."""
        not_negative(losses, tasks, "db_mtl")
        steps = read(state, "steps", tasks) + 1
        kept = like(self.beta / steps**self.decay, jacobian)[:, None]
        logs = jacobian / (losses.to(jacobian)[:, None] + FLOOR)
        held = torch.stack(
            [state.get(f"gradient.{t}", torch.zeros_like(g)) for t, g in zip(tasks, logs, strict=True)]
        ).to(jacobian)
        average = torch.lerp(logs, held, kept)
        norms = average.norm(dim=1)
        weights = torch.where(norms > 0, norms.max() / torch.where(norms > 0, norms, 1.0), 0.0)
        state = write(state, "steps", tasks, steps)
        state |= {f"gradient.{t}": row.clone() for t, row in zip(tasks, average, strict=True)}
        return weights @ average, state
