"""Fast adaptive multitask optimisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import LossWeighting, State
from jointset.weighting.preference import preference
from jointset.weighting.state import like, not_negative, numbers, read, stacked, write

FLOOR = 1e-8
BETAS = (0.9, 0.999)
ENTRIES = ("logit", "mean", "square", "updates", "seen")


class FAMO(LossWeighting):
    """All losses fall at an equal rate, from losses alone (Liu, Feng, Stone & Liu 2023, arXiv 2306.03792, algorithm 1).

    The step minimises c Σ z_t log L_t, z = softmax of the logits, c = 1 / Σ (z_t / L_t). The logits then move by Adam
    along −∇ Σ z_t δ_t, δ_t = log L_t before − log L_t after the step: the tasks that fell least gain weight.

    The losses *after* a step are taken from the next step in which the task is present, on its next batch, which
    costs no forward pass; the noise of the batches averages out over steps. For the authors' losses on the same
    batch, call :meth:`update` with them after the optimizer's step; the next ``step`` then learns nothing more. 10⁻⁸
    is added to each loss less its ``minimum`` (by task, 0 if not named); a loss below it is an error.

    >>> import torch
    >>> method = FAMO()
    >>> state = method.init(["a", "b"])
    >>> losses = {"a": torch.tensor(1.0, requires_grad=True), "b": torch.tensor(4.0, requires_grad=True)}
    >>> method.step(losses, state)[0].backward()
    >>> [round(loss.grad.item(), 3) for loss in losses.values()]
    [0.8, 0.2]
    """

    def __init__(
        self, *, lr: float = 0.025, decay: float = 1e-3, minimum: Mapping[str, float] | None = None
    ) -> None:
        if not lr > 0 or not decay >= 0:
            raise ValueError(f"lr is more than 0 and decay at least 0, found {lr} and {decay}")
        self.lr = lr
        self.decay = decay
        self.minimum = minimum

    def init(self, tasks: Sequence[str]) -> State:
        """Logits, Adam's two means and count, and the last loss of each task, −1 if none waits for its successor."""
        state: State = {}
        for name in ENTRIES:
            state = write(state, name, tasks, np.full(len(tasks), -1.0 if name == "seen" else 0.0))
        return state

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """c Σ z_t log L_t, after the logits have learnt from the losses."""
        values, tasks = self._above(losses), list(losses)
        state = self.update(losses, state)
        shares = _softmax(read(state, "logit", tasks))
        now = numbers(values) + FLOOR
        scale = 1.0 / (shares / now).sum()
        state = write(state, "seen", tasks, now)
        return (like(scale * shares, values) * (values + FLOOR).log()).sum(), state

    def update(self, losses: Mapping[str, Tensor], state: State) -> State:
        """The state after the logits have learnt from losses measured after the step."""
        tasks = list(losses)
        seen = read(state, "seen", tasks)
        if not (seen > 0).any():
            return state
        now = numbers(self._above(losses)) + FLOOR
        fall = np.where(seen > 0, np.log(np.where(seen > 0, seen, 1.0)) - np.log(now), 0.0)
        logit, mean, square, updates, _ = (read(state, name, tasks) for name in ENTRIES)
        shares = _softmax(logit)
        slope = shares * (fall - shares @ fall) + self.decay * logit
        learns = seen > 0
        updates = updates + learns
        mean = np.where(learns, BETAS[0] * mean + (1 - BETAS[0]) * slope, mean)
        square = np.where(learns, BETAS[1] * square + (1 - BETAS[1]) * slope**2, square)
        count = np.maximum(updates, 1.0)
        size = np.sqrt(square / (1 - BETAS[1] ** count)) + 1e-8
        logit = np.where(learns, logit - self.lr * mean / (1 - BETAS[0] ** count) / size, logit)
        for name, entry in zip(
            ENTRIES, (logit, mean, square, updates, np.full(len(tasks), -1.0)), strict=True
        ):
            state = write(state, name, tasks, entry)
        return state

    def _above(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The losses less their minima."""
        values, tasks = stacked(losses), list(losses)
        if self.minimum:
            least = preference({task: self.minimum.get(task, 0.0) for task in tasks}, tasks)
            values = values - like(least, values)
        not_negative(values, tasks, "famo")
        return values


def _softmax(logit: Floats) -> Floats:
    exponential = np.exp(logit - logit.max())
    found: Floats = exponential / exponential.sum()
    return found
