"""Does an explanation hold what it says? Planted errors found by influence, and predictions that fall as words go.

    python bench/interpretation.py [--only NAME …] [--seeds 0 1 2] [--out FILE]

influence: a third of one dataset's training labels is wrong; rows are ranked by their influence on the clean held-out
rows of all datasets, least first. Area under the curve against the rows that were damaged, beside the loss of the row.
attribution: areas under deletion (small is good) and insertion (large is good) curves of the predicted class's
probability, for held-out rows, beside random orders of the same parts.
layers: debiased linear CKA between the tasks' features, and to models of one task.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.datasets import data_file  # noqa: E402

WRONG = 1 / 3
DOMAINS = ("books", "dvd", "electronics", "kitchen_housewares")
OTHERS = ("apparel", "music", "toys_games", "video")  # read once, when everything was chosen
CHECKPOINTS = {"digits": (2, 5, 10), "fdu_mtl": (1, 2, 4), "fdu_mtl-others": (1, 2, 4)}


def digits_frames(seed: int) -> dict[str, pd.DataFrame]:
    """Handwritten digits at three sites, as tables of pixels."""
    from sklearn.datasets import load_digits

    found, rng = load_digits(), np.random.default_rng([seed, 1])
    frame = pd.DataFrame(found.data, columns=[f"p{i:02d}" for i in range(64)])
    frame["label"], frame["parity"] = found.target.astype(str), np.where(found.target % 2, "odd", "even")
    site = rng.permutation(np.arange(len(frame)) % 3)
    return {n: frame[site == j].reset_index(drop=True) for j, n in enumerate(("bank", "post", "school"))}


def fdu_frames(seed: int, domains: tuple[str, ...] = DOMAINS) -> dict[str, pd.DataFrame]:
    """Reviews of four domains: the sites."""
    frame = pd.read_parquet(data_file("fdu_mtl", "labelled.parquet"))
    frame = frame[frame["domain"].isin(domains)].drop_duplicates("text")
    frame["label"] = np.where(frame["label"] == 1, "positive", "negative")
    return {str(n): g[["text", "label"]].reset_index(drop=True) for n, g in frame.groupby("domain")}


def damaged(frames: dict[str, pd.DataFrame], seed: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Splits and wrong labels: a third of the second dataset's training rows gets another class, drawn evenly."""
    rng, out, truth = np.random.default_rng([seed, 2]), {}, {}
    classes = sorted(set().union(*(set(f["label"]) for f in frames.values())))
    for number, (name, frame) in enumerate(frames.items()):
        held = rng.random(len(frame)) < 0.2
        wrong = ~held & (rng.random(len(frame)) < WRONG) & (number == 1)
        code = np.array([classes.index(v) for v in frame["label"]])
        moved = (code + rng.integers(1, len(classes), len(code))) % len(classes)
        given = np.where(wrong, moved, code)
        out[name] = frame.assign(
            label=[classes[c] for c in given],
            split=np.where(held, "test", "train"),
            id=np.arange(len(frame)).astype(str),
        )
        truth[name] = wrong
    return out, truth


def prepared(
    frames: dict[str, pd.DataFrame], inputs: dict[str, Any], folder: Path, tasks: Any, model: Any = None
) -> Any:
    """A workbench over frames."""
    from jointset import config as configs
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.workbench import set_up

    settings = {
        "name": "bench",
        "datasets": {
            n: {"inputs": inputs, "id": "id", "split": {"column": "split", "holdout": 0.1}} for n in frames
        },
        "tasks": {t: {"kind": k, "labels": dict.fromkeys(frames, c)} for t, (k, c) in tasks.items()},
        **({"model": model} if model else {}),
    }
    work = prepare(configs.parse(settings), folder / "data", frames)
    bench = set_up(RunDirectory(folder), work, lambda event: None)
    return bench, bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))


def influence(name: str, seed: int) -> dict[str, float]:
    """Area under the curve of least influence, and of the row's own loss, against the planted rows."""
    from sklearn.metrics import roc_auc_score

    from jointset.interpret import influence as influences
    from jointset.records import TEST, TRAIN
    from jointset.training.evaluate import predict
    from jointset.training.loop import fit

    made = (
        digits_frames(seed) if name == "digits" else fdu_frames(seed, OTHERS if "others" in name else DOMAINS)
    )
    frames, truth = damaged(made, seed)
    inputs = {"text": "text"} if name != "digits" else {"tabular": [f"p{i:02d}" for i in range(64)]}
    kind = "multiclass" if name == "digits" else "binary"
    with tempfile.TemporaryDirectory() as folder:
        bench, problem = prepared(frames, inputs, Path(folder), {"label": (kind, "label")})
        split, pool = bench.work.pool.split, bench.work.pool
        train, held = np.flatnonzero(split == TRAIN), np.flatnonzero(split == TEST)
        models = [
            fit(problem, train, train[:0], bench.settings, seed=seed, epochs=e).model
            for e in CHECKPOINTS[name]
        ]
        found = influences(models, problem, train, held)
        last = influences(models[-1:], problem, train, held)
        plain = influences(models, problem, train, held, damping=None)
        y, (p, _) = problem.labels["label"], predict(models[-1], problem.inputs, train)
        loss = -np.log(np.maximum(p["label"][np.arange(len(train)), y[train]], 1e-12))
        bad = np.concatenate(list(truth.values()))[train]
        site = pool.dataset_of[train] == 1
        scores = {
            "all checkpoints": -found.scores["label", "label"],
            "last alone": -last.scores["label", "label"],
            "TracIn, all checkpoints": -plain.scores["label", "label"],
            "own loss": loss,
        }
        means = {
            d["dataset"]: d["mean"] for d in found.table(pool.dataset_of, [d.name for d in pool.datasets])
        }
        told = {f"{n}, its dataset": float(roc_auc_score(bad[site], s[site])) for n, s in scores.items()}
        told |= {f"{n}, all rows": float(roc_auc_score(bad, s)) for n, s in scores.items()}
        worst = min(means, key=lambda n: means[n])
        return {**told, "damaged dataset is least helpful": float(worst == list(frames)[1])}


