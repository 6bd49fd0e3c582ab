"""One variant on one set and seed: trained through the public face, judged on its test rows, kept as a small file."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.numpy import load_file

from jointset import config as configs
from jointset.errors import JointsetError
from jointset.project import execute

ALONE = "alone"


@dataclass(frozen=True)
class Variant:
    """A way of sharing, and a weighting; ``label`` tells runs with other settings apart."""

    sharing: str
    weighting: str = "equal"
    label: str = ""

    @property
    def name(self) -> str:
        """How its files are called."""
        return self.label or f"{self.sharing}-{self.weighting}"

    def settings(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The set's settings with this variant's."""
        model = {**base.get("model", {}), "sharing": self.sharing}
        training = {**base.get("training", {}), "weighting": self.weighting}
        return {**base, "model": model, "training": training}


def variants(sharings: Sequence[str], weightings: Sequence[str]) -> list[Variant]:
    """All pairs, those that say most first: every sharing with the first weighting, then the first with every one."""
    pairs = [Variant(s, w) for s in sharings for w in weightings]

    def turn(variant: Variant) -> int:
        return 0 if variant.weighting == weightings[0] else 1 if variant.sharing == sharings[0] else 2

    return sorted(pairs, key=turn)


def joint(folder: Path, variant: Variant, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a variant, trained on all tasks of the set; taken over when they are there."""
    return _measured(folder, variant.name, variant.settings(settings(folder)), changes)


def alone(folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of each task trained alone, on the datasets that label it, with the same settings and budget."""
    base, found = settings(folder), {}
    for task, own in base["tasks"].items():
        part = {**base, "tasks": {task: own}}
        part["datasets"] = {n: d for n, d in base["datasets"].items() if n in own["labels"]}
        one = _measured(folder, f"{ALONE}-{task}", part, changes)
        if "error" in one:
            return one
        found[task] = one
    return {
        "tasks": {t: one["tasks"][t] for t, one in found.items()},
        "seconds": sum(one["seconds"] for one in found.values()),
        "parameters": sum(one["parameters"] for one in found.values()),
    }


def gain(together: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float]:
    """By task, the relative gain over training alone in % (Maninis et al. 2019); all metrics here grow with quality.

    >>> gain({"a": {"value": 0.9}}, {"a": {"value": 0.8}})
    {'a': 12.5}
    """
    return {
        t: round(100 * (together[t]["value"] - reference[t]["value"]) / reference[t]["value"], 4)
        for t in reference
        if together[t]["value"] is not None and reference[t]["value"]
    }


def delta(gains: Mapping[str, float]) -> float:
    """The mean gain over the tasks, in %."""
    return statistics.fmean(gains.values())


def tasks(folder: Path) -> list[str]:
    """Names of a set's tasks."""
    return list(settings(folder)["tasks"])


def settings(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8")))


def _measured(
    folder: Path, name: str, settings: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    done = folder / "scores" / f"{name}.json"
    if not done.is_file():
        done.parent.mkdir(exist_ok=True)
        found = _run(folder, name, settings, changes)
        if "error" in found:  # what is mended is tried again
            return found
        temporary = done.with_suffix(".tmp")
        temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
        temporary.replace(done)
    return dict(json.loads(done.read_text(encoding="utf-8")))


def _run(folder: Path, name: str, settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    training = {**settings.get("training", {}), **changes}
    path, started, seen = folder / "runs", time.process_time(), []
    shutil.rmtree(path / name, ignore_errors=True)  # what was interrupted would not be timed as a whole
    try:
        parsed = configs.parse({**settings, "name": name, "training": training, "relatedness": "off"}, name)
        run = execute(configs.resolve_paths(parsed, folder), path, emit=seen.append)
        tasks = {
            t: {"metric": s["metric"], "value": s["after"], "on": s["on"], **s["metrics_after"]}
            for t, s in run.summary["tasks"].items()
        }
        parameters = sum(t.size for t in load_file(run.path / "model" / "model.safetensors").values())
    except JointsetError as error:
        return {"error": str(error)}
    trained = next(e for e in seen if e["event"] == "trained")
    shutil.rmtree(path / name)  # weights of hundreds of variants
    return {
        "tasks": tasks,
        "parameters": parameters,
        "epochs": trained.get("epochs"),
        "skill": trained.get("skill"),
        "seconds": round(time.process_time() - started, 1),
    }
