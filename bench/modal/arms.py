"""Trainings that are compared: one configuration each, run by the library, scored on test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# a quarter of the default's cost, in every arm alike: narrower stages, a table of n-grams that fits some thousand texts
SMALL: dict[str, Any] = {"image": {"widths": [16, 32]}, "text": {"bits": 16}}


@dataclass(frozen=True)
class Data:
    """One dataset of an arm: its table, its inputs by modality, its label columns by task."""

    table: pa.Table
    inputs: Mapping[str, Any]
    labels: Mapping[str, str]

    def test(self) -> pa.Table:
        return self.table.filter(pc.equal(self.table["split"], "test"))


@dataclass(frozen=True)
class Arm:
    """What is trained together."""

    name: str
    data: Mapping[str, Data]
    kinds: Mapping[str, str]
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    augment: Any = "off"

    def run(self, folder: Path, seed: int) -> Any:
        """The finished run; an earlier one in the folder is taken over."""
        from jointset import config as configs
        from jointset.project import Run, execute

        if (folder / self.name / "summary.json").is_file():
            return Run(folder / self.name)
        settings = {
            "name": self.name,
            "datasets": {n: {"inputs": dict(d.inputs), "split": "split"} for n, d in self.data.items()},
            "tasks": {
                t: {"kind": kind, "labels": {n: d.labels[t] for n, d in self.data.items() if t in d.labels}}
                for t, kind in self.kinds.items()
            },
            "model": {**SMALL, **self.model},
            "training": dict(self.training),
            "augment": self.augment,
            "improve": {"rounds": 0},
            "relatedness": "off",
            "seed": seed,
        }
        sources = {n: d.table for n, d in self.data.items()}
        return execute(configs.parse(settings), folder, sources=sources)


def score(run: Any, dataset: str, table: pa.Table, task: str, label: str) -> float:
    """Accuracy on the labelled rows of a table, or the area under the ROC curve of a binary task."""
    from sklearn.metrics import roc_auc_score

    found = next(t for t in run.model.tasks if t.name == task)
    table = table.filter(table[label].is_valid())
    outputs = run.model.outputs(table, dataset=dataset)[task]
    truth = np.array([found.classes.index(v) for v in table[label].to_pylist()])
    if found.kind == "binary":
        return float(roc_auc_score(truth, outputs[:, 1]))
    return float((outputs.argmax(1) == truth).mean())
