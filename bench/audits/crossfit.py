"""Jointset's own cross-fit over files and a configuration, without the rounds around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class CrossFit:
    """Probabilities and training margins by task, rows in the order of their ids, which are numbers; and the seconds of
    all epochs."""

    probs: Mapping[str, Array]
    margins: Mapping[str, Array]
    seconds: float


def cross_fit(config: Path, tasks: Sequence[str]) -> CrossFit:
    """Cross-fit the joint model of a configuration's one dataset on ``tasks`` alone; kept beside the file."""
    asked = hashlib.sha256("\n".join([config.read_text(encoding="utf-8"), *tasks]).encode())
    folder = config.with_name(f"{config.stem}-{asked.hexdigest()[:12]}")
    done = folder / "probs.npz"
    if not done.is_file():
        made = _made(config, tasks, folder / "run")
        np.savez(folder / "partial.npz", **made)
        (folder / "partial.npz").replace(done)
    with np.load(done) as stored:
        parts = [{t: stored[f"{part}.{t}"] for t in tasks} for part in ("probs", "margin")]
    return CrossFit(*parts, _seconds(folder / "run"))


def _made(config: Path, tasks: Sequence[str], folder: Path) -> dict[str, Array]:
    from jointset import config as configs
    from jointset import stages, workbench
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import Edits
    from jointset.rundir import RunDirectory

    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["tasks"] = {task: settings["tasks"][task] for task in tasks}
    run = RunDirectory(folder)
    work = prepare(configs.resolve_paths(configs.parse(settings), config.parent), run.data)
    bench = workbench.set_up(run, work, run.metric)
    overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
    with workbench.threads(bench):
        predictions = stages.cross_fitted(bench, overlay, 1)
    order = np.argsort(work.pool.row_ids.astype(np.int64))
    return {f"probs.{t}": predictions.outputs[t][order] for t in tasks} | {
        f"margin.{t}": predictions.margin[t][order] for t in tasks
    }


def _seconds(run: Path) -> float:
    """Of every epoch that was told, so that an interrupted call that was repeated counts in full."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return float(sum(e["seconds"] for e in map(json.loads, lines) if e.get("event") == "epoch"))
