"""Shift by writers, speakers and domains, and none where the split is random."""

from __future__ import annotations

import warnings
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from bench.datasets import data_file
from jointset import audit

RANDOM = 20  # random splits a seed
EACH = 1000  # rows a side
REVIEWS = 1000  # of a domain


def _both(points: np.ndarray, side: np.ndarray, seed: int) -> dict[str, Any]:
    """p-value of the true sides, and how often random halves of the same rows are called shifted at 0.05 and 0.01."""
    rng = np.random.default_rng(seed)
    a, b = (rng.permutation(np.flatnonzero(side == s))[:EACH] for s in (0, 1))
    found = audit.covariate_shift(points[a], points[b], seed=seed)
    alarms = []
    pool = np.concatenate([a, b])
    for i in range(RANDOM):
        mixed = np.random.default_rng(1000 * seed + i).permutation(pool)
        half = len(mixed) // 2
        alarms.append(audit.covariate_shift(points[mixed[:half]], points[mixed[half:]], seed=i).p_value)
    return {
        "p": found.p_value,
        "area": found.area,
        "random splits with p < .05": float((np.array(alarms) < 0.05).mean()),
        "random splits with p < .01": float((np.array(alarms) < 0.01).mean()),
    }


def mnist(seed: int) -> dict[str, Any]:
    """Digits of employees and of students."""
    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    images = [np.frombuffer(b, np.uint8).reshape(28, 28) for b in frame["px28"]]
    return _both(audit.image_features(images), (frame["hsf_series"] != 0).to_numpy().astype(int), seed)


def fsdd(seed: int) -> dict[str, Any]:
    """Spoken digits, one speaker against each other: the pair that is told apart worst."""
    frame = pd.read_parquet(data_file("fsdd", "fsdd.parquet"))
    sounds = [np.frombuffer(b, "<i2").astype(np.float32) / 32768 for b in frame["pcm16"]]
    points = audit.sound_features(sounds)
    matrix = audit.shift_matrix(points, frame["speaker"].to_numpy(), seed=seed)
    pairs = np.triu_indices(len(matrix.groups), 1)
    side = (frame["speaker"] == frame["speaker"].iloc[0]).to_numpy().astype(int)
    random = _both(points, side, seed)
    return {
        "pairs of speakers with p < .01": f"{int((matrix.p_value[pairs] < 0.01).sum())} of {len(pairs[0])}",
        "largest p": float(matrix.p_value[pairs].max()),
        "random splits with p < .05": random["random splits with p < .05"],
        "random splits with p < .01": random["random splits with p < .01"],
    }


def domains(seed: int) -> dict[str, Any]:
    """Sixteen review domains: what the cheap matrix foresees, against the accuracy that TF-IDF models really lose."""
    from scipy.stats import spearmanr
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_parquet(data_file("fdu_mtl", "labelled.parquet"))
    rng = np.random.default_rng(seed)
    train = frame[(frame["split"] == "train") & ~frame["text"].duplicated()]
    test = frame[(frame["split"] == "test") & ~frame["text"].isin(set(train["text"]))]
    train = train.iloc[np.sort(rng.permutation(len(train)))]
    train = train.groupby("domain", group_keys=False).head(REVIEWS)
    points = audit.text_features(train["text"].tolist(), width=128, seed=seed)
    matrix = audit.shift_matrix(
        points, train["domain"].to_numpy(), labels=train["label"].to_numpy(), rows=REVIEWS, seed=seed,
        terms=audit.text_terms(train["text"].tolist()),
    )  # fmt: skip
    names = list(matrix.groups)
    vector = TfidfVectorizer(min_df=3, sublinear_tf=True, ngram_range=(1, 2))
    x = vector.fit_transform(train["text"])
    x_test, y_test = vector.transform(test["text"]), test["label"].to_numpy()
    models = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            mine = (train["domain"] == name).to_numpy()
            models[name] = LogisticRegression(solver="liblinear").fit(
                x[mine], train["label"].to_numpy()[mine]
            )
    side = {n: (test["domain"] == n).to_numpy() for n in names}
    right = {
        (s, t): float((models[s].predict(x_test[side[t]]) == y_test[side[t]]).mean())
        for s in names
        for t in names
    }
    pairs = list(permutations(range(len(names)), 2))
    lost = [right[names[j], names[j]] - right[names[i], names[j]] for i, j in pairs]
    foreseen = {
        "area lost by the cheap model": [matrix.loss[i, j] for i, j in pairs],
        "worth of the cheap model": [-matrix.worth[i, j] for i, j in pairs],
        "inputs: area of the classifier": [matrix.covariate[i, j] for i, j in pairs],
        "concept: gain": [matrix.concept[i, j] for i, j in pairs],
    }
    return {
        "accuracy lost, median and largest": f"{np.median(lost):.3f}, {max(lost):.3f}",
        **{
            f"rank correlation, {n}": float(spearmanr(v, lost, nan_policy="omit").statistic)
            for n, v in foreseen.items()
        },
    }
