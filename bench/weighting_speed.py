"""What a gradient weighting adds to a training step, beside the peers: one command, one table.

    python bench/weighting_speed.py [--peers PYTHON] [--only MODEL …] [--tasks 2 8 40] [--threads 1] [--repeat 15]
                                    [--out FILE]

A step (forward, backward, Adam) over a step of the plain sum, in pairs that take turns, so that what else the machine
does falls on both. With one thread the processor's time is compared, with more the clock's. PYTHON is an interpreter
that has torch, torchjd and LibMTL: both sides then run in it, in one process. Memory is measured in a process for each
side.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.table import Row, markdown, row  # noqa: E402

WAYS = {"features": "at the features", "layers": "exact", "rows": "exact, disjoint rows"}
TARGETS = {
    ("features", 2): 1.15, ("features", 8): 1.25, ("features", 40): 1.5,
    ("layers", 2): 1.8, ("layers", 8): 3.2, ("layers", 40): 7.0,
    ("rows", 2): 1.3, ("rows", 8): 1.3, ("rows", 40): 1.3,
}  # fmt: skip
FAST = 2.5  # times faster than the fastest peer, at 40 tasks
MEMORY = ("plain", "ours upgrad", "TorchJD autojac UPGrad", "TorchJD autogram UPGrad")
ERROR = 1e-4
SMALL = {"resnet": "small ResNet", "transformer": "small transformer"}


def main() -> None:
    given = parsed()
    table: list[Row] = []
    raw: dict[str, Any] = {"threads": given.threads}
    for model, tasks, way in settings(given):
        name = f"{model} {tasks} {way}"
        print(name, file=sys.stderr)
        raw[name] = worker(given, model, tasks, way)
        table += rows(model, tasks, way, raw[name], given.threads)
    for model, tasks, way in settings(given):
        if way == "layers":
            name = f"{model} {tasks} memory"
            print(name, file=sys.stderr)
            kept = [s for s in MEMORY if given.peers or not s.startswith("TorchJD")]
            raw[name] = {s: worker(given, model, tasks, way, "--memory", s) for s in kept}
            table.append(memory_row(model, tasks, raw[name]))
    for model, tasks, way in settings(given):
        name = f"{model} {tasks} {way} error"
        raw[name] = worker(given, model, tasks, way, "--error")
        table.append(error_row(model, tasks, way, raw[name]))
    if given.out:
        given.out.write_text(json.dumps({"table": table, "raw": raw}, indent=1) + "\n", encoding="utf-8")
    clock = "processor time" if given.threads == 1 else "time"
    head = f"{clock} of a step over the plain sum's, threads: {given.threads}; median [min–max]"
    print(markdown(table, head, "peers"))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default="", help="an interpreter that has torch, torchjd and LibMTL")
    parser.add_argument("--only", nargs="*", default=["mlp", *SMALL], choices=["mlp", *SMALL])
    parser.add_argument("--tasks", nargs="*", type=int, default=[2, 8, 40])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def settings(given: argparse.Namespace) -> list[tuple[str, int, str]]:
    """Model, tasks and way of every row."""
    found = [("mlp", k, way) for way in WAYS for k in given.tasks if "mlp" in given.only]
    small = [k for k in given.tasks if k <= 8]  # forty heads on a small trunk are mostly heads
    return found + [(m, k, "layers") for m in SMALL if m in given.only for k in small]


def worker(given: argparse.Namespace, model: str, tasks: int, way: str, *more: str) -> dict[str, Any]:
    """What a process of its own measured."""
    line = [given.peers or sys.executable, "-m", "bench.speed.worker", model, str(tasks), way]
    line += [str(given.threads), str(given.repeat), *(["--peers"] if given.peers else []), *more]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(given.threads)}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        return {"failed": said[0][:160]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(model: str, tasks: int, way: str, found: dict[str, Any], threads: int) -> list[Row]:
    """The row of a way, and at 40 tasks how far the fastest peer is behind."""
    what = f"{SMALL.get(model, 'MLP')}, K = {tasks}, {WAYS[way]}"
    if "failed" in found:
        return [row(what, "runs", [], note=found["failed"])]
    clock = "processor" if threads == 1 else "wall"
    ratios = {n: v[clock] for n, v in found["sides"].items() if "failed" not in v}
    ours = {n.removeprefix("ours "): r for n, r in ratios.items() if n.startswith("ours")}
    peers = {n: statistics.median(r) for n, r in ratios.items() if not n.startswith("ours")}
    slowest = max(statistics.median(r) for r in ours.values())
    fastest = min(peers.values(), default=None)
    limit = TARGETS.get((way, tasks)) if model == "mlp" else None
    if limit is not None:
        target, met = f"≤ {limit:g}", slowest <= limit
    else:
        torchjd = min((r for n, r in peers.items() if n.startswith("TorchJD")), default=None)
        target, met = "faster than TorchJD", slowest < torchjd if torchjd else None
    others = ", ".join(f"{n} {statistics.median(r):.2f}" for n, r in ours.items() if n != "upgrad")
    table = [row(what, target, ours["upgrad"], form=".2f", note=f"upgrad; {others}")]
    table[0]["met"] = met
    table[0]["baseline"] = ", ".join(f"{n} {r:.1f}" for n, r in sorted(peers.items(), key=lambda p: p[1]))
    if (way, tasks, model) == ("layers", 40, "mlp") and fastest:
        lead = row("the same: the fastest peer over ours", f"≥ {FAST}", [fastest / slowest], form=".2f")
        table.append(lead | {"met": fastest / slowest >= FAST})
    return table


def memory_row(model: str, tasks: int, found: dict[str, Any]) -> Row:
    """Peak memory of a step above what the model and its optimizer hold."""
    what = f"{SMALL.get(model, 'MLP')}, K = {tasks}, exact: peak memory of a step, MB"
    known = {n: v["bytes"] / 1e6 for n, v in found.items() if "bytes" in v}
    if "ours upgrad" not in known:
        return row(what, "measured", [], note=str(found.get("ours upgrad")))
    plain, own = known.get("plain"), known["ours upgrad"]
    peers = {n: v for n, v in known.items() if n.startswith("TorchJD")}
    found_row = row(what, "less than TorchJD", [own], form=".0f", note=f"the plain sum {plain:.0f}")
    found_row["baseline"] = ", ".join(f"{n} {v:.0f}" for n, v in peers.items())
    return found_row | {"met": own < min(peers.values()) if peers else None}


def error_row(model: str, tasks: int, way: str, found: dict[str, Any]) -> Row:
    """The Gramian in float32 against autograd in float64."""
    what = f"{SMALL.get(model, 'MLP')}, K = {tasks}, {WAYS[way]}: relative error of the Gramian"
    if "error" not in found:
        return row(what, "measured", [], note=str(found.get("failed")))
    return row(what, f"≤ {ERROR:g}", [found["error"]], form=".1e") | {"met": found["error"] <= ERROR}


if __name__ == "__main__":
    main()
