"""Held-out rows that the training rows know: they judge no repair, and no score is told without saying so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jointset.audit.leakage import Leaks
from jointset.records import Bools, Ints
from jointset.rundir import RunDirectory
from jointset.training.checkpoint import save_arrays

COPIES, GROUPS = "copies", "groups"


@dataclass(frozen=True, eq=False)
class Leaked:
    """``copies`` ``(N,)`` marks held-out rows with a copy or near-copy among the training rows, ``groups`` ``(N,)``
    those whose group is there as well."""

    copies: Bools
    groups: Bools

    @classmethod
    def of(cls, leaks: Leaks) -> Leaked | None:
        """What the audit found; ``None`` where it found nothing."""
        copies = leaks.leaked | leaks.near
        return cls(copies, leaks.shared) if (copies | leaks.shared).any() else None

    def among(self, rows: Ints) -> Mapping[str, Bools]:
        """The marks of some rows ``(m,)``, by what they share with the training rows.

        >>> marks = Leaked(np.array([True, False]), np.array([False, False])).among(np.array([1, 0]))
        >>> {what: mark.tolist() for what, mark in marks.items()}
        {'copies': [False, True], 'groups': [False, False]}
        """
        return {COPIES: self.copies[rows], GROUPS: self.groups[rows]}


def noted(run: RunDirectory, leaks: Leaks) -> Leaked | None:
    """What the audit found, kept with the run for the rounds and the scores of later sittings."""
    found = Leaked.of(leaks)
    if found is not None:
        save_arrays(run.leaked, {COPIES: found.copies, GROUPS: found.groups})
    return found


def read(run: RunDirectory) -> Leaked | None:
    """The marks that were kept; ``None`` where the audit has found no leak, or has not looked yet."""
    if not run.leaked.is_file():
        return None
    with np.load(run.leaked, allow_pickle=False) as stored:
        return Leaked(stored[COPIES], stored[GROUPS])
