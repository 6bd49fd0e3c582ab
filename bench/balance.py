"""Losses and samplers for long tails against plain cross-entropy and linear models with balanced class weights.

    python -m bench.balance --out balance.json                      # three seeds, about an hour a set on one core
    python -m bench.balance --only digits --seeds 0 --methods cross_entropy focal

Macro F1 over all classes, over the third of classes with the most training labels, and over the third with the fewest.
Options are chosen on the holdout, by macro F1, seed by seed; the figures are those of the test rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import frames
from bench.datasets import data_file
from jointset.records import TRAIN
from jointset.training.evaluate import predict
from jointset.training.loop import fit

Set = tuple[dict[str, Any], dict[str, Any], str]  # settings, frames, the task that is scored
RATIO = 100.0  # of the artificial long tail: commonest over rarest class
COMMENTS, STAYS = 8_000, 20_000  # rows, so that a run takes seconds
# rates and epochs were chosen on the holdout with plain cross-entropy; the schedule ends where training does
TRAINING = {
    "label sets": {"epochs": 12, "sparse_learning_rate": 0.06, "patience": 12},
    "texts": {"epochs": 12, "sparse_learning_rate": 0.03, "patience": 12},
    "images": {"epochs": 16, "learning_rate": 0.003, "patience": 16},
    "tables": {"epochs": 8, "learning_rate": 0.005, "patience": 8},
}
WIDTHS = (16, 32)


def goemotions(seed: int, *, single: bool = False) -> Set:
    """28 emotions of comments, as label sets or, for comments with one emotion, as classes."""
    frame = pd.read_parquet(data_file("goemotions", "goemotions.parquet"))
    rng = np.random.default_rng(seed)
    train = np.flatnonzero(frame["split"] == "train")
    left_out = rng.permutation(train)[COMMENTS:]
    frame = frame.drop(index=left_out).reset_index(drop=True)
    names = [f"e{i:02d}" for i in range(28)]
    if single:
        frame = frame[frame["emotion28"].map(len) == 1].reset_index(drop=True)
        frame["emotion"] = [names[e[0]] for e in frame["emotion28"]]
    else:
        frame["emotion"] = [[names[e] for e in row] for row in frame["emotion28"]]
    frame["split"] = frame["split"].replace({"dev": "holdout"})
    kind = "multiclass" if single else "multilabel"
    tasks = {"emotion": {"kind": kind, "labels": {"d": "emotion"}, "classes": names}}
    settings = _settings({"text": "text"}, tasks, seed, "texts" if single else "label sets")
    return settings, {"d": frame[["id", "split", "text", "emotion"]]}, "emotion"


def digits(seed: int) -> Set:
    """Written digits, thinned to an exponential tail (Cui et al. 2019): the first 100 times as many as the last."""
    import pyarrow as pa

    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    rng = np.random.default_rng(seed)
    digit, writer = frame["digit"].to_numpy(), frame["writer"].to_numpy()
    draw = rng.permutation(np.unique(writer))
    part = np.searchsorted(np.cumsum([0.5, 0.2]), np.argsort(np.argsort(draw)) / len(draw), side="right")
    side = pd.Series(part, index=draw).loc[writer].to_numpy()  # writers are on one side
    rank = rng.permutation(10)
    keep = side > 0
    most = min(int(((side == 0) & (digit == k)).sum()) for k in range(10))
    for k in range(10):
        own = rng.permutation(np.flatnonzero((side == 0) & (digit == k)))
        keep[own[: max(round(most * RATIO ** (-rank[k] / 9)), 4)]] = True
    pixels = np.stack([np.frombuffer(b, np.uint8) for b in frame["px28"][keep]])
    pixels = (
        pixels.reshape(-1, 14, 2, 14, 2).mean((2, 4)).astype(np.uint8).reshape(-1, 196)
    )  # a quarter of the cost
    shape = pa.field("image", pa.list_(pa.uint8(), 196), metadata={"jointset.shape": "14,14"})
    columns = {
        "id": pa.array([f"m{i:05d}" for i in np.flatnonzero(keep)]),
        "split": pa.array(np.array(["train", "holdout", "test"], object)[side[keep]], pa.string()),
        "image": pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 196),
        "digit": pa.array([str(d) for d in digit[keep]]),
    }
    fields = [shape if c == "image" else pa.field(c, pa.string()) for c in columns]
    tasks = {"digit": {"kind": "multiclass", "labels": {"d": "digit"}}}
    settings = _settings({"image": "image"}, tasks, seed, "images")
    return settings, {"d": pa.table(columns, schema=pa.schema(fields))}, "digit"


def diabetes(seed: int) -> Set:
    """The specialty of the admitting physician, where it is one of the commonest 24, beside the readmission."""
    frame = pd.read_parquet(data_file("diabetes130", "diabetes130.parquet"))
    rng = np.random.default_rng(seed)
    frame = frame.iloc[np.sort(rng.permutation(len(frame))[:STAYS])].reset_index(drop=True)
    common = frame["medical_specialty"].value_counts().index[:24]
    frame["specialty"] = frame["medical_specialty"].where(frame["medical_specialty"].isin(common))
    frame["id"] = [f"s{i:06d}" for i in range(len(frame))]
    inputs = [
        c
        for c in frame.columns
        if c not in ("id", "patient_nbr", "medical_specialty", "readmitted", "specialty")
    ]
    tasks = {
        "specialty": {"kind": "multiclass", "labels": {"d": "specialty"}, "metric": "macro_f1"},
        "readmitted": {"kind": "multiclass", "labels": {"d": "readmitted"}},
    }
    settings = _settings({"tabular": inputs}, tasks, seed, "tables")
    settings["datasets"]["d"] |= {"group": "patient_nbr", "split": {"holdout": 0.2, "test": 0.2}}
    return settings, {"d": frame}, "specialty"


SETS: dict[str, Callable[[int], Set]] = {
    "goemotions": goemotions,
    "goemotions-single": lambda seed: goemotions(seed, single=True),
    "digits": digits,
    "diabetes": diabetes,
}
OVER, UNDER = {"mode": "over", "most": 20.0}, {"mode": "under", "most": 20.0}
METHODS: dict[str, list[dict[str, Any]]] = {
    "cross_entropy": [{}],
    "class_weights: balanced": [{"class_weights": "balanced"}],
    "class_balanced": [{"loss": {"name": "class_balanced", "beta": b}} for b in (0.99, 0.999)],
    "class_balanced, deferred": [{"loss": {"name": "class_balanced", "beta": 0.999, "defer": 0.5}}],
    "logit_adjustment": [{"loss": {"name": "logit_adjustment", "tau": t}} for t in (0.25, 0.5, 1.0)],
    "cross_entropy, adjust": [{"loss": {"name": "cross_entropy", "adjust": t}} for t in (0.25, 0.5, 1.0)],
    "focal": [{"loss": {"name": "focal", "gamma": g}} for g in (0.5, 2.0)],
    "ldam": [{"loss": {"name": "ldam", "scale": s}} for s in (10.0, 30.0)],
    "ldam, deferred": [{"loss": {"name": "ldam", "scale": s, "defer": 0.5}} for s in (10.0, 30.0)],
    "asymmetric": [
        {"loss": {"name": "asymmetric", "negative": n, "clip": c}} for n, c in ((2.0, 0.0), (4.0, 0.05))
    ],
    "over-sampling": [{"sampling": {**OVER, "power": p}} for p in (0.5, 1.0)],
    "under-sampling": [{"sampling": {**UNDER, "power": p}} for p in (0.5, 1.0)],
}
UNFIT = {"multilabel": ("ldam", "ldam, deferred"), "multiclass": ("asymmetric",)}


def _settings(
    inputs: Mapping[str, Any], tasks: Mapping[str, Any], seed: int, training: str
) -> dict[str, Any]:
    dataset = {"inputs": dict(inputs), "id": "id", "split": {"column": "split", "holdout": 0.0}}
    settings = {"name": "balance", "datasets": {"d": dataset}, "tasks": dict(tasks), "seed": seed}
    return {**settings, "training": TRAINING[training], "model": {"image": {"widths": WIDTHS}}}


def f1(labels: np.ndarray, named: np.ndarray) -> np.ndarray:
    """F1 of every class, ``(K,)``, of 0/1 arrays ``(n, K)``; NaN where a class is neither given nor named."""
    both, either = (labels & named).sum(0), labels.sum(0) + named.sum(0)
    return np.where(either > 0, 2 * both / np.maximum(either, 1), np.nan)


def thirds(scores: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Macro F1 over all classes, the commonest and the rarest third."""
    order, third = np.argsort(-counts, kind="stable"), len(counts) // 3
    parts = {"all": order, "head": order[:third], "tail": order[-third:]}
    return {name: float(np.nanmean(scores[index])) for name, index in parts.items()}


