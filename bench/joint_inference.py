"""A task's test score when none, half or all of the row's other labels are known.

    python -m bench.joint_inference --out joint.json               # three seeds, minutes a set on one core
    python -m bench.joint_inference --only tox21 --seeds 0
    python -m bench.joint_inference --detection                    # errors found with and without it, noise injected

Beside the joint model stand linear models of scikit-learn that are fed the other labels as further columns: trained
with all of them known, or with a random part hidden, as jointset trains.
"""

from __future__ import annotations

import argparse
import dataclasses
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
from bench.datasets import STROKE_OF, STROKES, data_file
from jointset import audit
from jointset.metrics import evaluate
from jointset.records import TRAIN
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.training.predict import cross_fit

SHARES = {"none": 0.0, "half": 0.5, "all": 1.0}
NOISE = 0.2
Set = tuple[dict[str, Any], dict[str, Any]]


def adult(seed: int) -> Set:
    """Income, never married and college of 8,000 people, from what says neither of them outright."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    frame = _some(frame, seed, 8000, 6000)
    yes_no = {True: "yes", False: "no"}
    frame["never_married"] = (frame["marital_status"] == "Never-married").map(yes_no)
    frame["college"] = (frame["education_num"] >= 13).map(yes_no)
    inputs = ["age", "workclass", "fnlwgt", "occupation", "race", "sex", "capital_gain", "capital_loss"]
    inputs += ["hours_per_week", "native_country"]
    tasks = {
        t: {"kind": "binary", "labels": {"d": t}, "metric": "auc"}
        for t in ("income", "never_married", "college")
    }
    training = {"epochs": 10, "patience": 10, "learning_rate": 0.002}
    return _settings({"tabular": inputs}, tasks, seed, training), {"d": frame}


def goemotions(seed: int) -> Set:
    """28, 7 and 4 emotions of 8,000 comments; the coarser two follow from the finest."""
    frame = _some(pd.read_parquet(data_file("goemotions", "goemotions.parquet")), seed, 8000, 5000)
    tasks = {}
    for column, k in (("emotion28", 28), ("ekman7", 7), ("sentiment4", 4)):
        names = [f"{column[0]}{i:02d}" for i in range(k)]
        frame[column] = [[names[e] for e in row] for row in frame[column]]
        tasks[column] = {"kind": "multilabel", "labels": {"d": column}, "classes": names, "metric": "auc"}
    training = {"epochs": 12, "patience": 12, "sparse_learning_rate": 0.004}
    settings = _settings({"text": "text"}, tasks, seed, training, {"text": {"bits": 18, "words": 2}})
    return settings, {"d": frame[["id", "split", "text", *tasks]]}


def tox21(seed: int) -> Set:
    """Twelve assays of 8,000 molecules, a sixth of the labels missing."""
    frame = pd.read_parquet(data_file("molecules", "tox21.parquet"))
    assays = [c for c in frame.columns if c not in ("mol_id", "smiles")]
    molecule = pd.factorize(frame["smiles"])[0]
    draw = np.random.default_rng(seed).random(molecule.max() + 1)[molecule]
    frame["split"] = np.where(draw < 0.65, "train", np.where(draw < 0.8, "holdout", "test")).astype(object)
    frame["id"] = frame["mol_id"]
    tasks = {a: {"kind": "binary", "labels": {"d": a}, "metric": "auc"} for a in assays}
    training = {"epochs": 12, "patience": 12, "sparse_learning_rate": 0.006}
    text = {"encoder": "bag", "words": 0, "chars": [1, 5], "inside_words": False, "lower": False, "bits": 18}
    return _settings({"text": "smiles"}, tasks, seed, training, {"text": text, "depth": 1}), {"d": frame}


def digits(seed: int) -> Set:
    """Digit, stroke and parity of small images; the latter two follow from the digit."""
    import pyarrow as pa
    from sklearn.datasets import load_digits

    source = load_digits()
    order = np.random.default_rng(seed).permutation(len(source.target))
    digit = source.target[order]
    pixels = np.round(source.data[order] * (255 / 16)).astype(np.uint8)
    side = np.where(
        np.arange(len(order)) < 1100, "train", np.where(np.arange(len(order)) < 1300, "holdout", "test")
    )
    columns = {
        "id": pa.array([f"g{i:04d}" for i in range(len(order))]),
        "split": pa.array(side.astype(object), pa.string()),
        "image": pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 64),
        "digit": pa.array([str(d) for d in digit]),
        "stroke": pa.array([STROKES[s] for s in STROKE_OF[digit]]),
        "parity": pa.array([("even", "odd")[d % 2] for d in digit]),
    }
    shape = pa.field("image", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "8,8"})
    fields = [shape if c == "image" else pa.field(c, pa.string()) for c in columns]
    kinds = {"digit": "multiclass", "stroke": "multiclass", "parity": "binary"}
    tasks = {t: {"kind": kind, "labels": {"d": t}, "metric": "auc"} for t, kind in kinds.items()}
    training = {"epochs": 12, "patience": 12}
    settings = _settings({"image": "image"}, tasks, seed, training, {"image": {"widths": [16, 32]}})
    return settings, {"d": pa.table(columns, schema=pa.schema(fields))}


SETS: dict[str, Callable[[int], Set]] = {
    "adult": adult,
    "digits": digits,
    "goemotions": goemotions,
    "tox21": tox21,
}


def _some(frame: pd.DataFrame, seed: int, train: int, rest: int) -> pd.DataFrame:
    frame = frame.iloc[np.random.default_rng(seed).permutation(len(frame))[: train + rest]].reset_index(
        drop=True
    )
    side = np.where(np.arange(len(frame)) < train, "train", "test").astype(object)
    side[train : train + rest // 3] = "holdout"
    return frame.assign(split=side, id=[f"r{i:06d}" for i in range(len(frame))])


def _settings(
    inputs: Mapping[str, Any],
    tasks: Mapping[str, Any],
    seed: int,
    training: Mapping[str, Any],
    model: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    dataset = {"inputs": dict(inputs), "id": "id", "split": {"column": "split", "holdout": 0.0}}
    settings = {"name": "joint", "datasets": {"d": dataset}, "tasks": dict(tasks), "seed": seed}
    return {**settings, "training": {**training, "folds": 3}, "model": dict(model or {})}


def hidden(y: np.ndarray, missing: Any, share: float, rng: np.random.Generator) -> np.ndarray:
    """The labels with all but a share of them hidden."""
    return np.where(rng.random(y.shape) < share, y, missing).astype(y.dtype)


def scores(tasks: Any, labels: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """AUC and log-loss by task."""
    found = {t.name: evaluate(t, labels[t.name], outputs[t.name]) for t in tasks}
    return {n: {"auc": s["auc"], "log_loss": s["log_loss"]} for n, s in found.items()}


def ours(make: Callable[[int], Set], seed: int, mode: str, folder: Path) -> dict[str, Any]:
    """The joint model; what it says of the test rows with part of the labels known."""
    settings, data = make(seed)
    settings["model"]["joint_inference"] = mode
    bench = frames.bench(settings, data, folder)
    problem = frames.problem(bench)
    train, holdout, test = frames.rows(bench, problem)
    started = time.process_time()
    model = fit(problem, train, holdout, bench.settings, seed=seed).model
    out: dict[str, Any] = {"seconds": time.process_time() - started}
    given = bench.work.given
    labels = {n: y[test] for n, y in given.items()}
    for name, share in SHARES.items():
        rng = np.random.default_rng(seed)
        known = {t.name: hidden(given[t.name], t.missing(1)[0], share, rng) for t in problem.tasks}
        outputs = predict(model, problem.inputs, test, known=known)[0]
        out[name] = scores(problem.tasks, labels, outputs)
    return out


def plain_features(
    modality: str, columns: list[str], frame: pd.DataFrame, train: np.ndarray, test: np.ndarray
) -> tuple[Any, Any]:
    """What a linear model reads of the training and the test rows: TF-IDF, pixels, or one-hot and scaled columns."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if modality == "image":
        pixels = np.stack(frame[columns[0]].to_list()).astype(np.float32) / 255  # (n, height × width)
        return pixels[train], pixels[test]
    if modality == "text":
        texts = frame[columns[0]].to_numpy(object)
        smiles = (
            {"analyzer": "char", "ngram_range": (1, 5), "lowercase": False} if columns[0] == "smiles" else {}
        )
        maker: Any = TfidfVectorizer(**{"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True, **smiles})
        return maker.fit_transform(texts[train]), maker.transform(texts[test])
    texts_in = [c for c in columns if not pd.api.types.is_numeric_dtype(frame[c])]
    frame[texts_in] = frame[texts_in].astype(object).fillna("?")
    numbers = [c for c in columns if c not in texts_in]
    maker = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=10), texts_in), (StandardScaler(), numbers)
    )
    return maker.fit_transform(frame.iloc[train]), maker.transform(frame.iloc[test])


