"""What scikit-learn reaches on the same files: a linear model, pooled over the datasets, one task at a time.

Deliberately plain (TF-IDF or pixels, then LogisticRegression with its defaults), so that every figure of the
loop has something beside it that anybody can reproduce in ten lines.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.sparse import csr_matrix

from bench.score import KEYS, ranked

FOLDS = 5


def rows(folder: Path) -> pd.DataFrame:
    """All datasets of a configuration under each other: dataset, id, split, input, and a column per task."""
    config = yaml.safe_load((folder / "jointset.yaml").read_text(encoding="utf-8"))
    parts = []
    for name, dataset in config["datasets"].items():
        frame = pd.read_parquet(folder / dataset["path"])
        column = next(iter(dataset["inputs"].values()))
        out = pd.DataFrame({"dataset": name, "id": frame[dataset["id"]].astype(str), "input": frame[column]})
        given = dataset["split"].get("column")
        out["split"] = frame[given] if given else "train"
        for task, settings in config["tasks"].items():
            if name in settings["labels"]:
                out[task] = frame[settings["labels"][name]]
        parts.append(out)
    return pd.concat(parts, ignore_index=True)


def truth_of(folder: Path, frame: pd.DataFrame, task: str) -> np.ndarray:
    """The true label of every row, NaN where there is none, ``(n,)``."""
    truth = pd.read_parquet(folder / "truth.parquet")
    keyed = frame[["dataset", "id"]].assign(task=task).merge(truth[[*KEYS, "truth"]], on=KEYS, how="left")
    return keyed["truth"].to_numpy(object)


def features(inputs: pd.Series, how: str) -> Any:
    """Texts as TF-IDF (``words`` or, for SMILES, ``chars``), or pixels in [0, 1]."""
    if how == "pixels":
        return csr_matrix(np.stack(inputs.to_list()) / 255.0)
    from sklearn.feature_extraction.text import TfidfVectorizer

    options: dict[str, Any] = {
        "words": {"ngram_range": (1, 2)},
        "chars": {"analyzer": "char", "ngram_range": (1, 6), "lowercase": False},
    }[how]
    return TfidfVectorizer(min_df=2, sublinear_tf=True, **options).fit_transform(inputs.fillna(""))


def linear(x: Any, y: np.ndarray) -> Any:
    """A fitted LogisticRegression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, solver="liblinear" if len(set(y)) == 2 else "lbfgs").fit(x, y)


def detection(x: Any, given: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, float]:
    """Cross-validated probabilities of a linear model, the labels ranked by that of the given one."""
    from sklearn.model_selection import StratifiedKFold

    quality, guess = np.empty(len(given)), np.empty(len(given), object)
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, given):
        model = linear(x[train], given[train])
        p, place = model.predict_proba(x[test]), {c: i for i, c in enumerate(model.classes_)}
        quality[test] = p[np.arange(len(test)), [place[g] for g in given[test]]]
        guess[test] = model.classes_[p.argmax(1)]
    return {"ap": ranked(given != truth, quality), "guess_right": float((guess == truth).mean())}


def accuracies(folder: Path, how: str, task: str, seed: int, *, ap: bool = True) -> dict[str, float]:
    """Test accuracy when trained on the given labels and on the true ones, and the detection's precision."""
    frame = rows(folder)
    truth = truth_of(folder, frame, task)
    frame, truth = frame[pd.notna(truth)].reset_index(drop=True), truth[pd.notna(truth)]
    started = time.monotonic()
    x, test = features(frame["input"], how), (frame["split"] == "test").to_numpy()
    given = frame[task].to_numpy(object)
    trained = ~test & pd.notna(given)
    model = linear(x[trained], given[trained].astype(str))
    found = {"noisy": float((model.predict(x[test]) == truth[test]).mean())}
    found["seconds"] = time.monotonic() - started
    clean = linear(x[~test], truth[~test].astype(str))
    found["clean"] = float((clean.predict(x[test]) == truth[test]).mean())
    if ap:
        found |= detection(x[trained], given[trained].astype(str), truth[trained], seed)
    return found


def tox21(folder: Path, precision: float) -> dict[str, float]:
    """Mean test AUC of one linear model per assay, and its fills at the same expected precision."""
    from sklearn.metrics import roc_auc_score

    from jointset.repair import choose

    frame = rows(folder)
    x, test = features(frame["input"], "chars"), (frame["split"] == "test").to_numpy()
    aucs, right, missing = [], [], 0
    for task in frame.columns[4:]:
        truth = truth_of(folder, frame, task)
        given, known = frame[task].to_numpy(float), pd.notna(truth)
        model = linear(x[~test & ~np.isnan(given)], given[~test & ~np.isnan(given)].astype(int))
        held = test & known
        aucs.append(roc_auc_score(truth[held].astype(int), model.predict_proba(x[held])[:, 1]))
        withheld = ~test & np.isnan(given) & known
        p = model.predict_proba(x[withheld])
        chosen, _ = choose(p.max(1), precision)
        right.append((p.argmax(1) == truth[withheld].astype(int))[chosen])
        missing += int(withheld.sum())
    filled = np.concatenate(right)
    return {
        "auc": float(np.mean(aucs)),
        "filled": len(filled) / missing,
        "filled_right": float(filled.mean()),
    }


def votes(folder: Path, seed: int) -> dict[str, float]:
    """Accuracy over all rows of a linear model that is trained, cross-fitted, on the votes alone."""
    from sklearn.model_selection import KFold

    frame = rows(folder)
    x, given, truth = (
        features(frame["input"], "words"),
        frame["spam"].to_numpy(object),
        truth_of(folder, frame, "spam"),
    )
    guess = np.empty(len(frame), object)
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(given):
        train = train[pd.notna(given[train])]
        guess[test] = linear(x[train], given[train].astype(str)).predict(x[test])
    return {"guess_right": float((guess == truth).mean())}
