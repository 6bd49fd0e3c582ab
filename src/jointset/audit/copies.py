"""Copies of a task among the tasks: their agreement is no evidence, as an error was copied with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jointset.records import Bools


@dataclass(frozen=True)
class Copies:
    """Groups of tasks that say the same: ``groups`` holds for each its members, and of each member its variables;
    ``doubled`` ``(n,)`` are the rows where two members of a group have a given label.

    There only one member of a group speaks at a time. In other rows all do: where a label is missing, its copy's is the
    best evidence there is.
    """

    groups: tuple[tuple[tuple[int, ...], ...], ...]
    doubled: Bools

    def turns(self, variables: Sequence[int]) -> Iterator[tuple[list[int], set[int]]]:
        """The variables that speak, and those of them that listen; every variable listens in one turn.

        >>> copies = Copies((((0,), (2,)),), np.ones(1, bool))
        >>> list(copies.turns([0, 1, 2]))
        [([0, 1], {0, 1}), ([1, 2], {2})]
        """
        heard: set[int] = set()
        for turn in range(max((len(members) for members in self.groups), default=0)):
            silent = {
                v
                for members in self.groups
                for i, own in enumerate(members)
                if i != min(turn, len(members) - 1)
                for v in own
            }
            speaking = [v for v in variables if v not in silent]
            yield speaking, set(speaking) - heard
            heard |= set(speaking)


def copies_of(
    groups: Sequence[Sequence[str]], variables: Mapping[str, Sequence[int]], known: Mapping[str, Bools]
) -> Copies | None:
    """The copies among tasks, of which ``variables`` are those of each and ``known`` ``(n,)`` the labelled rows.

    >>> rows = {"a": np.array([True, True]), "b": np.array([True, False])}
    >>> copies_of([("a", "b")], {"a": [0], "b": [1]}, rows).doubled
    array([ True, False])
    """
    if not groups:
        return None
    doubled = np.any([np.sum([known[t] for t in g], axis=0) > 1 for g in groups], axis=0)
    return Copies(tuple(tuple(tuple(variables[t]) for t in g) for g in groups), doubled)
