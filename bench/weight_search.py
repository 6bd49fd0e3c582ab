"""Search of task weights: a grid of N trials against Bayesian search of N / 2, by one command, as one table.

    python bench/weight_search.py [--only NAME …] [--seeds 0 1 2] [--work FOLDER] [--out FILE]

Every set is written as files and a configuration (``bench/trade_offs.py``) and searched by ``jointset run``. All
choices are made on the holdout; test rows only score the models of equal weights, of the best and of those kept.
With ``--work``, what an earlier call finished is taken over, and a search that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench import machine  # noqa: E402
from bench.trade_offs import SETS  # noqa: E402

# what is searched: a set, the target, trials of the grid
CASES: dict[str, tuple[str, str | None, int]] = {
    "student": ("student", None, 19),
    "molecules": ("molecules", None, 19),
    "adult": ("adult", None, 19),
    "sentences": ("sentences", None, 15),
    "mnist10k": ("mnist10k", None, 17),
    "mnist10k, writer": ("mnist10k", "writer", 17),
}
SEARCHES = ("grid", "bayes")
HEAD = (
    "| searched on | trials: grid, Bayesian | held-out skill: equal / grid / Bayesian | Bayesian − grid, by seed "
    "| better in | test skill: equal / best of grid / best of Bayesian | kept, grid and Bayesian: test − equal "
    "| epochs |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare searches of task weights.")
    parser.add_argument(
        "--only", nargs="+", choices=CASES, metavar="NAME", help=f"some of: {', '.join(CASES)}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument("--out", type=Path, help="write the raw numbers here, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        raw = {
            name: {str(seed): measured(name, seed, work) for seed in arguments.seeds}
            for name in arguments.only or CASES
        }
    if arguments.out:
        arguments.out.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(raw)))


def measured(name: str, seed: int, work: Path) -> dict[str, Any]:
    """Held-out and test skills of equal weights and of what each search finds."""
    source, target, trials = CASES[name]
    folder = work / name.replace(", ", "-") / str(seed)
    done = folder / "scores.json"
    if not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        SETS[source](folder, seed)
        found = {
            "grid": searched(folder, "grid", trials, target),
            "bayes": searched(folder, "bayes", trials // 2, target),
        }
        done.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def searched(folder: Path, search: str, budget: int, target: str | None) -> dict[str, Any]:
    """One search, and the test skill of the equal, the best and the kept weights."""
    settings = {"search": search, "budget": budget} | ({"target": target} if target else {})
    run(folder, search, training__weighting=settings)
    found = json.loads((folder / "runs" / search / "weights.json").read_text(encoding="utf-8"))
    records = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((folder / "runs" / search / "search").glob("trial-*.json"))
    ]
    weights = {"equal": records[0]["weights"], "best": found["best"]["weights"], "kept": found["weights"]}
    tests = {which: test_skill(folder / "runs" / search, own, target) for which, own in weights.items()}
    return {"weights": found, "test": tests, "epochs": sum(len(r["curve"]) for r in records)}


def run(folder: Path, name: str, **overrides: Any) -> None:
    """A run of the command, which goes on where an earlier one was."""
    line = machine.command(folder / "jointset.yaml", folder / "runs", name=name, **overrides)
    ended = machine.launch(line, folder / f"{name}.txt")
    if not ended.finished:
        sys.exit(f"{folder}: {name}: exit code {ended.code}: {ended.said}")


def test_skill(path: Path, weights: dict[str, float], target: str | None) -> float:
    """Mean skill over tasks, or the target's, on the test rows, of the training that a run does with these weights."""
    from jointset import stages, workbench
    from jointset.data import apply
    from jointset.project import Run
    from jointset.records import TEST, Edits
    from jointset.rundir import RunDirectory
    from jointset.training.evaluate import skills
    from jointset.weight_search import with_weights

    work = Run(path).work
    bench = with_weights(workbench.set_up(RunDirectory(path / "bench"), work, lambda event: None), weights)
    with workbench.threads(bench):
        overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
        outputs = stages.train(bench, overlay, "-".join(f"{w:g}" for w in weights.values())).held_out
    rows = stages.held_out_rows(work)
    side = work.pool.split[rows] == TEST
    labels = {n: y[rows][side] for n, y in work.given.items()}
    scores = skills(work.tasks, labels, {n: p[side] for n, p in outputs.items()})
    return float(scores[target] if target else np.mean(list(scores.values())))


def table(raw: dict[str, dict[str, Any]]) -> list[str]:
    """The comparison as Markdown; figures are means over the seeds."""
    lines = [HEAD, "|" + "---|" * 8]
    for name, seeds in raw.items():
        runs = {s: [found[s] for found in seeds.values()] for s in SEARCHES}
        best = {s: [r["weights"]["best"]["score"] for r in runs[s]] for s in SEARCHES}
        gains = [b - g for g, b in zip(best["grid"], best["bayes"], strict=True)]
        tests = {w: {s: [r["test"][w] for r in runs[s]] for s in SEARCHES} for w in ("equal", "best", "kept")}
        cells = [
            name,
            ", ".join(str(runs[s][0]["weights"]["trials"]) for s in SEARCHES),
            _means([r["weights"]["equal"] for r in runs["grid"]], best["grid"], best["bayes"]),
            ", ".join(f"{g:+.4f}" for g in gains),
            f"{sum(g > 0 for g in gains)} of {len(gains)}",
            _means(tests["equal"]["grid"], tests["best"]["grid"], tests["best"]["bayes"]),
            "; ".join(_kept(runs[s], tests["kept"][s], tests["equal"][s]) for s in SEARCHES),
            ", ".join(f"{statistics.mean(r['epochs'] for r in runs[s]):.0f}" for s in SEARCHES),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _means(*groups: Iterable[float]) -> str:
    return " / ".join(f"{statistics.mean(g):.4f}" for g in groups)


def _kept(runs: list[dict[str, Any]], kept: list[float], equal: list[float]) -> str:
    changed = sum(r["weights"]["kept"] > 0 for r in runs)
    gain = statistics.mean(k - e for k, e in zip(kept, equal, strict=True))
    return f"{changed} of {len(runs)}, {gain:+.4f}"


if __name__ == "__main__":
    main()
