"""Joint models with random weights, on disk as a run leaves them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from jointset.models.encoders import make_encoders
from jointset.models.grouped import build_model
from jointset.models.saved import SavedModel
from jointset.records import Task
from jointset.training.problem import ModelPlan

TASKS = (
    Task("mood", "multiclass", ("sad", "so so", "glad")),
    Task("urgent", "binary", ("no", "yes")),
    Task("topics", "multilabel", ("a", "b", "c", "d")),
    Task("price", "regression", unit="EUR", scale=(40.0, 7.5)),
)


@pytest.fixture
def saved(tmp_path):
    """Make a model for datasets of Arrow tables: nothing in it is as it was initialised, so every layer tells."""

    def make(encoders, datasets, inputs, tasks=TASKS, joint_inference="none", **plan):
        made = make_encoders({m: ("default", {}) if e is None else e for m, e in encoders.items()})
        states = {}
        for m, encoder in made.items():
            columns = {n: inputs[n][m] for n in datasets if m in inputs[n]}
            states[m] = encoder.fit([datasets[n].select(c) for n, c in columns.items()])
        whole = dataclasses.asdict(ModelPlan(width=8, dropout=0.1, joint_inference=joint_inference, **plan))
        torch.manual_seed(0)
        model = build_model(tasks, made, states, **whole)
        generator = torch.Generator().manual_seed(1)
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if "encoders.text.backbone." in name and "additions" not in name:
                continue
            with torch.no_grad():
                if name.endswith("counts"):
                    value.copy_(torch.randint(3, 40, value.shape, generator=generator))
                elif name.endswith("running_var"):
                    value.uniform_(0.5, 2.0, generator=generator)
                elif value.is_floating_point():
                    value.normal_(0.0, 0.3, generator=generator)
        folder = tmp_path / "model"
        folder.mkdir()
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
        config = {
            "tasks": [dataclasses.asdict(t) for t in tasks],
            "encoders": {
                m: {"name": e.name, "options": (encoders[m] or ("", {}))[1], "state": states[m]}
                for m, e in made.items()
            },
            "plan": whole,
            "labels": {t.name: {} for t in tasks},
            "inputs": inputs,
        }
        (folder / "config.json").write_text(json.dumps(config, default=str), encoding="utf-8")
        return SavedModel(folder)

    return make


@pytest.fixture
def apart():
    """The largest difference between two sets of outputs, in deviations of the labels for numbers."""

    def of(found, expected):
        scale = {t.name: t.scale[1] for t in TASKS}
        return max(float(np.abs(found[n] - y).max()) / scale.get(n, 1.0) for n, y in expected.items())

    return of
