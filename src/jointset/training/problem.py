"""What is trained on: tasks, inputs, labels and their weights, over one pool of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Bools, Floats, Ints, Task
from jointset.tasks import KINDS
from jointset.tasks.base import Counts


@dataclass(frozen=True)
class ModelPlan:
    """How the joint model is built; ``width``, ``depth`` and ``dropout`` are those of the sharing structure."""

    sharing: str = "hard"
    width: int = 128
    depth: int = 1
    dropout: float = 0.1


@dataclass(frozen=True)
class Problem:
    """One joint training problem.

    ``labels`` and ``weights`` are in the form of :mod:`jointset.records`, over all N rows of the pool;
    ``dataset_of`` (N,) numbers the datasets.
    """

    tasks: tuple[Task, ...]
    inputs: Inputs
    labels: Mapping[str, NDArray[Any]]
    weights: Mapping[str, Floats]
    dataset_of: Ints
    plan: ModelPlan

    def usable(self) -> Bools:
        """Rows with an input and at least one label of positive weight, ``(N,)``."""
        labelled = np.zeros(len(self.dataset_of), bool)
        for task in self.tasks:
            labels, weights = self.labels[task.name], self.weights[task.name]
            known = (~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0) & (weights > 0)
            labelled |= known.any(1) if known.ndim == 2 else known
        present = np.zeros(len(self.dataset_of), bool)
        for row in self.inputs.row.values():
            present |= row >= 0
        return labelled & present

    def build(self, seed: int) -> JointModel:
        """A new model with weights drawn from ``seed``; the global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return JointModel(
                self.tasks,
                self.inputs.encoders,
                self.inputs.states,
                sharing=self.plan.sharing,
                width=self.plan.width,
                depth=self.plan.depth,
                dropout=self.plan.dropout,
            )

    def counts(self, rows: Ints) -> dict[str, Counts]:
        """Labels by class that ``rows`` train on, by task, in the shape of ``Seen.counts``."""
        found = {}
        for task in self.tasks:
            labels, weights = self.labels[task.name][rows], self.weights[task.name][rows]
            used = np.where(weights > 0, labels, task.missing(1)[0])
            found[task.name] = KINDS[task.kind].count(task, used)
        return found


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
