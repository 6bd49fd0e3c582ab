"""Jointset's own cross-fit over files and a configuration, without the rounds around it."""

from __future__ import annotations

import json
import time
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
    """Probabilities by task, rows as in the file, and the seconds of training and predicting."""

    probs: Mapping[str, Array]
    seconds: float


def cross_fit(config: Path, tasks: Sequence[str]) -> CrossFit:
    """Cross-fit the joint model of a configuration's one dataset on ``tasks`` alone; kept beside the file."""
    folder = config.with_name("-".join([config.stem, *tasks]))
    done = folder / "done.json"
    if not done.is_file():
        _made(config, tasks, folder)
        # last: what was interrupted before is not taken over
        done.write_text(json.dumps({"seconds": _seconds(folder)}), encoding="utf-8")
    probs = {task: np.load(folder / f"{i}.npy") for i, task in enumerate(tasks)}
    return CrossFit(probs, json.loads(done.read_text(encoding="utf-8"))["seconds"])


def _made(config: Path, tasks: Sequence[str], folder: Path) -> None:
    from jointset import config as configs
    from jointset import stages
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import Edits
    from jointset.rundir import RunDirectory

    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["tasks"] = {task: settings["tasks"][task] for task in tasks}
    run = RunDirectory(folder / "run")
    work = prepare(configs.resolve_paths(configs.parse(settings), config.parent), run.data)
    bench = stages.set_up(run, work, lambda event: None)
    overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
    started = time.perf_counter()
    with stages.threads(bench):
        predictions = stages.cross_fitted(bench, overlay, 1)
    np.save(folder / "seconds.npy", time.perf_counter() - started)
    order = np.argsort(work.pool.row_ids.astype(np.int64))  # ids are row numbers
    for i, task in enumerate(tasks):
        np.save(folder / f"{i}.npy", predictions.outputs[task][order])


def _seconds(folder: Path) -> float:
    return float(np.load(folder / "seconds.npy"))
