"""What every search of weights is: trials so far in, the next weights out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jointset.records import Floats


@dataclass(frozen=True)
class Trial:
    """One joint training with given weights.

    ``scores`` are the held-out skills by task, ``score`` what is searched for: their mean, or the target's; ``curve``
    the score after every epoch, of which ``epochs`` is the best. A pruned trial was ended before it stopped by itself.
    """

    number: int
    weights: Mapping[str, float]
    scores: Mapping[str, float]
    score: float
    epochs: int
    curve: tuple[float, ...]
    pruned: bool
    seconds: float


class Search(ABC):
    """Proposes weights for K tasks, at most ``budget`` times; the first proposal is equal weights.

    A proposal is a function of the constructor's arguments and the trials so far, so that a search that was killed
    goes on to the same trials.

    Parameters
    ----------
    tasks : at least two names.
    budget : trials in all.
    span : the largest weight is at most ``span`` times the smallest.
    seed : of the search's own choices.
    front : whether the scores of all tasks count, rather than the one score.
    """

    def __init__(
        self, tasks: Sequence[str], budget: int, *, span: float = 10.0, seed: int = 0, front: bool = False
    ) -> None:
        self.tasks, self.budget, self.span = tuple(tasks), budget, span
        self.seed, self.front = seed, front

    @property
    def length(self) -> int:
        """Trials there will be: the budget, or fewer."""
        return self.budget

    def propose(self, trials: Sequence[Trial]) -> dict[str, float] | None:
        """The next weights by task, of mean 1; ``None`` when the search is over."""
        if len(trials) >= self.length:
            return None
        found = self._next(trials) if trials else np.ones(len(self.tasks))
        return dict(zip(self.tasks, np.round(found, 6).tolist(), strict=True))

    @abstractmethod
    def _next(self, trials: Sequence[Trial]) -> Floats:
        """Weights ``(K,)`` for the trial after ``trials``, of which there is at least one."""
