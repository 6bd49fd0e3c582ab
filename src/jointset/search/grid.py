"""Search over a lattice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jointset.errors import ConfigError
from jointset.records import Floats
from jointset.search.base import Search, Trial
from jointset.search.simplex import lattice, lattice_size

FEWEST = 2  # levels


class Grid(Search):
    """The finest lattice of log-weights that the budget can pay for, from equal weights outwards.

    With L levels and K tasks it has ``L**K - (L - 1)**K`` points. Raises :class:`~jointset.errors.ConfigError` when
    even two levels are too many.

    >>> search = Grid(["a", "b"], 5)
    >>> search.length, search.propose([])
    (5, {'a': 1.0, 'b': 1.0})
    """

    def __init__(
        self, tasks: Sequence[str], budget: int, *, span: float = 10.0, seed: int = 0, front: bool = False
    ) -> None:
        super().__init__(tasks, budget, span=span, seed=seed, front=front)
        k = len(self.tasks)
        if lattice_size(k, FEWEST) > budget:
            raise ConfigError(
                f"training.weighting.search: grid of {k} tasks has at least {lattice_size(k, FEWEST)} points, found "
                f"budget {budget}; raise the budget, or take search: bayes"
            )
        self.levels = next(n for n in itertools.count(FEWEST) if lattice_size(k, n + 1) > budget)

    @property
    def length(self) -> int:
        """The points of the lattice."""
        return lattice_size(len(self.tasks), self.levels)

    def _next(self, trials: Sequence[Trial]) -> Floats:
        return lattice(len(self.tasks), self.levels, self.span)[len(trials)]
