"""What is trained on: tasks, inputs, labels and their weights, over one pool of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointset.models.grouped import TaskGroup, build_model
from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Bools, Floats, Ints, Task
from jointset.tasks import KINDS
from jointset.tasks.base import Counts
from jointset.training.augmented import Augmentation


@dataclass(frozen=True)
class ModelPlan:
    """How the joint model is built: the keywords of :class:`~jointset.models.joint.JointModel`.

    With ``groups`` there is a model for each, over the tasks that it trains.
    """

    sharing: str = "hard"
    width: int = 128
    depth: int = 1
    dropout: float = 0.1
    modality_dropout: float = 0.0
    joint_inference: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    taps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    auxiliary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[TaskGroup, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One joint training problem.

    ``labels`` and ``weights`` are in the form of :mod:`jointset.records`, over all N rows of the pool;
    ``dataset_of`` (N,) numbers the datasets; ``auxiliary_weight`` is that of the losses of ``plan.auxiliary``;
    ``augmentation`` is what training sees changed; ``source`` (A,) are the rows that the last A rows were derived from.
    """

    tasks: tuple[Task, ...]
    inputs: Inputs
    labels: Mapping[str, NDArray[Any]]
    weights: Mapping[str, Floats]
    dataset_of: Ints
    plan: ModelPlan
    auxiliary_weight: float = 0.3
    augmentation: Augmentation | None = None
    source: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def rows(self) -> int:
        """Rows of the pool; added ones come after them."""
        return len(self.dataset_of) - len(self.source)

    def trained_on(self, mask: Bools) -> Ints:
        """The usable rows of the pool that ``mask`` (N,) names, and those added rows whose source it names."""
        usable = self._usable()
        return np.flatnonzero(usable & np.concatenate([mask, mask[self.source]]))

    def usable(self) -> Bools:
        """Rows of the pool with an input and at least one label of positive weight, ``(N,)``."""
        return self._usable()[: self.rows]

    def _usable(self) -> Bools:
        labelled = np.zeros(len(self.dataset_of), bool)
        for task in self.tasks:
            labels, weights = self.labels[task.name], self.weights[task.name]
            known = (~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0) & (weights > 0)
            labelled |= known.any(1) if known.ndim == 2 else known
        present = np.zeros(len(self.dataset_of), bool)
        for row in self.inputs.row.values():
            present |= row >= 0
        return labelled & present

    def of_group(self, group: TaskGroup) -> Problem:
        """The problem of the tasks that a group trains, over the same rows."""
        tasks = tuple(t for t in self.tasks if t.name in group.trained)
        names = {t.name for t in tasks}
        taps, auxiliary = (
            {t: s for t, s in p.items() if t in names} for p in (self.plan.taps, self.plan.auxiliary)
        )
        plan = replace(self.plan, taps=taps, auxiliary=auxiliary, groups=())
        own = self.augmentation
        if own is not None:
            smote = {t: made for t, made in own.policy.smote.items() if t in names}
            own = replace(own, policy=replace(own.policy, smote=smote))
        return replace(self, tasks=tasks, plan=plan, augmentation=own)

    def build(self, seed: int) -> JointModel:
        """A new model with weights drawn from ``seed``; the global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build_model(self.tasks, self.inputs.encoders, self.inputs.states, **asdict(self.plan))

    def readable(self) -> dict[str, NDArray[Any]]:
        """Labels that other tasks may read: those of weight above zero, the others missing."""
        return {
            t.name: np.where(self.weights[t.name] > 0, self.labels[t.name], t.missing(1)[0])
            for t in self.tasks
        }

    def counts(self, rows: Ints) -> dict[str, Counts]:
        """Labels by class that ``rows`` train on, by task, in the shape of ``Seen.counts``."""
        labels = self.readable()
        return {t.name: KINDS[t.kind].count(t, labels[t.name][rows]) for t in self.tasks}


class LabelBatches:
    """Labels and weights as tensors once, gathered by row position per batch.

    ``shares`` are factors on the weights, of rows that are drawn more often than a task asks for.
    """

    def __init__(self, problem: Problem, shares: Mapping[str, Floats] | None = None) -> None:
        self.names = [t.name for t in problem.tasks]
        self.labels = {n: torch.from_numpy(np.ascontiguousarray(problem.labels[n])) for n in self.names}
        weights = {n: problem.weights[n] * shares[n] if shares else problem.weights[n] for n in self.names}
        self.weights = {
            n: torch.from_numpy(np.ascontiguousarray(w, dtype=np.float32)) for n, w in weights.items()
        }
        self.known = {
            n: (~y.isnan() if y.is_floating_point() else y >= 0) & (self.weights[n] > 0)
            for n, y in self.labels.items()
        }

    def batch(self, index: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Task → labels and weights of the rows ``index`` (b,); tasks without a labelled row are left out."""
        return {
            n: (self.labels[n][index], self.weights[n][index])
            for n in self.names
            if bool(self.known[n][index].any())
        }

    def known_of(self, index: Tensor) -> dict[str, Tensor]:
        """What is labelled of the rows ``index`` (b,), by task."""
        return {n: known[index] for n, known in self.known.items()}

    def owner(self, rows: Ints) -> Ints | None:
        """The number of the one task that each row of the problem is labelled for, −1 = none, ``(N,)``.

        ``None`` if one of ``rows`` is labelled for two tasks, or there is only one task.
        """
        known = [k.any(1) if k.ndim == 2 else k for k in self.known.values()]
        apart = torch.stack(known)  # (K, N)
        if len(known) < 2 or bool((apart[:, torch.from_numpy(rows)].sum(0) > 1).any()):
            return None
        return torch.where(apart.any(0), apart.int().argmax(0), -1).numpy()

    def hidden(self, index: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Labels of the rows ``index`` (b,), each kept with a probability that is drawn for every row."""
        kept = torch.from_numpy(rng.random(len(index)))
        found = {}
        for name in self.names:
            labels, known = self.labels[name][index], self.known[name][index]
            draw = torch.from_numpy(rng.random(labels.shape))
            seen = known & (draw < (kept[:, None] if draw.ndim == 2 else kept))
            found[name] = torch.where(seen, labels, torch.nan if labels.is_floating_point() else -1)
        return found
