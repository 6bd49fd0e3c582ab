"""The tail of 28 emotions: what thresholds and adjusted logits give back, after training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from bench.balance import f1, thirds
from bench.datasets import data_file
from jointset import repair

ROWS = 12_000


def goemotions(seed: int) -> dict[str, Any]:
    """Macro F1 of all, head and tail thirds: as trained, weighted, adjusted, with thresholds chosen on dev rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_parquet(data_file("goemotions", "goemotions.parquet"))
    rng = np.random.default_rng(seed)
    train = frame[frame["split"] == "train"]
    train = train.iloc[np.sort(rng.permutation(len(train))[:ROWS])]
    parts = {"train": train, "dev": frame[frame["split"] == "dev"], "test": frame[frame["split"] == "test"]}
    y = {n: _sets(p["emotion28"]) for n, p in parts.items()}
    maker = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    x = {"train": maker.fit_transform(parts["train"]["text"])}
    x |= {n: maker.transform(parts[n]["text"]) for n in ("dev", "test")}
    counts = y["train"].sum(axis=0)
    probs: dict[str, dict[str, np.ndarray]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = repair.tail_weights(counts, power=1.0, most=20.0)
        for name in ("plain", "weighted"):
            columns: dict[str, list[np.ndarray]] = {"dev": [], "test": []}
            for k in range(28):
                weight = {0: 1.0, 1: float(weights[k]) if name == "weighted" else 1.0}
                model = LogisticRegression(solver="liblinear", C=3.0, class_weight=weight)
                model.fit(x["train"], y["train"][:, k])
                for side, column in columns.items():
                    column.append(model.predict_proba(x[side])[:, 1])
            probs[name] = {side: np.stack(c, axis=1) for side, c in columns.items()}
    prior = counts / len(y["train"])
    plain = probs["plain"]
    tau, _ = repair.choose_tau(plain["dev"], prior, y["dev"])
    cut = repair.choose_thresholds(plain["dev"], y["dev"])
    common = repair.choose_thresholds(plain["dev"].reshape(-1, 1), y["dev"].reshape(-1, 1), shrink=0)[0]
    named = {
        "as trained": plain["test"] >= 0.5,
        "one threshold for all": plain["test"] >= common,
        "weights of the tail": probs["weighted"]["test"] >= 0.5,
        "logits adjusted": repair.adjust_logits(plain["test"], prior, tau=tau) >= 0.5,
        "thresholds": plain["test"] >= cut,
    }
    out: dict[str, Any] = {"tau": tau}
    for name, decided in named.items():
        scores = thirds(f1(y["test"] == 1, decided), counts)
        out |= {f"{name}, {part}": scores[part] for part in ("all", "head", "tail")}
    return out


def _sets(column: pd.Series) -> np.ndarray:
    out = np.zeros((len(column), 28), np.int64)
    for i, emotions in enumerate(column):
        out[i, list(emotions)] = 1
    return out
