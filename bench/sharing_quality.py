"""What sharing is worth: every way of sharing, with every weighting, against each task trained alone.

    python bench/sharing_quality.py --work FOLDER [--only SET …] [--seeds 0 1 2] [--sharings …] [--weightings …]
                                    [--rows N] [--kept FILE]
    python bench/sharing_quality.py --quick          # two small sets, few rows, few epochs, five ways: minutes

One cell is Δ, the mean over the tasks of the relative gain in % of the test metric (Maninis et al. 2019), and below it
the worst task's. Early stopping looks at the holdout; test rows are read once, for this table. Training alone has the
same encoders, epochs and patience. With ``--work``, what an earlier call finished is taken over; variants that say
most come first, so that the table can be read at any time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing import kept, runs  # noqa: E402
from bench.sharing.sets import SETS  # noqa: E402

SHARINGS = (
    "hard", "shared_init", "soft", "trace_norm", "tensor_factors", "cross_stitch", "sluice", "nddr", "mmoe", "cgc",
    "ple", "mtan", "dselect_k", "adashare", "branching",
)  # fmt: skip
MOST_TASKS = {"nddr": 20}  # 27 million parameters for 41 tasks, and seconds a step
WEIGHTINGS = ("equal", "uncertainty", "famo", "upgrad", "nash_mtl")
QUICK = {
    "sets": ("adult", "mnist10k"),
    "sharings": ("hard", "soft", "cross_stitch", "mmoe", "cgc"),
    "weightings": ("equal",),
    "rows": 4000,
    "training": {"epochs": 12},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure sharing and weighting against training alone.")
    parser.add_argument("--only", nargs="+", choices=SETS, metavar="SET", help=f"some of: {', '.join(SETS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=None)
    parser.add_argument(
        "--sharings", nargs="+", choices=SHARINGS, metavar="WAY", help=f"of: {', '.join(SHARINGS)}"
    )
    parser.add_argument(
        "--weightings", nargs="+", metavar="WAY", help=f"of: {', '.join(WEIGHTINGS)}, or any other"
    )
    parser.add_argument("--rows", type=int, help="keep at most so many training rows of each dataset")
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument(
        "--kept", type=Path, help="file of finished runs: read first, and added to at the end"
    )
    parser.add_argument("--quick", action="store_true", help="a look in minutes, not a result")
    parser.add_argument(
        "--table", action="store_true", help="print the table of what --work holds, run nothing"
    )
    arguments = parser.parse_args()
    chosen = choices(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        if arguments.kept:
            kept.unpack(arguments.kept, work)
        raw = measured(work, **chosen, run=not arguments.table)
        if arguments.kept:
            kept.pack(work, arguments.kept)
    print(markdown(raw))


def choices(arguments: argparse.Namespace) -> dict[str, Any]:
    """What to run: as asked for, else all, or a little with ``--quick``."""
    quick: Mapping[str, Any] = QUICK if arguments.quick else {}
    return {
        "sets": arguments.only or quick.get("sets", tuple(SETS)),
        "seeds": arguments.seeds or ([0] if arguments.quick else [0, 1, 2]),
        "sharings": arguments.sharings or quick.get("sharings", SHARINGS),
        "weightings": arguments.weightings or quick.get("weightings", known_weightings()),
        "rows": arguments.rows or quick.get("rows"),
        "training": quick.get("training", {}),
    }


def known_weightings() -> tuple[str, ...]:
    """Those of the table that the library has."""
    from jointset.weighting import WEIGHTINGS as known

    return tuple(w for w in WEIGHTINGS if w in known)


def measured(
    work: Path,
    *,
    sets: Sequence[str],
    seeds: Sequence[int],
    sharings: Sequence[str],
    weightings: Sequence[str],
    rows: int | None,
    training: Mapping[str, Any],
    run: bool = True,
) -> dict[str, Any]:
    """Set → variant → seed → tasks, gains, epochs, seconds; what failed has an ``error``."""
    raw: dict[str, Any] = {name: {} for name in sets}
    folders = {(name, seed): work / name / str(seed) for seed in seeds for name in sets}
    for (name, seed), folder in folders.items():
        if not (folder / "set.yaml").is_file():
            SETS[name](folder, seed, rows)
    for variant in (None, *runs.variants(sharings, weightings)):
        for (name, seed), folder in folders.items():
            label = variant.name if variant else runs.ALONE
            most = MOST_TASKS.get(variant.sharing, 1000) if variant else 1000
            if (not run and not finished(folder, label)) or len(runs.tasks(folder)) > most:
                continue
            print(f"{name}, seed {seed}: {label}", file=sys.stderr, flush=True)
            found = runs.joint(folder, variant, training) if variant else runs.alone(folder, training)
            reference = raw[name].get(runs.ALONE, {}).get(str(seed))
            if variant and reference and "error" not in found and "error" not in reference:
                found["gains"] = runs.gain(found["tasks"], reference["tasks"])
            raw[name].setdefault(label, {})[str(seed)] = found
    return raw


def finished(folder: Path, label: str) -> bool:
    """Whether the scores of a variant, or of all tasks alone, are there."""
    scores = {p.stem for p in (folder / "scores").glob("*.json")}
    if label != runs.ALONE:
        return label in scores
    return all(f"{runs.ALONE}-{t}" in scores for t in runs.tasks(folder))


def markdown(raw: Mapping[str, Any]) -> str:
    """Variants by sets: mean Δ over seeds [least, most], the worst task of all, and how many tasks lose over 1 %."""
    names = list(raw)
    variants = list(dict.fromkeys(v for found in raw.values() for v in found if v != runs.ALONE))
    lines = [f"| sharing + weighting | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {v} | {' | '.join(cell(raw[n].get(v, {})) for n in names)} |" for v in variants]
    return "\n".join(lines)


def cell(found: Mapping[str, Any]) -> str:
    """One variant on one set."""
    gains = [one["gains"] for one in found.values() if "gains" in one]
    if not gains:
        failed = [one["error"] for one in found.values() if "error" in one]
        return f"failed: {failed[0][:60]}" if failed else ""
    deltas = [runs.delta(g) for g in gains]
    between = f" [{min(deltas):+.2f}, {max(deltas):+.2f}]" if len(deltas) > 1 else ""
    by_task = {t: statistics.fmean(g[t] for g in gains) for t in gains[0]}
    worst = min(by_task, key=by_task.__getitem__)
    losing = sum(g < -1 for g in by_task.values())
    lost = f", {losing} of {len(by_task)} below −1" if losing else ""
    return f"{statistics.fmean(deltas):+.2f}{between}; worst {worst} {by_task[worst]:+.2f}{lost}"


if __name__ == "__main__":
    main()
