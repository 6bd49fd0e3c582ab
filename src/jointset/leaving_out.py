"""What each dataset does for the tasks: trainings with all of them, and without each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.data import Overlay
from jointset.errors import ConfigError, nearest
from jointset.models.grouped import TaskGroup
from jointset.records import HOLDOUT, TRAIN, Ints, is_labelled
from jointset.relatedness.transfer_gain import WIDTH
from jointset.task_sets import row_skills
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.workbench import Bench


@dataclass(frozen=True)
class LeftOut:
    """What the labels of ``dataset`` did for ``task`` on the ``rows`` held-out rows of the other datasets.

    ``gain`` is the skill with them less that without, above 0 where they help, with a 90 % interval over rows, of one
    training on either side: what another seed would do is not in it.
    """

    dataset: str
    task: str
    gain: float
    low: float
    high: float
    rows: int

    @property
    def verdict(self) -> str:
        """helped, hurt or same."""
        return "helped" if self.low > 0 else "hurt" if self.high < 0 else "same"


def leave_out(
    bench: Bench, overlay: Overlay, datasets: Sequence[str] = (), *, seed: int
) -> tuple[LeftOut, ...]:
    """Train on all datasets, and without each of ``datasets`` (all by default); a training each, as a run would.

    The skill of a row is 1 less its loss over that of the best constant. Raises ``ConfigError`` for a dataset that is
    not there, or where there is only one.
    """
    names = [d.name for d in bench.work.pool.datasets]
    check_datasets(names, datasets)
    whole = _outputs(bench, overlay, np.arange(len(names)), seed, "all datasets")
    found: list[LeftOut] = []
    for name in datasets or names:
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
            change = sides[0] - sides[1]
            gain, error = float(change.mean()), WIDTH * float(change.std(ddof=1)) / np.sqrt(len(change))
            found.append(LeftOut(name, task.name, gain, gain - error, gain + error, len(change)))
    return found
