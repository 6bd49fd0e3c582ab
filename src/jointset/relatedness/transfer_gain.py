"""Measured transfer: trainings of chosen sets of tasks, and a linear surrogate for the sets that were not trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.plan import plan_trainings

WIDTH = 1.645  # standard errors: 90 %, two-sided
RIDGE = 1e-2

Trained = Mapping[str, tuple[float, Any]]  # task → score, and the score of each held-out row (m,)


@dataclass(frozen=True, eq=False)
class Training:
    """One training: its tasks, and per task the gain over training alone with the variance of its estimate."""

    tasks: tuple[str, ...]
    gain: Mapping[str, float]
    variance: Mapping[str, float]
    seconds: float

    def interval(self, task: str) -> tuple[float, float, float]:
        """Gain of a task, and the bounds of its 90 % interval: infinite where no variance is known."""
        gain, variance = self.gain[task], self.variance[task]
        error = WIDTH * float(np.sqrt(variance)) if np.isfinite(variance) else np.inf
        return gain, gain - error, gain + error


@dataclass(frozen=True, eq=False)
class TransferGain:
    """``affinity[source, target]``: the measured gain of the pair where it was trained, else the surrogate's effect of
    the source on the target; with 90 % intervals. ``trainings`` hold every set that was trained."""

    affinity: Affinity
    trainings: tuple[Training, ...]
    effects: Floats  # (t, t) of the surrogate, source by target
    intercepts: Floats  # (t,)
    alone: Mapping[str, tuple[float, Floats]] = field(
        default_factory=dict
    )  # of each task, as ``train`` gave it

    def predicted(self, members: Sequence[str], target: str) -> float:
        """The surrogate's gain of ``target`` in a set; trained sets keep their measured one. 0 alone, or unscored."""
        chosen = frozenset(members)
        others = [i for i, s in enumerate(self.affinity.tasks) if s in chosen and s != target]
        if not others:
            return 0.0
        j = self.affinity.index(target)
        told = self.intercepts[j] + np.mean(self.effects[others, j])
        gain = self._by_set[chosen].gain[target] if chosen in self._by_set else float(told)
        return gain if np.isfinite(gain) else 0.0

    @property
    def spent(self) -> int:
        """How many trainings it took."""
        return len(self.alone) + len(self.trainings)

    @property
    def joint(self) -> Training | None:
        """The training of all tasks."""
        return self._by_set.get(frozenset(self.affinity.tasks))

    @cached_property
    def _by_set(self) -> dict[frozenset[str], Training]:
        return {frozenset(t.tasks): t for t in self.trainings}


def measure_transfer(
    train: Callable[[tuple[str, ...]], Trained],
    tasks: Sequence[str],
    budget: int,
    *,
    size: int | None = None,
    seed: int = 0,
) -> TransferGain:
    """Measure what training together gains each task, with at most ``budget`` calls of ``train``.

    ``train(tasks)`` trains these tasks jointly and gives, for each, a score that grows with quality and the scores of
    the same held-out rows every time, ``(m,)``, whose mean it is or nearly so (empty where there are none, and then no
    interval is known; a score of NaN beside them says that the task was not scored, and its gains are NaN). The gain is
    the score less that of training alone; its standard error is that of the paired rows, and for one seed: what other
    seeds would do is not in it. Sets are chosen by :func:`~jointset.relatedness.plan.plan_trainings`. Sets that were
    not trained are predicted by a linear surrogate after Li, Nguyen and Zhang (2023), per target: gain ≈ intercept +
    mean of the effects of the others in the set, by ridge regression over the trainings that hold the target. Raises
    ArrayError.

    >>> def train(tasks):
    ...     return {t: (0.8 + 0.1 * (set(tasks) == {"a", "b"}), np.full(9, 0.8)) for t in tasks}
    >>> found = measure_transfer(train, ("a", "b", "c"), 7)
    >>> round(found.affinity["a", "b"], 3), round(found.affinity["a", "c"], 3)
    (0.1, 0.0)
    """
    names = tuple(tasks)
    started = time.perf_counter()
    alone: dict[str, tuple[float, Floats]] = {}
    done: list[Training] = []
    for chosen in plan_trainings(names, budget, size=size, seed=seed):
        begun = time.perf_counter()
        found = _checked(train(chosen), chosen)
        seconds = time.perf_counter() - begun
        if len(chosen) == 1:
            alone[chosen[0]] = found[chosen[0]]
            continue
        done.append(_training(found, chosen, alone, seconds))
    effects, intercepts, variance = surrogate(names, done)
    return TransferGain(
        _affinity(names, done, effects, intercepts, variance, time.perf_counter() - started),
        tuple(done),
        effects,
        intercepts,
        alone,
    )


@dataclass
class Check:
    """The measured gain of a target with auxiliaries: as trained before, or by one of the trainings that are ``left``.

    What :func:`~jointset.relatedness.choose_auxiliaries` asks for its ``gain``.
    """

    train: Callable[[tuple[str, ...]], Trained]
    found: TransferGain
    target: str
    left: int

    def __call__(self, auxiliaries: tuple[str, ...]) -> tuple[float, float, float] | None:
        """Gain and 90 % interval; None where no training is left."""
        chosen = {self.target, *auxiliaries}
        names = tuple(t for t in self.found.affinity.tasks if t in chosen)
        known = next((t for t in self.found.trainings if t.tasks == names), None)
        if known is None:
            if self.left < 1:
                return None
            self.left -= 1
            known = _training(_checked(self.train(names), names), names, self.found.alone, float("nan"))
        return known.interval(self.target)


