"""Short trainings of sets of tasks, each kept as a small file."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jointset import config as configs
from jointset.data import apply
from jointset.metrics import evaluate
from jointset.models.grouped import TaskGroup
from jointset.prepare import Work, prepare
from jointset.records import HOLDOUT, TEST, TRAIN, Edits, Ints
from jointset.rundir import RunDirectory
from jointset.training.evaluate import predict, skills
from jointset.training.loop import fit
from jointset.training.problem import Problem
from jointset.workbench import Bench, set_up, threads


@dataclass
class Trainings:
    """Trainings on the set of a folder, with the library's own settings but for ``changes``.

    ``share`` tasks → the share of its labels that is left for training and for stopping.
    """

    folder: Path
    changes: Sequence[str] = ()
    share: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def work(self) -> Work:
        """What `prepare` makes of the folder, with the labels that are left."""
        work = prepare(configs.load(self.folder / "jointset.yaml", list(self.changes)), self.folder / "cache")
        free = work.pool.split != TEST
        free[self.judge] = False
        for place, task in enumerate(work.tasks):
            if task.name in self.share:
                y, rng = work.given[task.name], np.random.default_rng([work.config.seed, place])
                y[free & (rng.random(len(y)) >= self.share[task.name])] = task.missing(1)[0]
        return work

    @cached_property
    def _split(self) -> Any:
        plain = prepare(
            configs.load(self.folder / "jointset.yaml", list(self.changes)), self.folder / "cache"
        )
        return plain.pool.split

    @cached_property
    def judge(self) -> Any:
        """The half of the held-out rows that gains are read off."""
        held = np.flatnonzero(self._split == HOLDOUT)
        return np.sort(np.random.default_rng(7).permutation(held)[: len(held) // 2])

    @property
    def names(self) -> list[str]:
        """All tasks of the set."""
        return [t.name for t in self.work.tasks]

    @cached_property
    def _bench(self) -> Bench:
        return set_up(RunDirectory(self.folder), self.work, lambda event: None)

    def scores(self, tasks: Sequence[str], seed: int) -> dict[str, Any]:
        """By task its skill and metric on the rows to judge and on the test rows; seconds of the processor; epochs."""
        chosen = [n for n in self.names if n in tasks]
        file = self._file(chosen, seed)
        if not file.is_file():
            _ = self._bench  # what is prepared once is not what a training takes
            begun = time.process_time()
            found = self._train(chosen, seed)
            found["seconds"] = round(time.process_time() - begun, 2)
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".tmp")
            partial.write_text(json.dumps(found), encoding="utf-8")
            partial.replace(file)
            print(f"{self.folder.name} {seed}: {'+'.join(chosen)[:80]} {found['seconds']}", file=sys.stderr)
        return dict(json.loads(file.read_text(encoding="utf-8")))

    def has(self, tasks: Sequence[str], seed: int) -> bool:
        """Whether a training is there."""
        return self._file([n for n in self.names if n in tasks], seed).is_file()

    def _file(self, chosen: Sequence[str], seed: int) -> Path:
        shares = "".join(f"{n}-{s:g}-" for n, s in self.share.items())
        name = shares + ("all" if len(chosen) == len(self.names) else "+".join(chosen))
        if len(name) > 120:
            name = shares + hashlib.sha256(name.encode()).hexdigest()[:16]
        return self.folder / "scores" / str(seed) / f"{name}.json"

    def prepared(self, chosen: Sequence[str]) -> tuple[Bench, Problem, Ints, Ints]:
        """What a training of some tasks takes: bench, problem, training rows, and the rows that stop it."""
        bench, work = self._bench, self.work
        overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
        own = bench.problem(overlay).of_group(TaskGroup(tuple(chosen)))
        split = work.pool.split
        stop = own.usable() & (split == HOLDOUT) & ~np.isin(np.arange(len(split)), self.judge)
        return bench, own, own.trained_on(split == TRAIN), np.flatnonzero(stop)

    def _train(self, chosen: Sequence[str], seed: int) -> dict[str, Any]:
        bench, own, train, stop = self.prepared(chosen)
        work, usable = self.work, own.usable()
        split = work.pool.split
        with threads(bench):
            result = fit(own, train, stop, bench.settings, seed=seed)
            sides = {
                "judge": self.judge[usable[self.judge]],
                "test": np.flatnonzero(usable & (split == TEST)),
            }
            found: dict[str, Any] = {n: {} for n in chosen}
            for side, rows in sides.items():
                said, _ = predict(result.model, bench.inputs, rows)
                labels = {n: work.given[n][rows] for n in chosen}
                skill = skills(own.tasks, labels, said)
                for task in own.tasks:
                    metric = evaluate(task, labels[task.name], said[task.name])[task.metric]
                    found[task.name][side] = [round(skill[task.name], 6), round(metric, 6)]
        return {"tasks": found, "epochs": result.epochs}
