"""Leaks between splits: held-out rows that stand, as they are or nearly, in the training rows, and groups on both
sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.duplicates.base import Pairs
from jointset.audit.findings import Checked, Findings, as_codes, ended
from jointset.errors import ArrayError
from jointset.records import TRAIN, Bools, Ints


@dataclass(frozen=True, repr=False)
class Leaks(Checked):
    """``leaked`` ``(n,)`` marks held-out rows that have an exact copy in the training rows, ``near`` those that have a
    near-copy only, ``source`` the training rows that either is a copy of, and ``shared`` held-out rows whose group is
    in the training rows, too."""

    leaked: Bools
    near: Bools
    source: Bools
    shared: Bools


def find_leaks(
    split: ArrayLike, *, exact: ArrayLike, pairs: Pairs | None = None, groups: ArrayLike | None = None
) -> Leaks:
    """Find what the held-out rows share with the training rows.

    ``split`` ``(n,)`` is 0 for train and anything else for held out; ``exact`` ``(n,)`` numbers groups of equal rows
    and ``pairs`` are near-copies, both as ``find_duplicates`` gives them; ``groups`` ``(n,)`` are what must stay on one
    side (patients, authors), None where a row has none. Codes: ``leaked_copy`` and ``leaked_near_copy`` of held-out
    rows, ``leak_source`` of the training rows that they are copies of, ``leaked_group`` by group. Raises
    ``ArrayError``.

    >>> found = find_leaks([0, 0, 2], exact=[0, 1, 0])
    >>> found.leaked.tolist(), found.source.tolist()
    ([False, False, True], [True, False, False])
    """
    held, equal = np.asarray(split) != TRAIN, np.asarray(exact)
    n = len(held)
    if held.shape != (n,) or equal.shape != (n,):
        raise ArrayError(
            f"split and exact must be (n,) of the same rows, found {held.shape} and {equal.shape}"
        )
    if not held.any() or held.all():
        side = "training" if held.all() else "held-out"
        none = np.zeros(n, bool)
        return Leaks(
            "not applicable",
            f"there are no {side} rows",
            Findings.empty(),
            {"rows": n},
            none,
            none,
            none,
            none,
        )
    in_train, in_held = (np.bincount(equal[m], minlength=equal.max() + 1) > 0 for m in (~held, held))
    leaked, source = held & in_train[equal], ~held & in_held[equal]
    near, near_source, likeness = _near(held, leaked, pairs)
    findings = [
        _pointing("leaked_copy", leaked, equal, source),
        _near_findings(near, likeness),
        _pointing("leak_source", source, equal, leaked),
        _near_findings(near_source & ~source, likeness, "leak_source"),
    ]
    shared, by_group, n_groups = _groups(held, groups)
    found = Findings.concat([*findings, by_group])
    facts = {
        "held_out": int(held.sum()),
        "leaked": int(leaked.sum()),
        "leaked_near": int(near.sum()),
        "sources": int((source | near_source).sum()),
        "shared_groups": n_groups,
        "held_out_in_shared_groups": int(shared.sum()),
    }
    outcome, reason = ended(
        found,
        f"{facts['leaked']:,} of {facts['held_out']:,} held-out rows stand in the training rows, "
        f"{facts['leaked_near']:,} more nearly do; {n_groups:,} groups are on both sides",
        "no held-out row or group stands in the training rows",
    )
    return Leaks(outcome, reason, found, facts, leaked, near, source | near_source, shared)


def _pointing(code: str, rows: Bools, group: Ints, partners: Bools) -> Findings:
    """Findings on ``rows``, each with the first of ``partners`` in its group."""
    index = np.flatnonzero(rows)
    where = np.flatnonzero(partners)[::-1]
    first = np.full(int(group.max(initial=-1)) + 1, -1, np.int64)
    first[group[where]] = where
    evidence = [{"copy_of": int(i)} for i in first[group[index]]]
    return Findings.of(code, rows=index, scores=np.zeros(len(index)), evidence=evidence)


def _near(
    held: Bools, leaked: Bools, pairs: Pairs | None
) -> tuple[Bools, Bools, dict[int, tuple[int, float]]]:
    """Held-out rows with a near-copy in train and no exact one, the training rows, and the nearest partner of each."""
    near, source = np.zeros(len(held), bool), np.zeros(len(held), bool)
    best: dict[int, tuple[int, float]] = {}
    if pairs is not None and len(pairs):
        across = pairs.take(held[pairs.first] != held[pairs.second])
        for a, b, s in zip(
            across.first.tolist(), across.second.tolist(), across.similarity.tolist(), strict=True
        ):
            test, train = (a, b) if held[a] else (b, a)
            if leaked[test]:
                continue
            near[test], source[train] = True, True
            for row, other in ((test, train), (train, test)):
                if s > best.get(row, (0, -1.0))[1]:
                    best[row] = (other, s)
    return near, source, best


def _near_findings(
    rows: Bools, best: dict[int, tuple[int, float]], code: str = "leaked_near_copy"
) -> Findings:
    index = np.flatnonzero(rows)
    partners = [best[i] for i in index.tolist()]
    return Findings.of(
        code,
        rows=index,
        scores=np.array([1 - s for _, s in partners]),
        evidence=[{"like": other, "similarity": round(s, 4)} for other, s in partners],
    )


def _groups(held: Bools, groups: ArrayLike | None) -> tuple[Bools, Findings, int]:
    if groups is None:
        return np.zeros(len(held), bool), Findings.empty(), 0
    codes, names = as_codes(groups, len(held), "groups")
    known = codes >= 0
    sides = [np.bincount(codes[known & m], minlength=len(names)) for m in (~held, held)]
    both = np.flatnonzero((sides[0] > 0) & (sides[1] > 0))
    shared = held & known
    shared[known] &= np.isin(codes[known], both)
    found = Findings.of(
        "leaked_group",
        subjects=[str(names[g]) for g in both],
        scores=np.zeros(len(both)),
        evidence=[{"train": int(sides[0][g]), "held_out": int(sides[1][g])} for g in both],
    )
    return shared, found, len(both)
