"""Measures whether operations keep labels: cross-fitted models, shown changed rows, and taught them where in doubt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jointset.augment import Draws
from jointset.augment.features import KEPT
from jointset.augment.preserve import Estimate, judged
from jointset.models.grouped import GroupedModel
from jointset.models.joint import JointModel
from jointset.operations import OPERATIONS
from jointset.records import Bools, Floats, Ints
from jointset.tasks import KINDS
from jointset.training import augmented
from jointset.training.augmented import Augmentation
from jointset.training.evaluate import BATCH, predict
from jointset.training.featured import Features
from jointset.training.loop import Report, fit
from jointset.training.problem import LabelBatches, Problem
from jointset.training.settings import TrainSettings

MOST = 4000  # rows looked at: more would say no more
LESSONS = 6  # epochs in which a model is taught changed rows

Make = Callable[[Mapping[str, float], float], Augmentation]


@dataclass(frozen=True)
class Probe:
    """What is asked: operations with their magnitudes, and the share of labels that may change."""

    operations: Mapping[str, float]
    tolerance: float
    seed: int


def probe(
    problem: Problem, fold: Ints, rows: Ints, valid: Ints, settings: TrainSettings, asked: Probe, make: Make,
    *, report: Report | None = None,
) -> list[Estimate]:  # fmt: skip
    """The estimates, operation by operation and task by task.

    The training rows ``rows`` are parted in two by their ``fold`` (N,), so that what belongs together stays together.
    A joint model trained on one half looks at the other, as it is and changed; where a task loses more than the
    tolerance, the model is first taught changed rows of its own half.
    """
    rng = np.random.default_rng([asked.seed, 6])
    rows = np.sort(rng.permutation(rows)[:MOST])
    halves = [rows[fold[rows] % 2 == side] for side in (0, 1)]
    models = [
        fit(problem, half, valid, settings, seed=asked.seed + 1 + i, report=report).model
        for i, half in enumerate(halves)
    ]
    found: list[Estimate] = []
    look = _Look(problem, settings, asked, halves, models)
    plain = _joined([predict(m, problem.inputs, h)[0] for m, h in zip(models, halves[::-1], strict=True)])
    for operation, most in asked.operations.items():
        magnitude = (
            min(most, 1.0) if operation == "image.quarter" else most
        )  # a rule is told by a single turn
        views = make({operation: magnitude}, 1.0)
        shown, there = look.at(models, views)
        if not any(changed.any() for changed in there.values()):
            continue
        made = look.judged(operation, magnitude, plain, shown, None, there)
        if any(e.outcome == "doubt" for e in made):
            pupils = look.taught(make({operation: magnitude}, 0.5))
            made = look.judged(operation, magnitude, plain, shown, look.at(pupils, views)[0], there)
        found += made
    return found


@dataclass(frozen=True)
class _Look:
    """Two halves of the rows, and the model of each, which looks at the other."""

    problem: Problem
    settings: TrainSettings
    asked: Probe
    halves: list[Ints]
    models: list[JointModel]

    def at(self, models: list[JointModel], views: Augmentation) -> tuple[dict[str, Floats], dict[str, Bools]]:
        """By task, outputs on changed rows of the other half, and which rows were changed."""
        seen = [
            _seen(m, self.problem, h, views, self.asked.seed)
            for m, h in zip(models, self.halves[::-1], strict=True)
        ]
        return _joined([outputs for outputs, _ in seen]), _joined([there for _, there in seen])

    def taught(self, lesson: Augmentation) -> list[JointModel]:
        """The models after they were taught changed rows of their own half."""
        short = dataclasses.replace(self.settings, epochs=LESSONS, mixup=0.0)
        problem = dataclasses.replace(self.problem, augmentation=lesson)
        return [
            fit(
                problem,
                half,
                half[:0],
                short,
                seed=self.asked.seed + 11 + i,
                epochs=LESSONS,
                start=model.state_dict(),
            ).model
            for i, (model, half) in enumerate(zip(self.models, self.halves, strict=True))
        ]

    def judged(
        self,
        operation: str,
        magnitude: float,
        plain: dict[str, Floats],
        shown: dict[str, Floats],
        taught: dict[str, Floats] | None,
        there: dict[str, Bools],
    ) -> list[Estimate]:
        """The estimate of every task."""
        rows = np.concatenate(self.halves[::-1])
        switch = OPERATIONS[operation].switch or operation == "image.quarter"
        return [
            judged(
                t,
                operation,
                magnitude,
                self.problem.labels[t.name][rows[there[t.name]]],
                plain[t.name][there[t.name]],
                shown[t.name][there[t.name]],
                taught[t.name][there[t.name]] if taught else None,
                tolerance=self.asked.tolerance,
                switch=switch,
            )
            for t in self.problem.tasks
        ]


def _seen(
    model: JointModel, problem: Problem, rows: Ints, augmentation: Augmentation, seed: int
) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """By task, outputs on changed rows of the model that serves it, and which rows were changed."""
    if not isinstance(model, GroupedModel):
        outputs, there = _shown(model, problem, rows, augmentation, seed)
        return outputs, dict.fromkeys(outputs, there)
    found: dict[str, Floats] = {}
    changed: dict[str, Bools] = {}
    for group, member in zip(model.groups, model.members, strict=True):
        outputs, there = _shown(member, problem.of_group(group), rows, augmentation, seed)
        found |= {t: outputs[t] for t in group.serves}
        changed |= dict.fromkeys(group.serves, there)
    return found, changed


def _shown(
    model: JointModel, problem: Problem, rows: Ints, augmentation: Augmentation, seed: int
) -> tuple[dict[str, Floats], Bools]:
    """Outputs by task on the changed rows, and which rows were changed."""
    names = tuple(t.name for t in problem.tasks)
    outputs = {t.name: np.empty((len(rows), t.n_outputs), np.float32) for t in problem.tasks}
    there = np.zeros(len(rows), bool)
    labels = LabelBatches(problem)
    own = Features.of(dataclasses.replace(problem, augmentation=augmentation), model, labels)
    model.eval()
    if own is not None:
        _remember(own, problem, rows)
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            index = rows[start : start + BATCH]
            part = slice(start, start + len(index))
            rng = np.random.default_rng([seed, 7, start])
            labelled = augmented.labelled(labels.known, names, torch.from_numpy(index))
            shown = augmented.show(augmentation, problem.inputs, names, index, labelled, rng)
            there[part] = np.any([s != 0 for s in shown.draws.strength.values()], axis=0)
            mix = None if own is None else own.mix(torch.from_numpy(index), shown.draws, rng, None)
            logits, _ = model.outputs(model.trunk(shown.batch, len(index), mix))
            if own is not None:
                there[part] = own.moved
            for task, head in model.headed():
                outputs[task.name][part] = (
                    KINDS[task.kind].outputs(task, logits[task.name], head.seen).numpy()
                )
    return outputs, there


def _remember(features: Features, problem: Problem, rows: Ints) -> None:
    """Let rows be seen as they are, so that the first that are changed have others to borrow from."""
    nothing = Draws({}, {})
    for start in range(0, min(len(rows), KEPT), BATCH):
        index = rows[start : start + BATCH]
        mix = features.mix(torch.from_numpy(index), nothing, np.random.default_rng(0), None)
        with torch.inference_mode():
            features.model.trunk(problem.inputs.batch(index), len(index), mix)


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}
