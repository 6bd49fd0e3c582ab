"""Stochastic direction-oriented descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor

from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.preference import checked, preference
from jointset.weighting.simplex import project_simplex
from jointset.weighting.state import even_shares, like, shares, with_shares


class SDMGrad(GramianWeighting):
    """The multiple-gradient update, pulled towards a direction (Xiao, Ban & Ji 2023, arXiv 2305.18409, algorithm 1).

    w minimises ½ ‖Jᵀ(w + λ w̃)‖² over the simplex by ``steps`` projected gradient steps from where it was, and the
    weights are (w + λ w̃) / (1 + λ). w̃ is even, or ``weights`` by task, scaled to sum 1; ``pull`` is λ: 0 is MGDA,
    large is w̃.

    In the paper the matrix is J₁J₂ᵀ with the gradients of two independent batches, and the weights apply to a third;
    hand in such a matrix where you have one, or the losses of both as ``second`` of ``backward``; a run hands in the
    halves of each batch. Out of a single batch its diagonal is too large by the variance of the
    gradients, which holds w closer to even. It is divided by the squared mean length of the gradients, as in the
    authors' code, so that ``lr`` means the same at any scale.

    >>> import torch
    >>> method = SDMGrad()
    >>> gramian = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> method.weigh(gramian, torch.ones(2), ["a", "b"], method.init(["a", "b"]))[0]
    tensor([0.5000, 0.5000])
    """

    samples: ClassVar[int] = 2

    def __init__(
        self,
        *,
        pull: float = 0.3,
        weights: Mapping[str, float] | None = None,
        lr: float = 10.0,
        momentum: float = 0.5,
        steps: int = 20,
    ) -> None:
        if not pull >= 0 or not lr > 0 or not 0 <= momentum < 1 or not steps >= 1:
            raise ValueError(
                "pull is at least 0, lr more than 0, momentum in [0, 1), steps at least 1, found "
                f"{pull}, {lr}, {momentum}, {steps}"
            )
        self.pull = pull
        self.weights = checked(weights)
        self.lr = lr
        self.momentum = momentum
        self.steps = steps

    def init(self, tasks: Sequence[str]) -> State:
        """w, even."""
        return even_shares(tasks)

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """(w + λ w̃) / (1 + λ), over the present tasks."""
        matrix, share = gramian.detach().cpu().double().numpy(), shares(state, tasks)
        wanted = preference(self.weights, tasks)
        wanted = wanted / wanted.sum() if wanted.sum() > 0 else np.full(len(tasks), 1.0 / len(tasks))
        size = np.sqrt(np.maximum(matrix.diagonal(), 0.0)).mean() ** 2
        matrix = matrix / size if size > 0 else matrix
        velocity = np.zeros(len(tasks))
        for _ in range(self.steps):
            velocity = self.momentum * velocity + matrix @ (share + self.pull * wanted)
            share = project_simplex(share - self.lr * velocity)
        weights = (share + self.pull * wanted) / (1.0 + self.pull)
        return like(weights, gramian), with_shares(state, tasks, share)
