"""Which layers are shared and which are specialised: task features compared layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jointset.errors import ArrayError
from jointset.interpret.cka import linear_cka
from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.models.sharing.blocks import Affine, Block
from jointset.records import Floats, Ints

BATCH = 512
WHOLE = (Block, Affine)  # layers that are looked at as one


@dataclass(frozen=True)
class Alignment:
    """``value`` ``(L, K, K)``: debiased CKA between the features of every two tasks at every layer; ``layers`` (L,)
    and ``tasks`` (K,) are names. Near 1 a layer does the same for both tasks, near 0 it is specialised."""

    layers: tuple[str, ...]
    tasks: tuple[str, ...]
    value: Floats

    def shared(self) -> Floats:
        """The mean over pairs of tasks, ``(L,)``; NaN with one task."""
        upper = np.triu_indices(len(self.tasks), 1)
        return np.array([v[upper].mean() if len(upper[0]) else np.nan for v in self.value])


def task_features(model: JointModel, inputs: Inputs, rows: Ints) -> dict[str, dict[str, Floats]]:
    """Layer → task → features ``(n, d)`` of the rows.

    Layers that work in a column per task (soft sharing, cross-stitch, …) have other features for each task; those that
    all tasks read have one for all, under every task. The last layer is what the heads read. Of tasks that have models
    of their own, each has the features of the model that serves it.
    """
    members = {t.name: model.serving(t.name) for t in model.tasks}
    if any(m is not model for m in members.values()):
        made = {id(m): task_features(m, inputs, rows) for m in members.values()}
        names = [n for n in made[id(members[model.tasks[0].name])] if all(n in f for f in made.values())]
        return {n: {t: made[id(m)][n][t] for t, m in members.items()} for n in names}
    tasks = [t.name for t in model.tasks]
    found: dict[str, dict[str, list[Floats]]] = {}
    seen: list[tuple[str, Tensor]] = []

    def hook(name: str) -> Any:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            seen.append((name, output))

        return keep

    watched = _layers(model)
    hooks = [m.register_forward_hook(hook(n)) for n, m in watched.items()]
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(rows), BATCH):
                index = rows[start : start + BATCH]
                seen.clear()
                trunk = model.trunk(inputs.batch(index), len(index))
                features = model.sharing.branches(trunk.shared)
                calls = Counter(name for name, _ in seen)  # what runs once a task has no one vector a row
                for name, x in seen:
                    if calls[name] == 1 and x.ndim == 2 and len(x) == len(index):
                        found.setdefault(name, {}).setdefault("*", []).append(x.numpy())
                for task in tasks:
                    found.setdefault("heads' input", {}).setdefault(task, []).append(features[task].numpy())
    finally:
        for h in hooks:
            h.remove()
    whole = {n: {t: np.concatenate(p) for t, p in by.items()} for n, by in found.items()}
    return _columns(whole, tasks, model)


def alignment(features: Mapping[str, Mapping[str, Floats]]) -> Alignment:
    """Debiased linear CKA between tasks at every layer of ``features``, layer → task → ``(n, d)``; see
    :func:`task_features`.

    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> alignment({"last": {"a": x, "b": 3 * x}}).value.round(3).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    layers = tuple(features)
    tasks = tuple(next(iter(features.values()))) if features else ()
    if not layers or any(tuple(f) != tasks for f in features.values()):
        raise ArrayError("every layer needs features of the same tasks")
    value = np.ones((len(layers), len(tasks), len(tasks)))
    for i, by in enumerate(features.values()):
        for j, a in enumerate(tasks):
            for k in range(j):
                same = by[a] is by[tasks[k]]
                value[i, j, k] = value[i, k, j] = 1.0 if same else linear_cka(by[a], by[tasks[k]])
    return Alignment(layers, tasks, value)


def against(
    joint: Mapping[str, Mapping[str, Floats]], alone: Mapping[str, Mapping[str, Floats]], task: str
) -> dict[str, float]:
    """Layer → debiased CKA between a joint model's features of a task and those of a model of that task alone."""
    shared = [layer for layer in joint if layer in alone and task in joint[layer] and task in alone[layer]]
    if not shared:
        raise ArrayError(f"the models have no layer in common for task {task!r}")
    return {layer: linear_cka(joint[layer][task], alone[layer][task]) for layer in shared}


def _layers(model: JointModel) -> dict[str, nn.Module]:
    """The encoders that all tasks share and the layers of the sharing structure, by their path."""
    found: dict[str, nn.Module] = {
        f"{m} encoder": e for m, e in model.encoders.items() if m not in model.further
    }

    def walk(module: nn.Module, path: str) -> None:
        plain = isinstance(module, nn.Sequential) and not any(isinstance(m, WHOLE) for m in module)
        if isinstance(module, (*WHOLE, nn.Linear)) or plain:
            found[path] = module
            return
        for name, child in module.named_children():
            walk(child, f"{path}.{name}" if path else name)

    walk(model.sharing, "")
    return found


def _columns(
    whole: Mapping[str, Mapping[str, Floats]], tasks: Sequence[str], model: JointModel
) -> dict[str, dict[str, Floats]]:
    """Layers that serve one task each, at paths that differ in a number, become one layer with features by task."""
    trains: dict[int, tuple[str, ...]] = {}
    for part in model.sharing.parts():
        for module in (m for held in part.modules for m in held.modules()):
            trains.setdefault(id(module), part.tasks)
    modules = _layers(model)
    found: dict[str, dict[str, Floats]] = {}
    for name, by in whole.items():
        if "*" not in by:
            found[name] = dict(by)
            continue
        parts = name.split(".")
        first = next((i for i, p in enumerate(parts) if p.isdigit()), None)
        who = trains.get(id(modules[name]), tuple(tasks))
        if model.sharing.of_tasks and first is not None and parts[0] == "layers":
            who = (tasks[int(parts[first])],)
        if len(who) == 1 and len(tasks) > 1 and first is not None:
            layer = ".".join([*parts[:first], "*", *parts[first + 1 :]])
            found.setdefault(layer, {})[who[0]] = by["*"]
        else:
            found[name] = {t: by["*"] for t in tasks if t in who}
    last = found.pop("heads' input")
    kept = {n: {t: f[t] for t in tasks} for n, f in found.items() if all(t in f for t in tasks)}
    return {**kept, "heads' input": last}
