"""What the labels of which dataset did to which task, and which layers the tasks share."""

from __future__ import annotations

from typing import Any

from jointset.report.generic import heat
from jointset.report.html import bounded, element, note, table
from jointset.report.material import Material
from jointset.report.sections.base import Section
from jointset.rundir import read_json

HARM = -0.05  # of the strongest influence on a task, from which labels are named


def interpretation(material: Material) -> Section | None:
    """Influence by dataset and task, and features by layer; None where a run has written nothing of it."""
    file = material.directory.interpretation
    if not file.is_file():
        return None
    found = read_json(file)
    parts: list[Any] = [*_influence(found), *_layers(found["layers"])]
    return Section("interpretation", "What helped which task", bounded([parts])) if parts else None


def _influence(found: dict[str, Any]) -> list[Any]:
    sources = list(dict.fromkeys((e["dataset"], e["task"]) for e in found["influence"]))
    targets = list(dict.fromkeys(e["target"] for e in found["influence"]))
    if len(sources) * len(targets) < 2:
        return []
    by = {(e["dataset"], e["task"], e["target"]): e for e in found["influence"]}
    values = [[by.get((*s, t), {}).get("share") for t in targets] for s in sources]
    names = [f"{dataset}: {task}" for dataset, task in sources]
    rows = found["rows"]
    worst = sorted((e for e in found["influence"] if e["share"] < HARM), key=lambda e: e["share"])[:5]
    told = [
        [f"{e['dataset']}: {e['task']}", e["target"], f"{e['share']:+.2f}", f"{e['hurt']:.0%}"] for e in worst
    ]
    return [
        element("h3", "Influence of a training label on a task's held-out loss"),
        heat(
            values,
            names,
            targets,
            "mean influence over the strongest on the task; above 0 it helps",
            "labels of",
        ),
        table(["labels of", "hurt", "influence", "labels that hurt"], told, caption="hurt on average")
        if told
        else None,
        note(
            f"After one epoch of training: gradients of a sample of {rows['training']:,} training rows, over "
            f"curvature, on {rows['held_out']:,} rows of the {rows['side']}. It is what a small step does, not what "
            "leaving the labels out would."
        ),
    ]


def _layers(layers: dict[str, Any] | None) -> list[Any]:
    if layers is None or all(m is None or m > 0.9995 for m in layers["mean"]):
        return []
    rows = [
        [n, "–" if m is None else f"{m:.2f}"] for n, m in zip(layers["names"], layers["mean"], strict=True)
    ]
    return [
        element("h3", "Layers that are shared or specialised"),
        table(
            ["layer", "alike"],
            rows,
            caption="debiased CKA between tasks, mean over pairs; 1 = the same features",
        ),
        heat(layers["alignment"][-1], layers["tasks"], layers["tasks"], f"by pair, {layers['names'][-1]}"),
    ]
