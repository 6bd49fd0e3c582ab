"""Feature-space augmentation inside a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from jointset.augment import Draws, features
from jointset.augment.adversarial import perturbed
from jointset.augment.features import Memory
from jointset.errors import ConfigError
from jointset.models.joint import JointModel, Trunk
from jointset.records import Bools, Floats, Ints
from jointset.training.problem import LabelBatches, Problem

SINGLE = ("binary", "multiclass")
CELLS = (*SINGLE, "multilabel")  # kinds whose labels rows of a cell share


@dataclass
class Features:
    """Changes the rows of a batch where the encoders meet the trunk.

    ``sets`` numbers the label sets of every row, by task. ``moved`` ``(b,)`` are the rows of the last batch that were
    changed. Its memory begins empty in every epoch, so that a checkpoint at an epoch's end need not hold it.
    """

    model: JointModel
    labels: LabelBatches
    tasks: tuple[str, ...]
    memory: Memory
    sets: Mapping[str, Ints] = field(default_factory=dict)
    moved: Bools = field(default_factory=lambda: np.zeros(0, bool))

    @classmethod
    def of(cls, problem: Problem, model: JointModel, labels: LabelBatches) -> Features | None:
        """What the augmentation asks for; ``None`` where it changes no features."""
        own = problem.augmentation
        if own is None or not any(o.startswith("features.") for o in own.policy.operations()):
            return None
        if model.further or problem.plan.taps or problem.plan.auxiliary:
            raise ConfigError(
                "augment: features.* change the rows that one trunk reads, and here tasks have encoders of their own, "
                "a depth or auxiliary heads; take one of them out"
            )
        single = [t.name for t in problem.tasks if t.kind in SINGLE]
        several = [t.name for t in problem.tasks if t.kind in CELLS and t.kind not in SINGLE]
        tasks = (*single, *several)
        sets = {t: features.sets_of(_known(labels, t).numpy().astype(np.int64)) for t in several}
        return cls(model, labels, tasks, Memory.empty(model.width, len(tasks), len(single)), sets)

    def forget(self) -> None:
        """Begin anew."""
        self.memory = Memory.empty(self.model.width, len(self.tasks), self.memory.classes)

    def mix(
        self, index: Tensor, draws: Draws, rng: np.random.Generator, then: Callable[[Tensor], Tensor] | None
    ) -> Callable[[Tensor], Tensor]:
        """What the trunk is given in the place of its rows ``(b, width)``; ``then`` is what follows, such as mixup."""
        codes = features.codes_of([self._codes(t, index) for t in self.tasks], len(index))
        strength = draws.of("features")
        borrowed = {o: s for o, s in strength.items() if o in features.CHANGES}

        def mixed(x: Tensor) -> Tensor:
            own = x.detach()
            if borrowed:
                x = features.changed(x, codes, self.memory, borrowed, rng)
            if "adversarial" in strength:
                x = self._moved(x, strength["adversarial"])
            self.moved = (x.detach() != own).any(1).numpy()
            self.memory.add(own, codes)
            return x if then is None else then(x)

        return mixed

    def _codes(self, task: str, index: Tensor) -> Ints:
        if task in self.sets:
            return self.sets[task][index.numpy()]
        known = self.labels.known[task][index]
        return torch.where(known, self.labels.labels[task][index], -1).numpy()

    def _moved(self, x: Tensor, strength: Floats) -> Tensor:
        def logits(rows: Tensor) -> dict[str, Tensor]:
            return self.model.outputs(Trunk(self.model.sharing.trunk(rows)))[0]

        training = self.model.training
        self.model.eval()  # what changes is to be the step's doing, not dropout's
        moved = perturbed(x, logits, strength)
        self.model.train(training)
        return moved


def _known(labels: LabelBatches, task: str) -> Tensor:
    """The labels of a task ``(N, K)`` as far as they are learnt from, -1 elsewhere."""
    y, known = labels.labels[task], labels.known[task]
    return torch.where(known, y, -1)
