"""A configuration over frames, trained in this process: for benchmarks of the joint model rather than of the loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jointset import config as configs
from jointset.data import apply
from jointset.prepare import prepare
from jointset.records import HOLDOUT, TEST, TRAIN, Edits
from jointset.rundir import RunDirectory
from jointset.stages import held_out_rows
from jointset.training.problem import Problem
from jointset.workbench import Bench, set_up


def bench(settings: Mapping[str, Any], frames: Mapping[str, Any], folder: Path) -> Bench:
    """Everything read and prepared, in ``folder``, as ``jointset run`` would."""
    config = configs.parse(settings)
    work = prepare(config, folder / "data", frames)
    return set_up(RunDirectory(folder), work, lambda event: None)


def problem(bench: Bench) -> Problem:
    """The joint training problem of the given labels."""
    work = bench.work
    return bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))


def rows(bench: Bench, problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the usable training and holdout rows, and of the test rows."""
    usable, split = problem.usable(), bench.work.pool.split
    train, holdout = (np.flatnonzero(usable & (split == side)) for side in (TRAIN, HOLDOUT))
    return train, holdout, np.flatnonzero(split == TEST)


def sides(bench: Bench) -> dict[str, np.ndarray]:
    """Masks over the held-out rows: of the holdout, for choices, and of the test, for figures."""
    split = bench.work.pool.split[held_out_rows(bench.work)]
    return {"holdout": split == HOLDOUT, "test": split == TEST}