def surrogate(tasks: Sequence[str], trainings: Sequence[Training]) -> tuple[Floats, Floats, Floats]:
    """Effects ``(t, t)`` of sources on targets, intercepts ``(t,)``, and the variance ``(t, t)`` of their sums.

    The intercept is what company does whoever it is; effects are deviations from it, and the penalty holds them alone.
    A source that was never trained with a target has effect 0, and a wide variance. A target without scores of rows has
    variance NaN: what is left over after the fit of a few trainings does not tell it. Of one that was not scored at all
    everything is NaN.
    """
    t = len(tasks)
    effects, intercepts, variance = np.zeros((t, t)), np.zeros(t), np.full((t, t), np.nan)
    for j, target in enumerate(tasks):
        mine = [g for g in trainings if target in g.tasks]
        if not mine:
            continue
        if not any(np.isfinite(g.gain[target]) for g in mine):
            intercepts[j], effects[:, j] = np.nan, np.nan
            continue
        design = np.array([[float(s in g.tasks and s != target) for s in tasks] for g in mine])
        design /= np.maximum(design.sum(axis=1, keepdims=True), 1.0)
        design = np.concatenate([np.ones((len(mine), 1)), design], axis=1)
        gains = np.array([g.gain[target] for g in mine])
        penalty = np.diag([1e-9, *([RIDGE] * t)])
        inverse = np.linalg.inv(design.T @ design + penalty)
        weights = inverse @ design.T @ gains
        rest = gains - design @ weights
        freedom = max(len(mine) - float(np.trace(inverse @ design.T @ design)), 1.0)
        sampled = [g.variance[target] for g in mine if np.isfinite(g.variance[target])]
        noise = max(float(rest @ rest) / freedom, float(np.mean(sampled))) if sampled else np.nan
        intercepts[j], effects[:, j] = weights[0], weights[1:]
        for i in range(t):
            ask = np.zeros(t + 1)
            ask[0] = ask[1 + i] = 1.0
            variance[i, j] = noise * float(ask @ inverse @ ask)
    return effects, intercepts, variance


def _affinity(
    tasks: tuple[str, ...],
    trainings: Sequence[Training],
    effects: Floats,
    intercepts: Floats,
    variance: Floats,
    seconds: float,
) -> Affinity:
    t = len(tasks)
    values, support = effects + intercepts[None, :], np.zeros((t, t), np.int64)
    spread = variance.copy()
    for training in trainings:
        places = [tasks.index(n) for n in training.tasks]
        for i in places:
            for j in places:
                if i != j and np.isfinite(training.gain[tasks[j]]):
                    support[i, j] += 1
                    if len(places) == 2:
                        values[i, j], spread[i, j] = (
                            training.gain[tasks[j]],
                            training.variance[tasks[j]],
                        )
    np.fill_diagonal(values, 0.0)
    np.fill_diagonal(spread, 0.0)
    error = WIDTH * np.sqrt(spread)
    return Affinity(
        "transfer_gain",
        tasks,
        values,
        "score over training alone",
        (-np.inf, np.inf),
        seconds=seconds,
        support=support,
        low=np.where(np.isfinite(error), values - error, -np.inf),
        high=np.where(np.isfinite(error), values + error, np.inf),
    )


def _training(
    found: Mapping[str, tuple[float, Floats]],
    tasks: tuple[str, ...],
    alone: Mapping[str, tuple[float, Floats]],
    seconds: float,
) -> Training:
    gains = {t: found[t][0] - alone[t][0] for t in tasks}
    return Training(tasks, gains, {t: _variance(found[t][1], alone[t][1]) for t in tasks}, seconds)


def _checked(found: Trained, tasks: tuple[str, ...]) -> dict[str, tuple[float, Floats]]:
    missing = [t for t in tasks if t not in found]
    if missing:
        raise ArrayError(f"train: it gave no score of task {missing[0]!r} in the set {', '.join(tasks)}")
    out: dict[str, tuple[float, Floats]] = {
        t: (float(found[t][0]), np.asarray(found[t][1], np.float64)) for t in tasks
    }
    for task, (score, rows) in out.items():
        if rows.ndim != 1 or not (np.isfinite(score) or (np.isnan(score) and not len(rows))):
            raise ArrayError(
                f"train: task {task!r} needs a finite score and one score a row, found {score} and {rows.shape}"
            )
    return out


def _variance(together: Floats, alone: Floats) -> float:
    """Of the mean difference of paired rows; NaN where there are fewer than two."""
    if together.shape != alone.shape:
        raise ArrayError(
            f"train: the held-out rows must be the same every time, found {len(together)} and {len(alone)} scores"
        )
    return float((together - alone).var(ddof=1) / len(alone)) if len(alone) > 1 else float("nan")
