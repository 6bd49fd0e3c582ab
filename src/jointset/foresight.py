"""What cheap signals foresee before tasks are trained jointly: labels without signal, copies, datasets that do harm.

A few seconds, on a sample of the training rows; no torch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.prepare import Work
from jointset.records import TEST, Floats, is_labelled
from jointset.relatedness import Pooling, Sameness, Signal, label_signal, same_content
from jointset.relatedness.columns import known, parts
from jointset.relating import material_of, plain, pooled, sampled

ROWS, MEDIA_ROWS = 2000, 1000  # of each dataset; images and sounds take longer to read
MOST_ROWS = 20_000  # of all
POOLED_ROWS = 4000  # of the datasets of a task together
FEWEST = 800  # labels below which nothing is concluded from a missing signal
RAREST = 100  # labels beside the commonest
LEVEL = 0.02  # p-value above which a task is suspected; of random ones a fiftieth stays below
PERMUTATIONS = (49, 199)  # of a first look, which settles most tasks, and of a second
SURE = 0.01  # p-value from which held-out predictions are worth something


@dataclass(frozen=True, eq=False)
class Foresight:
    """What was foreseen.

    ``signals`` are those of tasks whose labels are no nearer to the inputs than permuted ones, on labels enough to say
    so; ``copies`` the groups of tasks that say the same; ``pooling`` task → which of its datasets help each other.
    """

    signals: Mapping[str, Signal] = field(default_factory=dict)
    copies: tuple[tuple[str, ...], ...] = ()
    same: tuple[Sameness, ...] = ()
    pooling: Mapping[str, Pooling] = field(default_factory=dict)
    rows: int = 0
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        found: dict[str, Any] = plain(
            {
                "no_signal": {n: dataclasses.asdict(s) for n, s in self.signals.items()},
                "copies": [list(g) for g in self.copies],
                "same": [{**dataclasses.asdict(s), "reason": s.reason} for s in self.same],
                "pooling": {n: {"gain": p.gain.record(), "harm": p.harm} for n, p in self.pooling.items()},
                "rows": self.rows,
                "seconds": round(self.seconds, 1),
            }
        )
        return found


def foresee(work: Work) -> Foresight:
    """Look at a sample of the training rows; a copy has to be one on all rows but those of the test."""
    started, media = time.monotonic(), {"image", "audio"}
    most = MEDIA_ROWS if any(media & set(d.inputs) for d in work.pool.datasets) else ROWS
    sample = sampled(work, max(1, min(most, MOST_ROWS // len(work.pool.datasets))))
    material = material_of(work, sample)
    assert material.features is not None
    same = tuple(s for s in same_content(material.labels) if s.kind == "determines" or _copy(work, s))
    return Foresight(
        signals=missing_signals(material.labels, material.features, seed=work.config.seed),
        copies=groups_of_copies(list(material.labels), same),
        same=same,
        pooling=pooled(work, sample, material, rows=POOLED_ROWS),
        rows=len(sample),
        seconds=time.monotonic() - started,
    )


def missing_signals(
    labels: Mapping[str, NDArray[Any]], features: Floats, *, seed: int = 0
) -> dict[str, Signal]:
    """The tasks whose labels are no nearer to the ``features`` ``(n, d)`` than permuted ones.

    Tasks with fewer than 800 labels, or 100 beside the commonest one, are left out: weak ones look random there.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(900, 3))
    >>> random, few = rng.integers(2, size=900), rng.integers(2, size=900)
    >>> labels = {"real": (x[:, 0] > 0) * 1, "random": random, "few": few}
    >>> labels["few"][90:] = -1
    >>> list(missing_signals(labels, x))
    ['random']
    """
    asked = {n: y for n, y in labels.items() if _enough(y)}
    for permutations in PERMUTATIONS:
        if asked:
            found = label_signal(asked, features, permutations=permutations, level=LEVEL, seed=seed)
            asked = {n: y for n, y in asked.items() if found[n].outcome == "no signal"}
    return {n: found[n] for n in asked}


def says_nothing(labels: NDArray[Any], outputs: Floats, *, seed: int = 0) -> bool:
    """Whether held-out ``outputs`` ``(n, K)`` of a task's own model are surely worth nothing for its ``labels``.

    The same test, of the predictions in the inputs' place. Early stopping has looked at these labels, hence 0.01. Too
    few labels leave it open: then the answer is no.

    >>> y = np.tile([0, 1], 100)
    >>> says_nothing(y, np.eye(2)[y]), says_nothing(y, np.random.default_rng(0).random((200, 2)))
    (False, True)
    """
    if not (np.ptp(outputs, axis=0) > 1e-6).any():
        return True
    return label_signal({"task": labels}, outputs, level=SURE, seed=seed)["task"].outcome == "no signal"


def groups_of_copies(tasks: Sequence[str], same: Sequence[Sameness]) -> tuple[tuple[str, ...], ...]:
    """The groups of tasks that are copies of one another, in the order of ``tasks``.

    >>> groups_of_copies("abc", [Sameness("a", "c", "copy", 1.0, 1.0, 50), Sameness("a", "b", "determines", 1, 0, 50)])
    (('a', 'c'),)
    """
    root = {t: t for t in tasks}
    for s in same:
        if s.kind == "copy":
            first, second = sorted((root[s.source], root[s.target]), key=list(tasks).index)
            root = {t: first if r == second else r for t, r in root.items()}
    groups = [tuple(t for t in tasks if root[t] == r) for r in tasks]
    return tuple(g for g in groups if len(g) > 1)


def _copy(work: Work, found: Sameness) -> bool:
    """Whether a copy of the sample is one on all rows."""
    pair = {n: work.given[n][work.pool.split != TEST] for n in (found.source, found.target)}
    rows = np.all([is_labelled(y) for y in pair.values()], axis=0)
    return any(s.kind == "copy" for s in same_content({n: y[rows] for n, y in pair.items()}))


def _enough(labels: NDArray[Any]) -> bool:
    """Whether a task has labels enough for a missing signal to mean something."""

    def one(column: NDArray[Any]) -> bool:
        there = column[known(column)]
        if len(there) < FEWEST or column.dtype.kind == "f":
            return len(there) >= FEWEST
        return bool(len(there) - np.bincount(there).max() >= RAREST)

    return any(map(one, parts(labels)))
