"""Momentum against the bias of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from jointset.weighting.base import JacobianWeighting, State
from jointset.weighting.simplex import project_simplex
from jointset.weighting.state import even_shares, like, numbers, read, shares, with_shares, write


class MoCo(JacobianWeighting):
    """Multiple-gradient weights of gradients that are averaged over steps (Fernando et al. 2023, ICLR).

    arXiv 2210.12624, algorithm 1: y_i ← y_i + β_n (g_i − y_i) follows the task's true gradient, λ ← Π(λ − γ_n (YYᵀ +
    ρI) λ) the weights on the simplex, and the update is Σ λ_i y_i. β_n = ``beta`` / n^``beta_decay`` at a task's n-th
    step, and likewise γ_n. It needs no second batch, but one more copy of the shared parameters a task.

    ``normalize`` first gives g_i the length of the loss, as in the code the authors share, so that γ does not depend on
    the scale of the gradients; the projection is the paper's, where that code takes a softmax.

    >>> method = MoCo(beta=1.0, normalize=False)
    >>> jacobian = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> method.combine(jacobian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([0.5000, 0.5000])
    """

    along = ("gradient",)

    def __init__(
        self,
        *,
        beta: float = 0.5,
        beta_decay: float = 0.5,
        gamma: float = 0.1,
        gamma_decay: float = 0.5,
        rho: float = 0.0,
        normalize: bool = True,
    ) -> None:
        if not 0 < beta <= 1 or not gamma > 0:
            raise ValueError(f"beta is in (0, 1] and gamma more than 0, found {beta} and {gamma}")
        if not all(value >= 0 for value in (beta_decay, gamma_decay, rho)):
            raise ValueError(
                f"beta_decay, gamma_decay and rho are at least 0, found {beta_decay}, {gamma_decay} and {rho}"
            )
        self.beta = beta
        self.beta_decay = beta_decay
        self.gamma = gamma
        self.gamma_decay = gamma_decay
        self.rho = rho
        self.normalize = normalize

    def init(self, tasks: Sequence[str]) -> State:
        """λ, even, and the steps of each task; the followed gradients ``gradient.TASK`` come with the first step."""
        return even_shares(tasks) | write({}, "steps", tasks, np.zeros(len(tasks)))

    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Σ λ_i y_i."""
        steps = read(state, "steps", tasks) + 1
        if self.normalize:
            norms = jacobian.norm(dim=1, keepdim=True)
            size = losses.to(jacobian).abs()[:, None]
            jacobian = jacobian * torch.where(norms > 0, size / torch.where(norms > 0, norms, 1.0), 0.0)
        followed = torch.stack(
            [state.get(f"gradient.{t}", torch.zeros_like(g)) for t, g in zip(tasks, jacobian, strict=True)]
        ).to(jacobian)
        followed = torch.lerp(followed, jacobian, like(self.beta / steps**self.beta_decay, jacobian)[:, None])
        share, rate = shares(state, tasks), self.gamma / steps**self.gamma_decay
        slope = numbers(followed @ (followed.T @ like(share, jacobian))) + self.rho * share
        share = project_simplex(share - rate * slope)
        state = with_shares(write(state, "steps", tasks, steps), tasks, share)
        state |= {f"gradient.{t}": row.clone() for t, row in zip(tasks, followed, strict=True)}
        return like(share, jacobian) @ followed, state