def on_off(values: np.ndarray, k: int) -> np.ndarray:
    """Labels or decisions as 0/1, ``(n, K)``."""
    if values.ndim == 1:
        return values[:, None] == np.arange(k)
    return values >= 0.5 if values.dtype.kind == "f" else values == 1


def named(task: Any, decided: np.ndarray) -> np.ndarray:
    """What is predicted, as 0/1, ``(n, K)``."""
    return decided >= 0.5 if task.kind == "multilabel" else on_off(decided.argmax(1), task.n_outputs)


def one(make: Callable[[int], Set], seed: int, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train once; scores by side and third, calibration error of P(given | x), seconds."""
    settings, data, name = make(seed)
    settings["tasks"][name] = {**settings["tasks"][name], **options}
    bench = frames.bench(settings, data, folder)
    problem = frames.problem(bench)
    task = bench.work.by_name[name]
    train, holdout, test = frames.rows(bench, problem)
    started = time.monotonic()
    found = fit(problem, train, holdout, bench.settings, seed=seed)
    seconds = time.monotonic() - started
    labels = bench.work.given[name]
    counts = problem.counts(train)[name]
    counts = counts[:, 1] if counts.ndim == 2 else counts
    out: dict[str, Any] = {"seconds": seconds, "epochs": found.epochs}
    for side, rows in (("holdout", holdout), ("test", test)):
        decided = predict(found.model, problem.inputs, rows, decide=True)[0][name]
        p = predict(found.model, problem.inputs, rows)[0][name]
        y = labels[rows]
        known = y >= 0 if y.ndim == 1 else (y >= 0).all(1)
        scores = f1(on_off(y[known], task.n_outputs), named(task, decided[known]))
        share = on_off(y[known], task.n_outputs).mean(0)
        out[side] = {
            **thirds(scores, counts),
            "log_loss": bits(task, y[known], p[known]),
            "prior_error": float(np.abs(p[known].mean(0) - share).sum() / share.sum()),
        }
    return out


def bits(task: Any, y: np.ndarray, p: np.ndarray) -> float:
    """Log-loss in nats, a row's sum over labels for label sets."""
    p = np.clip(p.astype(float), 1e-7, 1 - 1e-7)
    if y.ndim == 2:
        return float(-np.where(y == 1, np.log(p), np.log1p(-p)).sum(1).mean())
    return float(-np.log(p[np.arange(len(y)), y]).mean())


def linear(make: Callable[[int], Set], seed: int, folder: Path) -> dict[str, Any]:
    """Linear models of scikit-learn on the same rows, plain and with balanced class weights."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    settings, data, name = make(seed)
    bench = frames.bench(settings, data, folder)
    task, y = bench.work.by_name[name], bench.work.given[name]
    known = (y >= 0) if y.ndim == 1 else (y >= 0).all(1)
    split = bench.work.pool.split
    table = bench.work.pool.datasets[0].table
    modality, columns = next(iter(bench.work.pool.datasets[0].inputs.items()))
    if modality == "text":
        text = table.column(columns[0]).to_pylist()
        maker: Any = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        inputs: Any = np.array(text, object)
    elif modality == "image":
        flat = table.column(columns[0]).combine_chunks().flatten().to_numpy()
        inputs, maker = flat.reshape(table.num_rows, -1) / 255.0, FunctionTransformer()
    else:
        inputs = table.select(columns).to_pandas()
        text_columns = [c for c in columns if not pd.api.types.is_numeric_dtype(inputs[c])]
        inputs[text_columns] = inputs[text_columns].astype(object).fillna("?")
        maker = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", min_frequency=10), text_columns),
            (StandardScaler(), [c for c in columns if c not in text_columns]),
        )

    def part(index: np.ndarray) -> Any:
        return inputs.iloc[index] if isinstance(inputs, pd.DataFrame) else inputs[index]

    train = np.flatnonzero(known & (split == TRAIN))
    test = np.flatnonzero(known & (split == 2))
    x, x_test = maker.fit_transform(part(train)), maker.transform(part(test))
    counts = (y[train] == 1).sum(0) if y.ndim == 2 else np.bincount(y[train], minlength=task.n_outputs)
    out = {}
    for label, weight in (("scikit-learn", None), ("scikit-learn, class_weight=balanced", "balanced")):
        model: Any = LogisticRegression(max_iter=300, class_weight=weight)
        if y.ndim == 2:
            model = OneVsRestClassifier(model)
        started = time.monotonic()
        model.fit(x, y[train])
        seconds = time.monotonic() - started
        decided = model.predict(x_test)
        if y.ndim == 1:
            decided = on_off(decided, task.n_outputs)
        scores = f1(on_off(y[test], task.n_outputs), decided == 1)
        out[label] = {"test": thirds(scores, counts), "seconds": seconds}
    return out


def table(found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> str:
    """Medians over the seeds, test rows."""
    lines = []
    for name, methods in found.items():
        lines += [
            f"\n{name}",
            "| | macro F1 | head third | tail third | log-loss | shares off by | s |",
            "|---|---|---|---|---|---|---|",
        ]
        for method, runs in methods.items():
            cells = []
            for key in ("all", "head", "tail", "log_loss", "prior_error"):
                values = [r["test"][key] for r in runs if key in r["test"]]
                if not values:
                    cells.append("–")
                    continue
                spread = f" [{min(values):.3f}–{max(values):.3f}]" if key == "all" else ""
                cells.append(f"{statistics.median(values):.3f}{spread}")
            seconds = statistics.median(r["seconds"] for r in runs)
            lines.append(f"| {method} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="*", choices=[*METHODS, "linear"], default=["linear", *METHODS])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    if arguments.out and arguments.out.is_file():
        found = json.loads(arguments.out.read_text())
    for name in arguments.only:
        mine = found.setdefault(name, {})
        for method in arguments.methods:
            if method != "linear" and len(mine.get(method, [])) >= len(arguments.seeds):
                continue
            if method in UNFIT["multilabel" if name == "goemotions" else "multiclass"]:
                continue
            for seed in arguments.seeds:
                with tempfile.TemporaryDirectory() as folder:
                    if method == "linear":
                        if seed < len(mine.get("scikit-learn", [])):
                            continue
                        for label, scores in linear(SETS[name], seed, Path(folder)).items():
                            mine.setdefault(label, []).append(scores)
                        continue
                    tried = [
                        {**one(SETS[name], seed, options, Path(folder) / str(i)), "options": options}
                        for i, options in enumerate(METHODS[method])
                    ]
                best = max(tried, key=lambda r: r["holdout"]["all"])
                mine.setdefault(method, []).append(best)
                print(
                    name,
                    method,
                    seed,
                    {k: round(v, 3) for k, v in best["test"].items()},
                    best["options"],
                    flush=True,
                )
                if arguments.out:
                    arguments.out.write_text(json.dumps(found, indent=1))
    print(table(found))


if __name__ == "__main__":
    main()
