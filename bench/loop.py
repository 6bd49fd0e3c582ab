"""What the whole loop promises, measured on real data with known damage: one command, one table.

    python bench/loop.py [--only NAME …] [--seeds 0 1 2] [--work FOLDER] [--out FILE]

Every set is written as files and a configuration (``bench/datasets.py``) and run by ``jointset run`` in a
process of its own; the truth is read only afterwards. With ``--work``, what an earlier call finished is taken
over.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench import baselines, claims, machine, score  # noqa: E402
from bench.datasets import SETS  # noqa: E402
from bench.table import markdown  # noqa: E402

MACHINE = ("kill", "startup")
ALONE = ("digits-mixed",)
UNCLAIMED = ("spoken-written",)  # files for an example: nothing is promised of its loop


def main() -> None:
    names = [*(name for name in SETS if name not in UNCLAIMED), *MACHINE]
    parser = argparse.ArgumentParser(description="Measure the loop's promises.")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument("--out", type=Path, help="write the raw numbers here, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        raw = {
            name: {
                str(seed): measured(name, seed, work)
                for seed in (arguments.seeds if name != "startup" else [0])
            }
            for name in arguments.only or names
        }
    table = claims.table(raw)
    if arguments.out:
        arguments.out.write_text(json.dumps({"table": table, "raw": raw}, indent=1) + "\n", encoding="utf-8")
    print(markdown(table))


def measured(name: str, seed: int, work: Path) -> dict[str, Any]:
    """The raw numbers of one set and seed, or why there are none."""
    folder = work / name / str(seed)
    done = folder / "scores.json"
    if not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        found = machine_part(name, folder, seed) if name in MACHINE else one_set(name, folder, seed)
        folder.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(_plain(found), indent=1), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def machine_part(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Start-up times, or a run that is killed again and again."""
    if name == "startup":
        return machine.starts()
    SETS["digits-mixed"](folder, seed)
    return machine.kills(folder / "jointset.yaml", folder, seed)


def one_set(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Write the files, run the loop and a single training, and score both."""
    SETS[name](folder, seed)
    config, runs = folder / "jointset.yaml", folder / "runs"
    loop = machine.launch(machine.command(config, runs, name="loop"), folder / "loop.txt")
    once = machine.launch(machine.command(config, runs, name="once", improve__rounds=0), folder / "once.txt")
    for which in (loop, once):
        if not which.finished:
            return {"error": f"exit code {which.code}: {which.said}"}
    found = scored(runs / "loop", runs / "once", folder, name)
    # a call that was interrupted finds the loop finished: its own peak is then in the summary alone
    found["peak"] = max(loop.peak, found["summary"]["peak_memory_bytes"])
    found["baseline"] = baseline(name, folder, seed)
    if name in ALONE:
        found["alone"] = task_by_task(config, runs)
    return found


def scored(loop: Path, once: Path, folder: Path, name: str) -> dict[str, Any]:
    """Everything that the claims need of a finished run."""
    import pandas as pd

    from jointset.project import Run

    run = Run(loop)
    cells, truth = score.cells(run, folder), pd.read_parquet(folder / "truth.parquet")
    edits = run.edits().to_pandas()
    found: dict[str, Any] = {
        "summary": {k: run.summary[k] for k in ("rounds", "stopped", "seconds", "peak_memory_bytes")},
        "edits": {k: v for k, v in run.summary["edits"].items() if k != "by"},
        "train_seconds": train_seconds(loop),
        "tasks": {str(t): score.repaired(part) for t, part in cells.groupby("task")},
        "all_tasks": score.repaired(cells),
        "constant_fill": score.constant_fill(cells),
        "accepted": score.promises(edits[edits["status"] == "accepted"], truth),
        "proposed": score.promises(edits[edits["round"] == 1], truth),
    }
    if name.startswith("youtube"):
        found["labels"] = {column: score.label_accuracy(cells, column) for column in ("given", "final")}
        return found
    for which, model in (("first", Run(once).model), ("last", run.model)):
        frames = score.predictions(model, run.work)
        found[which] = {"accuracy": {t: score.accuracy(f) for t, f in frames.items()}}
        if name == "tox21":
            found[which]["auc"] = score.mean_auc(frames)
        if name.startswith("fdu"):
            found[which]["domains"] = score.by_dataset(frames["sentiment"])
    return found


def train_seconds(run: Path) -> float:
    """Seconds of the first joint training, without the start and the reading."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    events = [e for e in map(json.loads, lines) if e.get("event") == "epoch" and e.get("name") == "round-00"]
    return float(sum(e["seconds"] for e in events))


def task_by_task(config: Path, runs: Path) -> dict[str, float]:
    """Seconds of the same loop over each task alone, on the datasets that label it."""
    settings, seconds = yaml.safe_load(config.read_text(encoding="utf-8")), {}
    for task, own in settings["tasks"].items():
        part = {**settings, "name": f"alone-{task}", "tasks": {task: own}}
        part["datasets"] = {n: d for n, d in settings["datasets"].items() if n in own["labels"]}
        file = config.with_name(f"alone-{task}.yaml")
        file.write_text(yaml.safe_dump(part, sort_keys=False), encoding="utf-8")
        done = machine.launch(machine.command(file, runs), config.with_name(f"alone-{task}.txt"))
        summary = runs / f"alone-{task}" / "summary.json"
        seconds[task] = (
            json.loads(summary.read_text(encoding="utf-8"))["seconds"] if done.finished else math.nan
        )
    return seconds


def baseline(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """The linear models' figures for a set."""
    if name == "tox21":
        return baselines.tox21(folder, precision=0.9)
    if name.startswith("youtube"):
        return baselines.votes(folder, seed)
    if name.startswith("fdu"):
        return {
            "sentiment": baselines.accuracies(
                folder, "words", "sentiment", seed, ap=not name.endswith("none")
            )
        }
    return {t: baselines.accuracies(folder, "pixels", t, seed) for t in ("digit", "stroke", "parity")}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
