"""What measures of relatedness are worth, and what is decided with them, before anything is trained jointly.

    python bench/relatedness.py pairs       [--only SET …] [--seeds 0 1] [--work FOLDER] [--kept] [--running]
    python bench/relatedness.py groups      [--only fdu_mtl tox21] [--groups 2 3 4] …
    python bench/relatedness.py auxiliaries [--only SET …] [--seeds 0 1 2] [--draw 0] …
    python bench/relatedness.py compared    [--only SET …] [--seeds 0 1 2]
    python bench/relatedness.py costs       [--only SET …] [--seeds 0 1 2]

All but *costs* train with the library's own settings but for the epochs. Early stopping watches one half of the
held-out rows. *pairs*: rank correlation of every measure with the gain of training a pair over the target alone, on the
other half; beside them the correlation of the gains of two training seeds, and what each measure takes of a joint
training's time.
*groups*: test skill of the groups that are chosen before training, against others. *auxiliaries*: test skill of one
task with a tenth of its labels, beside chosen tasks, all and none. *compared*: how many of the tasks that joint
training hurts are among the first two of an order, on sets whose tasks share rows. *costs*: seconds of the consensus
beside those of a joint training of all rows with the library's own settings, epochs too. What ``--work`` holds is taken
over; ``--kept`` trains no further sets, and shows the pairs that are there; ``--running`` adds what a joint training
tells of itself, and linearised gains, each of every seed against the same gains, and the mean over seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.relating import auxiliaries, compared, costs, groups, running  # noqa: E402
from bench.relating.pairs import agreement, drawn, gains, kept, noise  # noqa: E402
from bench.relating.sets import SETS, made  # noqa: E402
from bench.relating.trainings import Trainings  # noqa: E402

CEILING = "gains of another training seed"


def of_pairs(arguments: argparse.Namespace, work: Path) -> str:
    """The table of measures against measured gains."""
    found = {}
    for name in arguments.only or SETS:
        trainings = Trainings(made(work, name, 0), [f"training.epochs={arguments.epochs}"])
        pairs = drawn(name, trainings.names, 0)
        by_seed = {s: gains(trainings, pairs, s, wait=not arguments.kept) for s in arguments.seeds}
        known = {s: g for s, g in by_seed.items() if np.isfinite(g).any()}
        gain = np.nanmean(np.stack(list(known.values())), axis=0)
        if not arguments.kept:
            trainings.scores(trainings.names, arguments.seeds[0])
        joint = trainings.scores(trainings.names, arguments.seeds[0])["seconds"]
        affinities, spent = kept(trainings)
        found[name] = {
            "gain": gain,
            "noise": noise(known),
            "by_measure": {m: agreement(a.values, gain) for m, a in affinities.items()},
            "cost": {m: s / joint for m, s in spent.items()},
        }
        if arguments.running:
            told, cost = running.compared(trainings, arguments.seeds, gain)
            found[name]["by_measure"] |= told
            found[name]["cost"] |= cost
    return pairs_table(found)


def pairs_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per measure: correlation over pairs and within targets by set, their means, and the mean cost."""
    measures = list(dict.fromkeys(m for one in found.values() for m in one["by_measure"]))
    lines = [f"| measure | {' | '.join(found)} | mean | joint trainings |", "|---" * (len(found) + 3) + "|"]
    for measure in measures:
        cells = [one["by_measure"].get(measure) for one in found.values()]
        costs = [one["cost"][measure] for one in found.values() if measure in one["cost"]]
        lines.append(f"| {measure} | {_cells(cells)} | {np.mean(costs):.2f} |")
    ceiling = [one["noise"][0] for one in found.values()]
    lines.append(f"| {CEILING} | {_cells(ceiling)} | |")
    reach = " | ".join(f"{one['noise'][1]:.2f}" for one in found.values())
    lines.append(
        f"| within reach, over pairs | {reach} | {np.nanmean([o['noise'][1] for o in found.values()]):.2f} | |"
    )
    said = [
        f"{n}: {int(np.isfinite(o['gain']).sum())} gains, {int((o['gain'] > 0).sum())} above 0"
        for n, o in found.items()
    ]
    return "\n".join([*lines, "", "Over pairs / within targets. " + "; ".join(said) + "."])


def _cells(found: Sequence[Any]) -> str:
    cells = ["–" if f is None or f.pairs < 3 else f"{f.overall:+.2f} / {f.within:+.2f}" for f in found]
    there = [f for f in found if f is not None and f.pairs >= 3]
    mean = (np.nanmean([f.overall for f in there]), np.nanmean([f.within for f in there])) if there else None
    return " | ".join([*cells, f"{mean[0]:+.2f} / {mean[1]:+.2f}" if mean else "–"])


def of_groups(arguments: argparse.Namespace, work: Path) -> str:
    """The table of groupings."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for name in arguments.only or ("tox21", "fdu_mtl"):
        trainings = Trainings(made(work, name, 0), [f"training.epochs={arguments.epochs}"])
        whole = name != "tox21"
        tasks = trainings.names if whole else groups.few(trainings.names, arguments.draw)
        for most in arguments.groups:
            found[f"{name} ({len(tasks)} tasks)", most] = [
                groups.some_sets(trainings, most, seed)
                if whole
                else groups.every_set(trainings, tasks, most, seed)
                for seed in arguments.seeds
            ]
    return groups.table(found)


def of_auxiliaries(arguments: argparse.Namespace, work: Path) -> str:
    """The table of auxiliaries."""
    changes = [f"training.epochs={arguments.epochs}"]
    return auxiliaries.table(
        [
            auxiliaries.compared(work, name, arguments.draw, arguments.seeds, changes)
            for name in arguments.only or auxiliaries.SETS
        ]
    )


def of_compared(arguments: argparse.Namespace, work: Path) -> str:
    """The table of orders."""
    names = arguments.only or ("adult", "goemotions", "tox21", "sider")
    return compared.table({n: [compared.verdicts(work, n, s) for s in arguments.seeds] for n in names})


def of_costs(arguments: argparse.Namespace, work: Path) -> str:
    """The table of costs."""
    return costs.table({n: costs.of_set(work, n, arguments.seeds) for n in arguments.only or SETS})


ASKED = {
    "pairs": of_pairs,
    "groups": of_groups,
    "auxiliaries": of_auxiliaries,
    "compared": of_compared,
    "costs": of_costs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare measures of relatedness with measured gains.")
    parser.add_argument("what", choices=ASKED)
    parser.add_argument("--only", nargs="+", choices=SETS, metavar="SET", help=f"some of: {', '.join(SETS)}")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1], help="of training; the data have seed 0"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--groups", nargs="+", type=int, default=[2, 3, 4])
    parser.add_argument("--draw", type=int, default=0, help="seed of the drawn tasks and targets")
    parser.add_argument("--kept", action="store_true", help="pairs: train no further")
    parser.add_argument("--running", action="store_true", help="pairs: measures in a joint training too")
    parser.add_argument(
        "--work", type=Path, help="folder to work in; finished trainings in it are taken over"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print(ASKED[arguments.what](arguments, (arguments.work or Path(temporary)).resolve()))


if __name__ == "__main__":
    main()
