"""What each dataset, or each task, does for the tasks: trainings with all of them, and without each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from jointset.data import Overlay, Pool
from jointset.errors import ConfigError, nearest
from jointset.models.grouped import TaskGroup
from jointset.records import HOLDOUT, TRAIN, Floats, Ints, is_labelled
from jointset.relatedness.affinity import ALPHA
from jointset.relatedness.transfer_gain import WIDTH, Trained
from jointset.task_sets import judges, row_skills
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.workbench import Bench

Train = Callable[[tuple[str, ...]], Trained]


@dataclass(frozen=True)
class Change:
    """What something did for ``task`` on so many held-out ``rows``.

    ``gain`` is the skill with it less that without, above 0 where it helps, with an interval over rows, of one
    training on either side: what another seed would do is not in it.
    """

    task: str
    gain: float
    low: float
    high: float
    rows: int

    @property
    def verdict(self) -> str:
        """helped, hurt or same."""
        return "helped" if self.low > 0 else "hurt" if self.high < 0 else "same"


@dataclass(frozen=True)
class LeftOut(Change):
    """What the labels of ``dataset`` did, on rows of the other datasets; the interval is of 90 %."""

    dataset: str


@dataclass(frozen=True)
class TaskLeftOut(Change):
    """What ``source`` did, as another task that was trained along.

    The interval is of 90 % for all sources of a task at once: of them all, one in twenty at most is wrong on a side.
    """

    source: str


def leave_out_tasks(train: Train, tasks: Sequence[str]) -> tuple[TaskLeftOut, ...]:
    """Train all ``tasks`` jointly, and all without each; a training each.

    ``train(tasks)`` gives for each the score and the scores of the same held-out rows every time, as
    :class:`~jointset.task_sets.Trainer` does. Raises ``ConfigError`` where there is only one task.

    >>> def train(tasks):
    ...     rows = np.linspace(0.5, 0.7, 40)
    ...     return {t: (0.6, rows + 0.1 * (t == "a" and "b" in tasks)) for t in tasks}
    >>> [(c.source, c.task, round(c.gain, 2), c.verdict) for c in leave_out_tasks(train, ("a", "b"))]
    [('a', 'b', 0.0, 'same'), ('b', 'a', 0.1, 'helped')]
    """
    check_tasks(tasks)
    whole = train(tuple(tasks))
    wide = float(norm.isf(ALPHA / (len(tasks) - 1)))
    found = []
    for source in tasks:
        without = train(tuple(t for t in tasks if t != source))
        for task, (_, rows) in without.items():
            if len(rows) > 1:
                found.append(TaskLeftOut(**_interval(task, whole[task][1] - rows, wide), source=source))
    return tuple(found)


def check_tasks(names: Sequence[str]) -> None:
    """Raise ``ConfigError`` where the only task shall be left out."""
    if len(names) < 2:
        raise ConfigError("there is one task, and without it nothing to train on; two or more are needed")


def leave_out(
    bench: Bench, overlay: Overlay, datasets: Sequence[str] = (), *, seed: int
) -> tuple[LeftOut, ...]:
    """Train on all datasets, and without each of ``datasets`` (all by default); a training each, as a run would.

    The skill of a row is 1 less its loss over that of the best constant. Datasets of :func:`needed` are passed over.
    Raises ``ConfigError`` for a dataset that is not there, or where there is only one, or none but needed ones.
    """
    names = [d.name for d in bench.work.pool.datasets]
    check_datasets(names, datasets)
    kept_in = needed(bench.work.pool, overlay.labels, datasets)
    whole = _outputs(bench, overlay, np.arange(len(names)), seed, "all datasets")
    found: list[LeftOut] = []
    for name in (n for n in datasets or names if n not in kept_in):
        kept = np.array([i for i, n in enumerate(names) if n != name], np.int64)
        without = _outputs(bench, overlay, kept, seed, f"without {name}")
        found += _compared(bench, overlay, name, kept, whole, without)
    return tuple(found)


def check_datasets(names: Sequence[str], asked: Sequence[str] = ()) -> None:
    """Raise ``ConfigError`` where datasets that are not among ``names`` shall be left out, or the only one."""
    for name in asked:
        if name not in names:
            raise ConfigError(f"no dataset {name!r}{nearest(name, names)}; one of {', '.join(names)}")
    if len(names) < 2:
        raise ConfigError("there is one dataset, and without it nothing to train on; two or more are needed")


def needed(pool: Pool, labels: Mapping[str, NDArray[Any]], datasets: Sequence[str] = ()) -> dict[str, str]:
    """Those of ``datasets`` (all by default) that cannot be left out, each with the reason: nothing would be left to
    train, or to compare, on. Raises ``ConfigError`` where that is so of them all."""
    found: dict[str, str] = {}
    asked = datasets or [d.name for d in pool.datasets]
    for i, dataset in enumerate(pool.datasets):
        if dataset.name not in asked:
            continue
        learnt, held = ((pool.split == s) & (pool.dataset_of != i) for s in (TRAIN, HOLDOUT))
        tasks = [y for y in labels.values() if is_labelled(y[learnt]).any()]
        if not tasks:
            found[dataset.name] = "no other dataset has labels to train on"
        elif not any(judges(y[held]) for y in tasks):
            found[dataset.name] = "no other dataset has held-out labels to compare trainings by"
    if len(found) == len(asked):
        told = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise ConfigError(f"no dataset can be left out ({told})")
    return found


def _outputs(bench: Bench, overlay: Overlay, kept: Ints, seed: int, name: str) -> Mapping[str, Any]:
    """What a model that was trained and stopped on some datasets says of all held-out rows, by task."""
    pool = bench.work.pool
    inside = np.isin(pool.dataset_of, kept)
    learnt = inside & (pool.split == TRAIN)
    tasks = tuple(t.name for t in bench.work.tasks if is_labelled(overlay.labels[t.name][learnt]).any())
    problem = bench.problem(overlay).of_group(TaskGroup(tasks))
    held = np.flatnonzero(problem.usable() & (pool.split == HOLDOUT))
    result = fit(
        problem,
        problem.trained_on(learnt),
        held[inside[held]],
        bench.settings.of(tasks),
        seed=seed,
        report=lambda event: bench.emit({"event": "epoch", "name": name, **event}),
    )
    return predict(result.model, bench.inputs, np.flatnonzero(pool.split == HOLDOUT))[0]


def _compared(
    bench: Bench,
    overlay: Overlay,
    name: str,
    kept: Ints,
    whole: Mapping[str, Any],
    without: Mapping[str, Any],
) -> list[LeftOut]:
    pool = bench.work.pool
    held = np.flatnonzero(pool.split == HOLDOUT)
    mine = np.isin(pool.dataset_of[held], kept)
    found = []
    for task in (t for t in bench.work.tasks if t.name in whole and t.name in without):
        y = overlay.labels[task.name][held[mine]]
        sides = [row_skills(task, y, outputs[task.name][mine]) for outputs in (whole, without)]
        if len(sides[0]) > 1:
            found.append(LeftOut(**_interval(task.name, sides[0] - sides[1], WIDTH), dataset=name))
    return found


def _interval(task: str, change: Floats, wide: float) -> dict[str, Any]:
    """A change of paired rows, with so many standard errors on either side."""
    gain, error = float(change.mean()), wide * float(change.std(ddof=1)) / np.sqrt(len(change))
    return {"task": task, "gain": gain, "low": gain - error, "high": gain + error, "rows": len(change)}
