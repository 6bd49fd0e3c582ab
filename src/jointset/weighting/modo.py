"""Double sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.simplex import project_simplex
from jointset.weighting.state import even_shares, like, shares, with_shares


class MoDo(GramianWeighting):
    """The multiple-gradient weights, approached by a step per batch (Chen et al. 2023, arXiv 2305.20057, algorithm 1).

    λ ← Π(λ − γ (G + ρI) λ), Π onto the simplex. In the paper G = J₁J₂ᵀ with the gradients of two independent batches,
    so that it is right on average; hand in such a matrix where you have one, or the losses of both as ``second`` of
    ``backward``; a run hands in the halves of each batch. Out of a single batch its diagonal is
    too large by the variance of the gradients, which holds λ closer to even (the more so for noisy tasks), like a
    ``rho`` of that size. ``gamma`` multiplies squared gradients and has to fit their scale.

    >>> import torch
    >>> method = MoDo(rho=0.0)
    >>> gramian = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> method.weigh(gramian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([0.5500, 0.4500])
    """

    samples: ClassVar[int] = 2

    def __init__(self, *, gamma: float = 0.1, rho: float = 0.1) -> None:
        if not gamma > 0 or not rho >= 0:
            raise ValueError(f"gamma is more than 0 and rho at least 0, found {gamma} and {rho}")
        self.gamma = gamma
        self.rho = rho

    def init(self, tasks: Sequence[str]) -> State:
        """λ, even."""
        return even_shares(tasks)

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """λ after its step, over the present tasks."""
        matrix, share = gramian.detach().cpu().double().numpy(), shares(state, tasks)
        share = project_simplex(share - self.gamma * (matrix @ share + self.rho * share))
        return like(share, gramian), with_shares(state, tasks, share)
