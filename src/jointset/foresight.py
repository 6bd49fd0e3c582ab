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
from jointset.records import Floats, Ints, Task, is_labelled
from jointset.relatedness import (
    Pooling,
    Sameness,
    Signal,
    pool_datasets,
    sure_signal,
)
from jointset.relatedness.columns import graded, known, varied
from jointset.relatedness.pooling import told_apart
from jointset.relatedness.signal import enough
from jointset.relating import content, material_of, plain, pooled, sampled

ROWS, MEDIA_ROWS = 2000, 1000  # of each dataset; images and sounds take longer to read
MOST_ROWS = 20_000  # of all
POOLED_ROWS = 4000  # of the datasets of a task together
PARTNERS = 8  # tasks of the same labels whose rows are tried for one
TURNS = 3  # draws of the folds, over which losses are averaged


@dataclass(frozen=True)
class Partners:
    """Tasks whose rows were tried for another one: the likeliest ``tried`` of so many (``of``)."""

    tried: tuple[str, ...]
    of: int


@dataclass(frozen=True, eq=False)
class Gains:
    """What tasks of the same labels on other rows add to each other.

    ``best`` task → the best gain by pooling with one of them, over its spread; ``partners`` those that were tried,
    where not all were; ``not_told`` task → why there is no gain, though there are such tasks.
    """

    best: Mapping[str, float] = field(default_factory=dict)
    partners: Mapping[str, Partners] = field(default_factory=dict)
    not_told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Foresight:
    """What was foreseen.

    ``signals`` are those of tasks whose labels are no nearer to the inputs than permuted ones, on labels enough to say
    so; ``copies`` the groups of tasks that say the same; ``pooling`` task → which of its datasets help each other;
    ``gains`` what the rows of tasks of the same labels, in other datasets, add to a task's own.
    """

    signals: Mapping[str, Signal] = field(default_factory=dict)
    copies: tuple[tuple[str, ...], ...] = ()
    same: tuple[Sameness, ...] = ()
    pooling: Mapping[str, Pooling] = field(default_factory=dict)
    gains: Gains = field(default_factory=Gains)
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
                "gains": dict(self.gains.best),
                "partners": {n: dataclasses.asdict(p) for n, p in self.gains.partners.items()},
                "gains_not_told": dict(self.gains.not_told),
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
    same = content(work, material)
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
) -> Gains:
    """What tasks of the same labels on other rows add to each other.

    Tasks of a common kind, with the same classes, that share no row are pooled as the datasets of one task are
    (:func:`~jointset.relatedness.pool_datasets`); numbers count by their ranks. As pairs take time, the rows of eight
    tasks at most are tried for each: those in which the inputs tell the labels in the likeliest direction.

    >>> rng = np.random.default_rng(0)
    >>> x, site = rng.normal(size=(400, 2)), np.repeat([0, 1], 200)
    >>> y = ((x[:, 0] * np.where(site, -1, 1)) > 0).astype(int)  # the second says the opposite
    >>> tasks = [Task(n, "binary", ("no", "yes")) for n in ("a", "b")]
    >>> found = pooling_gains(tasks, {"a": np.where(site == 0, y, -1), "b": np.where(site == 1, y, -1)}, x)
    >>> max(found.best.values()) < -0.1
    True
    """
    best: dict[str, float] = {}
    some: dict[str, Partners] = {}
    silent: dict[str, str] = {}
    for kind, classes in dict.fromkeys((t.kind, t.classes) for t in tasks if t.kind != "multilabel"):
        alike = {t.name: labels[t.name] for t in tasks if (t.kind, t.classes) == (kind, classes)}
        others = _apart(alike)
        usable = {n: y for n, y in alike.items() if n in others and told_apart(y)}
        silent |= dict.fromkeys(
            (n for n in others if n not in usable), "fewer than 40 labels, or all the same"
        )
        others = {t: [s for s in others[t] if s in usable] for t in usable}
        silent |= dict.fromkeys(
            (t for t, s in others.items() if not s), "no such task has labels to pool with"
        )
        if not any(others.values()):
            continue
        rows = np.any([is_labelled(y) for y in usable.values()], axis=0)
        if not varied(features[rows]).any():
            silent |= dict.fromkeys(usable, "all rows have the same inputs")
            continue
        tried = {t: _likeliest(t, s, usable, features) for t, s in others.items()}
        some |= {t: Partners(s, len(others[t])) for t, s in tried.items() if len(s) < len(others[t])}
        best |= _best(usable, tried, features, groups, seed)
    return Gains(best, some, silent)


def _apart(labels: Mapping[str, NDArray[Any]]) -> dict[str, list[str]]:
    """Task → those that share no row with it; without the tasks that have none."""
    there = {n: is_labelled(y) for n, y in labels.items()}
    found = {a: [b for b in there if b != a and not (there[a] & there[b]).any()] for a in there}
    return {n: others for n, others in found.items() if others}


def _likeliest(
    target: str, sources: Sequence[str], labels: Mapping[str, NDArray[Any]], features: Floats
) -> tuple[str, ...]:
    """The sources whose labels lie in the inputs as the target's do: by the cosine of the covariances of both."""
    if len(sources) <= PARTNERS:
        return tuple(sources)
    classes = np.unique(np.concatenate([y[known(y)] for y in labels.values()]))

    def direction(name: str) -> Floats:
        y = labels[name]
        rows = np.flatnonzero(known(y))
        told = graded(y[rows])[:, None] if y.dtype.kind == "f" else y[rows][:, None] == classes
        found = ((features[rows] - features[rows].mean(axis=0)).T @ (told - told.mean(axis=0))).ravel()
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12))

    own = direction(target)
    return tuple(sorted(sources, key=lambda s: -float(direction(s) @ own))[:PARTNERS])


def _best(
    labels: Mapping[str, NDArray[Any]],
    tried: Mapping[str, tuple[str, ...]],
    features: Floats,
    groups: Ints | None,
    seed: int,
) -> dict[str, float]:
    """The best gain of each target by pooling with one of the sources that are tried for it."""
    there = {n: np.flatnonzero(known(y)) for n, y in labels.items()}
    rows = np.concatenate(list(there.values()))
    gain = pool_datasets(
        np.concatenate([graded(labels[n])[r] for n, r in there.items()]),
        np.repeat(list(there), [len(r) for r in there.values()]),
        features[rows],
        groups=None if groups is None else groups[rows],
        rows=POOLED_ROWS // min(len(labels), PARTNERS),
        turns=TURNS,
        pairs={(s, t) for t, sources in tried.items() for s in sources},
        seed=seed,
    ).gain
    column = {t: gain.values[:, j] for j, t in enumerate(gain.tasks)}
    return {t: float(np.nanmax(v)) for t, v in column.items() if np.isfinite(v).any()}


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
    found = sure_signal(asked, features, seed=seed) if asked else {}
    return {n: s for n, s in found.items() if s.outcome == "no signal"}


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