def linear(make: Callable[[int], Set], seed: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Logistic regressions, one per task or label: on x, and on x beside the other labels."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    settings, data = make(seed)
    bench = frames.bench(settings, data, folder)
    work = bench.work
    source = work.pool.datasets[0]
    modality, columns = next(iter(source.inputs.items()))
    frame = source.table.select(columns).to_pandas()
    train, test = np.flatnonzero(work.pool.split == TRAIN), np.flatnonzero(work.pool.split == 2)
    x, x_test = (csr_matrix(part) for part in plain_features(modality, columns, frame, train, test))

    def columns_of(known: Mapping[str, np.ndarray], rows: np.ndarray, task: Any, entry: int) -> csr_matrix:
        parts = []
        for other in work.tasks:
            y = known[other.name][rows]
            if other.name == task.name and y.ndim == 1:
                continue
            y = (
                y
                if y.ndim == 2
                else y[:, None] == np.arange(other.n_outputs)[None]
                if other.n_outputs > 2
                else y[:, None]
            )
            on_off = np.concatenate([y == 1, y == 0], 1).astype(np.float32)
            if other.name == task.name:
                on_off[:, [entry, entry + y.shape[1]]] = 0
            parts.append(on_off)
        return csr_matrix(np.concatenate(parts, 1))

    given = {t.name: work.given[t.name] for t in work.tasks}
    labels = {n: y[test] for n, y in given.items()}
    found: dict[str, dict[str, Any]] = {}
    for label, how in (
        ("scikit-learn", None),
        ("scikit-learn + labels", 1.0),
        ("scikit-learn + hidden labels", 0.5),
    ):
        started = time.process_time()
        outputs = {s: {t.name: np.zeros((len(test), t.n_outputs)) for t in work.tasks} for s in SHARES}
        for task in work.tasks:
            y = given[task.name]
            for entry in range(task.n_outputs) if y.ndim == 2 else [0]:
                target = y[:, entry] if y.ndim == 2 else y
                rows = train[target[train] >= 0]
                place = np.searchsorted(train, rows)
                inputs = x[place]
                rng = np.random.default_rng([seed, 1])
                if how is not None:
                    share = 1.0 if how == 1.0 else rng.random((len(work.pool), 1))
                    known = {
                        t.name: hidden(
                            given[t.name],
                            t.missing(1)[0],
                            share if given[t.name].ndim == 2 or how == 1.0 else share[:, 0],
                            rng,
                        )
                        for t in work.tasks
                    }
                    inputs = hstack([inputs, columns_of(known, rows, task, entry)]).tocsr()
                model = LogisticRegression(C=1.0, max_iter=200).fit(inputs, target[rows])
                for side, part in SHARES.items():
                    rng = np.random.default_rng(seed)
                    known = {t.name: hidden(given[t.name], t.missing(1)[0], part, rng) for t in work.tasks}
                    here = (
                        x_test
                        if how is None
                        else hstack([x_test, columns_of(known, test, task, entry)]).tocsr()
                    )
                    p = model.predict_proba(here)
                    if y.ndim == 2:
                        outputs[side][task.name][:, entry] = p[:, 1]
                    else:
                        outputs[side][task.name] = p
        found[label] = {side: scores(work.tasks, labels, outputs[side]) for side in SHARES}
        found[label]["seconds"] = time.process_time() - started
    return found


def detection(make: Callable[[int], Set], seed: int, folder: Path) -> dict[str, Any]:
    """Average precision of the audit on injected errors: from x alone or with the other labels read by the heads, and
    with or without the audit's own joint label model."""
    from sklearn.metrics import average_precision_score

    out: dict[str, Any] = {}
    for mode in ("none", "labels"):
        settings, data = make(seed)
        settings["model"]["joint_inference"] = mode
        bench = frames.bench(settings, data, folder / mode)
        problem, pool = frames.problem(bench), bench.work.pool
        rng = np.random.default_rng([seed, 3])
        labels, wrong = {}, {}
        for task in problem.tasks:
            y = problem.labels[task.name].copy()
            editable = (pool.split == TRAIN)[:, None] if y.ndim == 2 else pool.split == TRAIN
            if y.ndim == 2:  # a rare label is missed, a common one added
                rate = np.where(y == 1, NOISE, NOISE * (y == 1).sum(0) / np.maximum((y == 0).sum(0), 1))
                flip = (rng.random(y.shape) < rate) & (y >= 0) & editable
                y[flip] = 1 - y[flip]
            else:
                flip = (rng.random(len(y)) < NOISE) & (y >= 0) & editable
                y[flip] = (y[flip] + rng.integers(1, task.n_outputs, int(flip.sum()))) % task.n_outputs
            labels[task.name], wrong[task.name] = y, flip
        noisy = dataclasses.replace(problem, labels=labels)
        valid = np.flatnonzero(noisy.usable() & (pool.split == 1))
        made = cross_fit(
            noisy,
            pool.split == TRAIN,
            bench.work.fold,
            bench.settings,
            valid=valid,
            seed=seed,
            inform=mode == "labels",
        )
        for heard in (False, True):
            margins = made.margin if heard else {}
            for joined in (True, False):
                aps = {}
                result = audit.run(labels, made.outputs, problem.tasks, margins=margins, heed=joined)
                for t in problem.tasks:
                    quality = result[t.name].quality
                    mine = (pool.split == TRAIN)[:, None] if quality.ndim == 2 else pool.split == TRAIN
                    judged = np.isfinite(quality) & mine
                    aps[t.name] = float(average_precision_score(wrong[t.name][judged], 1 - quality[judged]))
                how = f"heads {mode}, audit {'joint' if joined else 'alone'}{', margins' if heard else ''}"
                out[how] = aps
    return out


def table(found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> str:
    """Medians over seeds of the mean over tasks, and by task where there are few."""
    lines = []
    for name, methods in found.items():
        lines += [
            f"\n{name}",
            "| AUC / log-loss, mean over tasks | none known | half known | all known | s |",
            "|---|---|---|---|---|",
        ]
        for method, runs in methods.items():
            cells = []
            for side in SHARES:
                auc, loss = (
                    [statistics.mean(s[m] for s in run[side].values()) for run in runs]
                    for m in ("auc", "log_loss")
                )
                cells.append(
                    f"{statistics.median(auc):.4f} [{min(auc):.4f}–{max(auc):.4f}] / {statistics.median(loss):.4f}"
                )
            lines.append(
                f"| {method} | {' | '.join(cells)} | {statistics.median(r['seconds'] for r in runs):.0f} |"
            )
    return "\n".join(lines)


def detection_table(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """Medians over seeds of the mean average precision over tasks."""
    lines = ["| average precision of detection | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for how in next(iter(found.values()))[0]:
        cells = []
        for runs in found.values():
            aps = [statistics.mean(run[how].values()) for run in runs]
            cells.append(f"{statistics.median(aps):.3f} [{min(aps):.3f}–{max(aps):.3f}]")
        lines.append(f"| {how} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", default=["none", "labels", "predictions", "linear"])
    parser.add_argument("--detection", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.out and arguments.out.is_file():
        found = json.loads(arguments.out.read_text())
    for name in arguments.only:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                if arguments.detection:
                    runs = found.setdefault(name, [])
                    if seed < len(runs):
                        continue
                    runs.append(detection(SETS[name], seed, Path(folder)))
                    print(
                        name,
                        seed,
                        {k: round(statistics.mean(v.values()), 3) for k, v in runs[-1].items()},
                        flush=True,
                    )
                else:
                    mine = found.setdefault(name, {})
                    for mode in arguments.methods:
                        if mode == "linear":
                            if seed < len(mine.get("scikit-learn", [])):
                                continue
                            for label, result in linear(SETS[name], seed, Path(folder) / "linear").items():
                                mine.setdefault(label, []).append(result)
                        else:
                            label = f"joint_inference: {mode}"
                            if seed < len(mine.get(label, [])):
                                continue
                            mine.setdefault(label, []).append(
                                ours(SETS[name], seed, mode, Path(folder) / mode)
                            )
                    print(table({name: mine}), flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps(found, indent=1))
    print(detection_table(found) if arguments.detection else table(found))


if __name__ == "__main__":
    main()
