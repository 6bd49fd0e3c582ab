"""What measures of relatedness are worth: how they rank pairs, against the gain of training the two jointly.

    python bench/relatedness.py [--only sentences wine] [--seeds 0] [--rows 300] [--epochs 4] [--work FOLDER]

Every task is trained alone and with every other task, with the library's own defaults but for the epochs; the gain is
that of the held-out skill. Each set has a copy of a task and a task of permuted labels. A row of the table: the mean
over targets of Spearman's correlation of measure and gain over the target's sources, how often the measure's first
source is among the best third by gain, and seconds of the processor. Trainings that ``--work`` holds are taken over.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.datasets import data_file  # noqa: E402
from bench.sharing.sets import sentence_cls  # noqa: E402

HOLDOUT = {"column": "split", "holdout": 0.3}


def sentences(folder: Path, seed: int, rows: int) -> None:
    """Eight corpora, a task each; beside them a copy of MR's task and permuted labels of CR's."""
    sentence_cls(folder, seed, rows)
    settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8"))
    for name in settings["datasets"]:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        frame = frame[frame["split"] != "test"].head(2 * rows)
        frame["split"] = "train"
        if name == "MR":
            frame["again"] = "label " + frame["label"].astype(str)
        if name == "CR":
            frame["permuted"] = np.random.default_rng(seed).permutation(frame["label"].to_numpy())
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        settings["datasets"][name]["split"] = HOLDOUT
    settings["tasks"]["copy"] = {"kind": "binary", "labels": {"MR": "again"}}
    settings["tasks"]["random"] = {"kind": "binary", "labels": {"CR": "permuted"}}
    _write(folder, settings, seed)


def wine(folder: Path, seed: int, rows: int) -> None:
    """Quality of red and of white wines as two tasks, a copy of the first, permuted marks of the second, and the
    strength of both as a task on all."""
    frame = pd.read_parquet(data_file("wine", "wine.parquet")).drop_duplicates()
    columns = [c for c in frame.columns if c not in ("quality", "color", "alcohol")]
    rng = np.random.default_rng(seed)
    datasets, tasks = {}, {}
    for color in ("red", "white"):
        part = frame[frame["color"] == color]
        part = part.iloc[rng.permutation(len(part))[: 2 * rows]].assign(split="train")
        part["again"], part["permuted"] = -2.0 * part["quality"] + 7, rng.permutation(part["quality"])
        part.to_parquet(folder / f"{color}.parquet", index=False)
        datasets[color] = {"path": f"{color}.parquet", "inputs": {"tabular": columns}, "split": HOLDOUT}
        tasks[color] = {"kind": "regression", "labels": {color: "quality"}}
    tasks["copy"] = {"kind": "regression", "labels": {"red": "again"}}
    tasks["random"] = {"kind": "regression", "labels": {"white": "permuted"}}
    tasks["alcohol"] = {"kind": "regression", "labels": {"red": "alcohol", "white": "alcohol"}}
    _write(folder, {"datasets": datasets, "tasks": tasks}, seed)


def _write(folder: Path, settings: Mapping[str, Any], seed: int) -> None:
    whole = {**settings, "name": folder.name, "seed": seed}
    (folder / "jointset.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")


SETS: dict[str, Callable[[Path, int, int], None]] = {"sentences": sentences, "wine": wine}


def measured(folder: Path, epochs: int) -> dict[str, Any]:
    """The relations of one set by every measure, and the gains of all pairs that time allowed."""
    from jointset import config as configs
    from jointset.prepare import prepare
    from jointset.relating import relate

    settings = configs.load(folder / "jointset.yaml", [f"training.epochs={epochs}"])
    work = prepare(settings, folder / "cache")
    begun = time.process_time()
    found = relate(work)
    spent = time.process_time() - begun
    scores, seconds = _trainings(folder, work)
    names = [t.name for t in work.tasks]
    gain = np.full((len(names), len(names)), np.nan)
    error = gain.copy()
    for a, b in combinations(names, 2):
        both = scores.get(f"{a}+{b}")
        for source, target in ((a, b), (b, a)):
            if both and target in scores:
                i, j = names.index(source), names.index(target)
                difference = np.array(both[target]) - np.array(scores[target][target])
                gain[i, j] = difference.mean()
                error[i, j] = difference.std() / np.sqrt(len(difference))
    return {"found": found, "gain": gain, "error": error, "spent": spent, "training": seconds, "tasks": names}


def _trainings(folder: Path, work: Any) -> tuple[dict[str, Any], float]:
    """Skills of held-out rows of every set of one and two tasks, and the seconds of all trainings."""
    from jointset.data import apply
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.task_sets import trainer
    from jointset.workbench import set_up, threads

    names = [t.name for t in work.tasks]
    bench = set_up(RunDirectory(folder), work, lambda event: None)
    train = trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=work.config.seed)
    scores, total = {}, 0.0
    with threads(bench):
        for chosen in [*((n,) for n in names), *combinations(names, 2)]:
            file = folder / "scores" / f"{'+'.join(chosen)}.json"
            if not file.is_file():
                begun = time.process_time()
                done = {t: rows.round(5).tolist() for t, (_, rows) in train(chosen).items()}
                file.parent.mkdir(exist_ok=True)
                file.write_text(json.dumps({"rows": done, "seconds": time.process_time() - begun}))
                print(f"{folder.name}: {'+'.join(chosen)}", file=sys.stderr, flush=True)
            kept = json.loads(file.read_text())
            scores["+".join(chosen)] = kept["rows"]
            total += kept["seconds"]
    return scores, total


def markdown(raw: Mapping[str, Any]) -> str:
    """A line per set and measure, then what the pairs gained."""
    lines = ["| set | measure | rank correlation with the gain | first source in the best third | seconds |"]
    lines.append("|---|---|---|---|---|")
    for name, one in raw.items():
        affinities = {**one["found"].affinities, "consensus": one["found"].consensus}
        for measure, affinity in affinities.items():
            rho, hits, targets = agreement(affinity.values, one["gain"])
            said = f"{rho:+.2f} over {targets} targets" if targets else "too few pairs"
            lines.append(f"| {name} | {measure} | {said} | {hits} of {targets} | {affinity.seconds:.1f} |")
    for name, one in raw.items():
        gain, error = one["gain"], one["error"]
        sure = int((np.abs(gain) > 1.645 * error).sum())
        known = int(np.isfinite(gain).sum())
        lines.append(
            f"\n{name}: {known} pairs, {one['training']:.0f} s of trainings, {one['spent']:.0f} s of all measures; "
            f"{sure} gains differ from 0 (90 % intervals over rows), {int((gain > 0).sum())} are positive. "
            f"Advice: {', '.join(f'{t.task} {t.action}' for t in one['found'].treatments if t.action != 'keep')}."
        )
    return "\n".join(lines)


def agreement(values: np.ndarray, gain: np.ndarray) -> tuple[float, int, int]:
    """Mean Spearman correlation over targets, in how many the first source is in the best third, and the targets."""
    from scipy.stats import spearmanr

    found, hits = [], 0
    for j in range(len(values)):
        rows = np.isfinite(values[:, j]) & np.isfinite(gain[:, j])
        rows[j] = False
        if rows.sum() < 3 or np.ptp(values[rows, j]) == 0:
            continue
        found.append(float(spearmanr(values[rows, j], gain[rows, j]).statistic))
        best = np.argsort(-gain[rows, j])[: max(1, int(rows.sum()) // 3)]
        hits += int(np.argmax(values[rows, j])) in best
    return float(np.mean(found)) if found else float("nan"), hits, len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare measures of relatedness with measured gains.")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", type=int, default=300, help="training rows of each dataset, about")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument(
        "--work", type=Path, help="folder to work in; finished trainings in it are taken over"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work, raw = (arguments.work or Path(temporary)).resolve(), {}
        for seed in arguments.seeds:
            for name in arguments.only:
                folder = work / f"{name}-{seed}"
                if not (folder / "jointset.yaml").is_file():
                    folder.mkdir(parents=True, exist_ok=True)
                    SETS[name](folder, seed, arguments.rows)
                raw[folder.name] = measured(folder, arguments.epochs)
        print(markdown(raw))


if __name__ == "__main__":
    main()
