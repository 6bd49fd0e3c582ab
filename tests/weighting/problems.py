"""Gradients, losses and one call for every kind of weighting."""

import numpy as np
import torch
from torch import Tensor

from jointset.weighting import WEIGHTINGS, GramianWeighting, LossWeighting, State, Weighting

ON_LOSSES = [n for n, c in WEIGHTINGS.items() if issubclass(c, LossWeighting)]
ON_GRADIENTS = [n for n in WEIGHTINGS if n not in ON_LOSSES]
ON_THE_GRAMIAN = [n for n, c in WEIGHTINGS.items() if issubclass(c, GramianWeighting)]


def names(k: int) -> list[str]:
    """Task names whose order is not that of the alphabet."""
    return [f"t{(7 * i + 3) % 101}" for i in range(k)]


def gradients(k: int, p: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Gradients (k, p) with a common part, in mild conflict, of lengths between a half and two."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(k, p)) + 0.4 * rng.normal(size=p)
    found *= np.exp(rng.uniform(-0.7, 0.7, (k, 1))) / np.linalg.norm(found, axis=1, keepdims=True)
    return torch.tensor(found, dtype=dtype)


def values(k: int, seed: int = 0) -> Tensor:
    """Positive losses (k,)."""
    return torch.tensor(np.random.default_rng(seed + 99).uniform(0.3, 2.0, k))


def take(
    method: Weighting, jacobian: Tensor, losses: Tensor, tasks: list[str], state: State
) -> tuple[Tensor, State]:
    """The update (p,) of one step, whatever the method has to see, and the next state."""
    if isinstance(method, LossWeighting):
        given = [loss.clone().requires_grad_() for loss in losses]
        total, state = method.step(dict(zip(tasks, given, strict=True)), state)
        return torch.stack(torch.autograd.grad(total, given)) @ jacobian, state
    if isinstance(method, GramianWeighting):
        weights, state = method.weigh(jacobian @ jacobian.T, losses, tasks, state)
        return weights.to(jacobian) @ jacobian, state
    return method.combine(jacobian, losses, tasks, state)


def first(name: str, jacobian: Tensor, losses: Tensor, tasks: list[str], **options: object) -> Tensor:
    """The update of the first step of a fresh method."""
    method = WEIGHTINGS[name](**options)
    return take(method, jacobian, losses, tasks, method.init(tasks))[0]


def run(
    method: Weighting, steps: int, tasks: list[str], state: State, start: int = 0, p: int = 12
) -> list[Tensor]:
    """The updates of some steps of one run, and the last state at the end of the list."""
    found: list = []
    for step in range(start, start + steps):
        update, state = take(method, gradients(len(tasks), p, step), values(len(tasks), step), tasks, state)
        found.append(update)
    return [*found, state]
