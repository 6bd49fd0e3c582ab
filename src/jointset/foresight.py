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
from jointset.records import TEST, Floats, Ints, Task, is_labelled
from jointset.relatedness import Pooling, Sameness, Signal, label_signal, pool_datasets, same_content
from jointset.relatedness.columns import graded, known, parts
from jointset.relating import material_of, plain, pooled, sampled

ROWS, MEDIA_ROWS = 2000, 1000  # of each dataset; images and sounds take longer to read
MOST_ROWS = 20_000  # of all
POOLED_ROWS = 4000  # of the datasets of a task together
PARTNERS = 8  # tasks of the same labels that are pooled in pairs
TURNS = 3  # draws of the folds, over which losses are averaged
FEWEST = 800  # labels below which nothing is concluded from a missing signal
RAREST = 100  # labels beside the commonest
LEVEL = 0.02  # p-value above which a task is suspected; of random ones a fiftieth stays below
PERMUTATIONS = (49, 199)  # of a first look, which settles most tasks, and of a second
SURE = 0.01  # p-value from which held-out predictions are worth something
HELD_OUT = (80, 40)  # the same of held-out labels: few let a weak model look worthless


@dataclass(frozen=True, eq=False)
class Foresight:
    """What was foreseen.

    ``signals`` are those of tasks whose labels are no nearer to the inputs than permuted ones, on labels enough to say
    so; ``copies`` the groups of tasks that say the same; ``pooling`` task → which of its datasets help each other;
    ``gains`` task → what the rows of the best other task of the same labels add to its own, in other datasets.
    """

    signals: Mapping[str, Signal] = field(default_factory=dict)
    copies: tuple[tuple[str, ...], ...] = ()
    same: tuple[Sameness, ...] = ()
    pooling: Mapping[str, Pooling] = field(default_factory=dict)
    gains: Mapping[str, float] = field(default_factory=dict)
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
                "gains": dict(self.gains),
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
        gains=pooling_gains(
            work.tasks, material.labels, material.features, material.groups, seed=work.config.seed
        ),
        rows=len(sample),
        seconds=time.monotonic() - started,
    )


def pooling_gains(
    tasks: Sequence[Task],
    labels: Mapping[str, NDArray[Any]],
    features: Floats,
    groups: Ints | None = None,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """What tasks of the same labels on other rows add to each other: task → the best gain by pooling, over its spread.

    Tasks of at least one common kind, with the same classes, that share no row are pooled as the datasets of one task
    are (:func:`~jointset.relatedness.pool_datasets`); numbers count by their ranks. Tasks without such a partner are
    left out, and so are more than eight partners, as pairs take time.

    >>> rng = np.random.default_rng(0)
    >>> x, site = rng.normal(size=(400, 2)), np.repeat([0, 1], 200)
    >>> y = ((x[:, 0] * np.where(site, -1, 1)) > 0).astype(int)  # the second says the opposite
    >>> tasks = [Task(n, "binary", ("no", "yes")) for n in ("a", "b")]
    >>> found = pooling_gains(tasks, {"a": np.where(site == 0, y, -1), "b": np.where(site == 1, y, -1)}, x)
    >>> max(found.values()) < -0.1
    True
    """
    found: dict[str, float] = {}
    for kind, classes in dict.fromkeys((t.kind, t.classes) for t in tasks if t.kind != "multilabel"):
        alike = [t.name for t in tasks if (t.kind, t.classes) == (kind, classes)]
        if not 2 <= len(alike) <= PARTNERS:
            continue
        there = {n: is_labelled(labels[n]) for n in alike}
        rows = np.concatenate([np.flatnonzero(there[n]) for n in alike])
        names = np.repeat(alike, [int(there[n].sum()) for n in alike])
        y = np.concatenate([graded(labels[n])[there[n]] for n in alike])
        own = None if groups is None else groups[rows]
        apart = {(a, b) for a in alike for b in alike if a != b and not (there[a] & there[b]).any()}
        if not apart:
            continue
        gain = pool_datasets(
            y, names, features[rows], groups=own, rows=POOLED_ROWS // len(alike), turns=TURNS, seed=seed
        ).gain
        for j, target in enumerate(gain.tasks):
            others = [gain.values[i, j] for i, s in enumerate(gain.tasks) if (s, target) in apart]
            if others and np.isfinite(others).any():
                found[target] = float(np.nanmax(others))
    return found


def missing_signals(
    labels: Mapping[str, NDArray[Any]], features: Floats, *, seed: int = 0
) -> dict[str, Signal]:
    """The tasks whose labels are no nearer to the ``features`` ``(n, d)`` than permuted ones.

    Tasks with fewer than 800 labels, or 100 beside the commonest one, are left out: weak ones look random there.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(900, 3))
    >>> random, few = rng.integers(2, size=900), rng.integers(2, size=900)
    >>> labels = {"real": (x[:, 0] > 0) * 1, "random": random, "few": few}
    >>> labels["few"][90:] = -1
    >>> list(missing_signals(labels, x))
    ['random']
    """
    asked = {n: y for n, y in labels.items() if enough(y)}
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
    if not enough(labels, *HELD_OUT):
        return False
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


def enough(labels: NDArray[Any], fewest: int = FEWEST, rarest: int = RAREST) -> bool:
    """Whether a task has labels enough for a missing signal to mean something: so many, and beside the commonest."""

    def one(column: NDArray[Any]) -> bool:
        there = column[known(column)]
        if len(there) < fewest or column.dtype.kind == "f":
            return len(there) >= fewest
        return bool(len(there) - np.bincount(there).max() >= rarest)

    return any(map(one, parts(labels)))