def attribution(name: str, seed: int, rows: int = 40) -> dict[str, float]:
    """Mean areas for a sample of held-out rows."""
    from jointset import config as configs
    from jointset.interpret import attribute, curves, target_of
    from jointset.interpret.attribution import columns_of, scorer
    from jointset.interpret.units import units_of
    from jointset.project import execute
    from jointset.records import TEST

    frames, inputs = _material(name, seed)
    settings = {
        "name": "bench",
        "datasets": {n: {"inputs": inputs, "split": {"column": "split", "holdout": 0.1}} for n in frames},
        "tasks": {"label": {"kind": "binary", "labels": dict.fromkeys(frames, "label")}},
        "improve": {"rounds": 0},
        "seed": seed,
    }
    areas: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = execute(configs.parse(settings), folder, sources=frames)
        pool, saved, rng = run.work.pool, run.model, np.random.default_rng([seed, 3])
        for at in rng.permutation(np.flatnonzero(pool.split == TEST))[:rows]:
            data = pool.datasets[pool.dataset_of[at]]
            row = data.table.slice(int(at - pool.offsets[pool.dataset_of[at]]), 1)
            target = target_of(saved.tasks[0], saved.outputs(row, dataset=data.name)["label"])
            units = units_of(row, columns_of(saved, data.name))
            score = scorer(saved, row, units, target, dataset=data.name, probability=True)
            values = {
                m: attribute(saved, row, target, dataset=data.name, method=m).contributions
                for m in ("occlusion", "integrated_gradients")
            }
            values |= {f"random {i}": rng.random(len(units)) for i in range(3)}
            for method, value in values.items():
                c = curves(score, value)
                areas.setdefault(method.split()[0], []).append((c.deletion_area, c.insertion_area))
    return {
        f"{method} {side}": float(np.mean([a[i] for a in found]))
        for method, found in areas.items()
        for i, side in enumerate(("deletion", "insertion"))
    }


def _material(name: str, seed: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    rng = np.random.default_rng([seed, 4])
    if name == "fdu_mtl":
        frames = fdu_frames(seed)
        short = {
            n: f[f["text"].str.split().str.len().between(10, 80)].reset_index(drop=True)
            for n, f in frames.items()
        }
        split = {
            n: f.assign(split=np.where(rng.random(len(f)) < 0.2, "test", "train")) for n, f in short.items()
        }
        return split, {"text": "text"}
    frame = (
        pd.read_parquet(data_file("adult", "adult.parquet"))
        .sample(8000, random_state=seed)
        .reset_index(drop=True)
    )
    columns = [c for c in frame.columns if c not in ("income", "split", "fnlwgt")]
    return {"adult": frame.rename(columns={"income": "label"})}, {"tabular": columns}


def layers(seed: int) -> dict[str, float]:
    """CKA of two tasks on digits, by way of sharing and layer, and to models of one task."""
    from jointset.interpret import against, alignment, task_features
    from jointset.records import TEST, TRAIN
    from jointset.training.loop import fit

    frames, _ = damaged(digits_frames(seed), seed)
    inputs = {"tabular": [f"p{i:02d}" for i in range(64)]}
    both = {"label": ("multiclass", "label"), "parity": ("binary", "parity")}
    told: dict[str, float] = {}
    alone = {}
    ways = [
        ("label", "hard", {"label": both["label"]}),
        *((m, m, both) for m in ("hard", "soft", "cross_stitch", "mtan")),
    ]
    for name, method, tasks in ways:
        with tempfile.TemporaryDirectory() as folder:
            bench, problem = prepared(
                frames, inputs, Path(folder), tasks, {"sharing": {"method": method}, "depth": 2}
            )
            split = bench.work.pool.split
            model = fit(
                problem,
                np.flatnonzero(split == TRAIN),
                np.empty(0, np.int64),
                bench.settings,
                seed=seed,
                epochs=10,
            ).model
            features = task_features(model, problem.inputs, np.flatnonzero(split == TEST))
            if name == "label":
                alone = features
                continue
            for layer, value in zip(features, alignment(features).shared(), strict=True):
                told[f"{name}: {layer}"] = float(value)
            told[f"{name}: heads' input, to the task alone"] = against(features, alone, "label")[
                "heads' input"
            ]
    return told


PARTS = {
    "influence-digits": lambda seed: influence("digits", seed),
    "influence-fdu_mtl": lambda seed: influence("fdu_mtl", seed),
    "influence-fdu_mtl-others": lambda seed: influence("fdu_mtl-others", seed),
    "attribution-fdu_mtl": lambda seed: attribution("fdu_mtl", seed),
    "attribution-adult": lambda seed: attribution("adult", seed),
    "layers": layers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what explanations are worth.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    raw: dict[str, Any] = {}
    for name in arguments.only:
        for seed in arguments.seeds:
            for what, value in PARTS[name](seed).items():
                raw.setdefault(name, {}).setdefault(what, []).append(round(value, 4))
        for what, values in raw[name].items():
            print(f"{name:<20} {what:<52} {np.mean(values):.3f}  {values}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
