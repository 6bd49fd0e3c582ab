"""What it costs to watch the tasks' gradients while training: the time of epochs with and without, in pairs.

    python bench/running_affinity.py [--only adult sentence_cls] [--repeats 9] [--rows 4000]

Two trainings of one set go on side by side in one process, epoch by epoch in turn, one of them watched; whose turn is
first changes. A row of the table: the median over epochs of watched over not watched, in seconds of the processor,
with the quartiles; and whether both ended in the same weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing.sets import SETS  # noqa: E402
from jointset import config as configs  # noqa: E402
from jointset.data import apply  # noqa: E402
from jointset.prepare import prepare  # noqa: E402
from jointset.records import TRAIN, Edits  # noqa: E402
from jointset.rundir import RunDirectory  # noqa: E402
from jointset.training.trainer import Trainer  # noqa: E402
from jointset.workbench import set_up  # noqa: E402


def measured(folder: Path, name: str, rows: int, repeats: int, training: dict[str, Any]) -> dict[str, Any]:
    """Ratios of the times of ``repeats`` epochs, after one to warm up, and what the watched training took."""
    SETS[name](folder, 0, rows)
    settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8")) | {"name": name}
    settings["training"] = {**settings.get("training", {}), **training}
    work = prepare(configs.resolve_paths(configs.parse(settings, name), folder), folder / "data")
    bench = set_up(RunDirectory(folder / "run"), work, lambda event: None)
    problem = bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))
    train = problem.trained_on(work.pool.split == TRAIN)
    sides = {}
    for watch in (False, True):
        torch.manual_seed(0)
        sides[watch] = (
            Trainer(problem, train, train[:0], bench.settings, 0, False, watch),
            torch.get_rng_state(),
        )
    ratios = []
    for turn in range(repeats + 1):
        seconds = {}
        for watch in (False, True) if turn % 2 else (True, False):
            run, generator = sides[watch]
            torch.set_rng_state(generator)
            begun = time.process_time()
            run.one_epoch()
            seconds[watch] = time.process_time() - begun
            sides[watch] = run, torch.get_rng_state()
        if turn:
            ratios.append(seconds[True] / seconds[False])
    plain, watched = (run.model.state_dict() for run, _ in sides.values())
    running = sides[True][0].watch.found()
    cosine = running.affinities()["gradient_cosine"]
    off = ~np.eye(len(cosine.tasks), dtype=bool)
    return {
        "tasks": len(problem.tasks),
        "steps": len(sides[True][0].sampler) * (repeats + 1),
        "looks": int(cosine.support.max()),
        "where": running.where,
        "every": running.every,
        "ratio": [float(q) for q in np.quantile(ratios, [0.25, 0.5, 0.75])],
        "same": all(torch.equal(v, watched[k]) for k, v in plain.items()),
        "cosine": [float(q) for q in np.nanquantile(cosine.values[off], [0, 0.5, 1])],
    }


def line(name: str, found: dict[str, Any]) -> str:
    low, middle, high = found["ratio"]
    least, half, most = found["cosine"]
    return (
        f"| {name} ({found['tasks']} tasks) | {found['where']} | {found['looks']} of {found['steps']} steps "
        f"(1 in {found['every']}) | {middle:.3f} [{low:.3f}, {high:.3f}] | {'yes' if found['same'] else '**no**'} | "
        f"{half:+.2f} [{least:+.2f}, {most:+.2f}] |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what watching gradients costs.")
    parser.add_argument("--only", nargs="+", choices=SETS, default=["adult", "sentence_cls", "molecules"])
    parser.add_argument("--repeats", type=int, default=9, help="epochs of each training that count")
    parser.add_argument("--rows", type=int, default=4000, help="training rows of each dataset at most")
    parser.add_argument("--weighting", nargs="+", default=["fixed", "upgrad"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| set, weighting | gradients of | looks | time watched / not, median [quartiles] | same weights | "
          "cosine, median [least, most] |\n|---|---|---|---|---|---|")  # fmt: skip
    raw = {}
    for name in arguments.only:
        for weighting in arguments.weighting:
            with tempfile.TemporaryDirectory() as folder:
                found = measured(
                    Path(folder), name, arguments.rows, arguments.repeats, {"weighting": weighting}
                )
            raw[f"{name}, {weighting}"] = found
            print(line(f"{name}, {weighting}", found), flush=True)
    print(json.dumps(raw), file=sys.stderr)


if __name__ == "__main__":
    main()
