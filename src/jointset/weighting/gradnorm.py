"""Gradient normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import GramianWeighting, State
from jointset.weighting.cosines import cosines
from jointset.weighting.state import like, numbers, read, write


class GradNorm(GramianWeighting):
    """Weights that bring the gradients to one length, longer for slower tasks (Chen et al. 2018, arXiv 1711.02257).

    The weights w move down Σ |w_i ‖g_i‖ − mean_j(w_j ‖g_j‖) r_i^α| with the second term held fixed (eq. 2), where r_i
    is L_i / L_i(0) over its mean. ``alpha`` is the pull towards a common rate of training.

    The norms are those of the Gramian, hence of all shared parameters or of the features, where the paper takes the
    last shared layer. w = k softmax of logits, which replaces the paper's renormalisation to Σ w = k and keeps w
    positive; the logits take gradient steps of ``lr``, on the objective over the mean length, so that ``lr`` means
    the same at any scale. L_i(0) is the first loss of a task. A negative ratio of losses counts as zero.

    >>> import torch
    >>> method = GradNorm()
    >>> state = method.init(["a", "b"])
    >>> gramian, losses = torch.tensor([[1.0, 0.0], [0.0, 4.0]]), torch.ones(2)
    >>> weights, state = method.weigh(gramian, losses, ["a", "b"], state)
    >>> weights
    tensor([1.0250, 0.9750])
    """

    def __init__(self, *, alpha: float = 1.5, lr: float = 0.025) -> None:
        if not lr > 0 or not alpha >= 0:
            raise ValueError(f"alpha is at least 0 and lr more than 0, found {alpha} and {lr}")
        self.alpha = alpha
        self.lr = lr

    def init(self, tasks: Sequence[str]) -> State:
        """A logit for each task, its first loss, and whether it has been seen."""
        state: State = {}
        for name in ("logit", "first", "seen"):
            state = write(state, name, tasks, np.zeros(len(tasks)))
        return state

    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """k softmax of the logits, after their step."""
        found, now = cosines(gramian), numbers(losses)
        first = np.where(read(state, "seen", tasks) > 0, read(state, "first", tasks), now)
        logit = read(state, "logit", tasks)
        ratio = np.maximum(now / np.where(first == 0.0, 1.0, first), 0.0)
        rate = ratio / ratio.mean() if ratio.mean() > 0 else np.ones(len(tasks))
        logit = logit - self.lr * self._slope(logit, np.where(found.zero, 0.0, found.norms), rate)
        state = write(write(state, "first", tasks, first), "seen", tasks, np.ones(len(tasks)))
        state = write(state, "logit", tasks, logit)
        return like(_weights(logit), gramian), state

    def _slope(self, logit: Floats, norms: Floats, rate: Floats) -> Floats:
        """The gradient of the objective over the mean length in the logits."""
        weights = _weights(logit)
        lengths = weights * norms
        mean = lengths.mean()
        if mean <= 0:
            return np.zeros_like(lengths)
        pull = np.sign(lengths - mean * rate**self.alpha) * lengths / mean
        return pull - pull.sum() * weights / len(weights)


def _weights(logit: Floats) -> Floats:
    exponential = np.exp(logit - logit.max())
    found: Floats = len(logit) * exponential / exponential.sum()
    return found
