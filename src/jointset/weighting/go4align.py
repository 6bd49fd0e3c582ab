"""Alignment of tasks in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from jointset.records import Floats
from jointset.weighting.base import LossWeighting, State
from jointset.weighting.state import like, not_negative, numbers, read, stacked, write

FLOOR = 1e-8


class GO4Align(LossWeighting):
    """One weight for each group of tasks that run alike (Shen et al. 2024, arXiv 2404.06486).

    A task's indicator is p_t Σ_j L_j / L_t: losses are brought to one scale, and p_t, which starts even and is
    multiplied by exp(−``rate`` · L_t) at every step, remembers its risk. The indicators are clustered into ``groups``
    by k-means, and each task weighs the mean of its cluster.

    Follows the authors' published code where the paper leaves the choice open. k-means on a line is solved exactly, by
    dynamic programming over the sorted indicators, where they start at random. 10⁻⁸ is added to each loss; a negative
    loss is an error.

    >>> import torch
    >>> method = GO4Align(groups=2)
    >>> losses = {"a": torch.tensor(1.0), "b": torch.tensor(1.0), "c": torch.tensor(4.0)}
    >>> round(method.step(losses, method.init(list(losses)))[0].item(), 2)
    6.0
    """

    def __init__(self, *, groups: int = 2, rate: float = 1e-4) -> None:
        if not groups >= 1 or not rate >= 0:
            raise ValueError(f"groups is at least 1 and rate at least 0, found {groups} and {rate}")
        self.groups = groups
        self.rate = rate

    def init(self, tasks: Sequence[str]) -> State:
        """log p_t, of which only differences matter."""
        return write({}, "log_share", tasks, np.zeros(len(tasks)))

    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Σ of the losses, each weighed by its group's mean indicator."""
        values, tasks = stacked(losses), list(losses)
        not_negative(values, tasks, "go4align")
        now = numbers(values) + FLOOR
        log_share = read(state, "log_share", tasks) - self.rate * now
        shares = np.exp(log_share - log_share.max())
        indicators = now.sum() / now * shares / shares.sum()
        weights = like(group_means(indicators, self.groups), values)
        return (weights * values).sum(), write(state, "log_share", tasks, log_share)


def group_means(values: Floats, groups: int) -> Floats:
    """Each value replaced by the mean of its cluster, ``(k,)``, for the best k-means on a line (Wang & Song 2011).

    >>> group_means(np.array([1.0, 9.0, 2.0, 9.0]), 2).tolist()
    [1.5, 9.0, 1.5, 9.0]
    """
    k, order = len(values), np.argsort(values, kind="stable")
    line = values[order]
    count = np.arange(k + 1)
    sums, squares = np.concatenate([[0.0], np.cumsum(line)]), np.concatenate([[0.0], np.cumsum(line**2)])
    size = np.maximum(count - count[:, None], 1)
    cost = (
        squares - squares[:, None] - (sums - sums[:, None]) ** 2 / size
    )  # [i, j]: of line[i:j] in one cluster
    cost = np.where(count > count[:, None], np.maximum(cost, 0.0), np.inf)
    best, starts = cost[0].copy(), []
    for _ in range(min(groups, k) - 1):
        through = best[:, None] + cost
        starts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    means, end = np.empty(k), k
    for start in [*(s for s in reversed(starts)), np.zeros(k + 1, dtype=int)]:
        begin = int(start[end])
        means[begin:end] = line[begin:end].mean()
        end = begin
    found = np.empty(k)
    found[order] = means
    return found
