"""Joint against single: what `relatedness: auto` says of every task, and what it leaves of the harm.

    python bench/against_single.py --work FOLDER [--only SET …] [--seeds 0 1 2] [--rows N] [--budget B]

A task's loss is relative, in % of the test metric of training it alone; test rows are read once, for this table. Told
are also the copies that were found, and the tasks that take no part in the others' training for want of a signal; these
have the model that they had alone. The budget is large enough to compare all tasks, which the default's, 2, is not
where tasks share rows: tasks that are not compared are not in the table. With ``--work``, what an earlier call with the
same budget finished is taken over.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing import harmful  # noqa: E402
from bench.sharing.sets import SETS as SHARED  # noqa: E402
from jointset import config as configs  # noqa: E402
from jointset.project import execute  # noqa: E402

SETS = {**SHARED, **harmful.SETS}


def measured(folder: Path, name: str, seed: int, rows: int | None, budget: float) -> dict[str, Any]:
    """The run's summary and verdicts."""
    run = folder / "runs" / f"auto-{budget:g}"
    if not (run / "summary.json").is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        if not (folder / "set.yaml").is_file():
            SETS[name](folder, seed, rows)
        settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8"))
        settings |= {"name": run.name, "relatedness": {"mode": "auto", "budget": budget}}
        execute(configs.resolve_paths(configs.parse(settings, name), folder), folder / "runs")
    summary, told = (
        json.loads((run / f"{n}.json").read_text(encoding="utf-8")) for n in ("summary", "relatedness")
    )
    foreseen = told.get("foreseen", {})
    return {
        "tasks": {
            n: {**t["single"], "after": t["after"]} for n, t in summary["tasks"].items() if "single" in t
        },
        "copies": foreseen.get("copies", []),
        "dropped": [n for n in foreseen.get("no_signal", {}) if n in told["set_apart"]],
        "kept": [n for n in foreseen.get("no_signal", {}) if n not in told["set_apart"]],
    }


def line(name: str, seeds: Sequence[dict[str, Any]]) -> str:
    """A set: mean gain over tasks of joint training and of what `auto` makes of it, and the worst tasks."""
    gains: dict[str, dict[str, list[float]]] = {}
    for found in seeds:
        for task, own in found["tasks"].items():
            for side in ("joint", "after"):
                relative = 100 * (own[side] - own["alone"]) / abs(own["alone"])
                gains.setdefault(task, {}).setdefault(side, []).append(relative)
    cells = []
    for side in ("joint", "after"):
        means = {t: statistics.fmean(g[side]) for t, g in gains.items()}
        worst = min(means, key=lambda t: means[t])
        losing = sum(m < -1 for m in means.values())
        cells.append(
            f"{statistics.fmean(means.values()):+.2f}; worst {worst} {means[worst]:+.2f}, {losing} below −1"
        )
    apart = [sorted(t for t, own in found["tasks"].items() if own["own_model"]) for found in seeds]
    told = [apart, [f["dropped"] for f in seeds], [f["kept"] for f in seeds]]
    told.append([[" = ".join(c) for c in f["copies"]] for f in seeds])
    by_seed = [" / ".join(", ".join(a) or "none" for a in one) for one in told]
    named = f"{name} ({len(gains)} tasks compared, {len(seeds)} seeds)"
    return f"| {' | '.join([named, cells[0], *by_seed, cells[1]])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what joint training does to single tasks.")
    parser.add_argument("--only", nargs="+", choices=SETS, metavar="SET", help=f"some of: {', '.join(SETS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="keep at most so many training rows of each dataset")
    parser.add_argument("--budget", type=float, default=60.0, help="joint trainings' worth to compare for")
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    arguments = parser.parse_args()
    print(
        "| set | joint, mean gain in % | own models, by seed | without signal, and dropped | suspected, and kept | "
        "copies | with all that |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        for name in arguments.only or SETS:
            seeds = [
                measured(work / name / str(s), name, s, arguments.rows, arguments.budget)
                for s in arguments.seeds
            ]
            print(line(name, seeds), flush=True)


if __name__ == "__main__":
    main()
