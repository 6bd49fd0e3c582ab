"""Relations between tasks that are only statistical: all tasks in one call against one call for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.audits import models, noise, scores
from bench.audits.context import Context, kept
from bench.audits.judged import Case, audits, both, ours
from bench.audits.rows import by_seed, every, mean, peers, row
from bench.datasets import data_file
from bench.table import Row

Array = NDArray[Any]
ROWS = 12_000
EMOTIONS = {"emotion28": 28, "ekman7": 7, "sentiment4": 4}
SWAPPED = 0.1  # of the positives of every class taken away, and as many negatives made positive
FLIPPED = 0.2
LEAST = -0.5  # points of average precision that hearing other tasks may cost


@cache
def comments(seed: int) -> tuple[list[str], dict[str, Array]]:
    """Texts of 12,000 comments and their three label sets as 0/1 columns."""
    frame = pd.read_parquet(data_file("goemotions", "goemotions.parquet"))
    frame = frame.sample(ROWS, random_state=seed)
    truth = {name: np.zeros((ROWS, k), np.int8) for name, k in EMOTIONS.items()}
    for name, table in truth.items():
        for i, present in enumerate(frame[name]):
            table[i, present] = 1
    return frame["text"].tolist(), truth


@cache
def words(seed: int) -> Any:
    """TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(comments(seed)[0])


def emotion_cases(context: Context, seed: int, damage: Callable[..., Array]) -> dict[str, Case]:
    """The label sets, each damaged by itself, with probabilities of one-against-rest logistic regressions."""
    from sklearn.linear_model import LogisticRegression

    rng, found = np.random.default_rng(seed), {}
    for name, truth in comments(seed)[1].items():
        given = damage(truth, rng=rng)

        def probs(given: Array = given) -> Array:
            make = partial(LogisticRegression, C=3, solver="liblinear")
            return models.entry_probs(make, words(seed), given, seed=seed)

        made = kept(context, f"{name}-{seed}", [given], probs)
        found[name] = Case("multilabel", given, made, truth)
    return found


def adult_cases(context: Context, seed: int) -> dict[str, Case]:
    """Three binary tasks on 12,000 people, a fifth of each one's labels flipped; gradient-boosted trees.

    What a task is read off (income, marital status, relationship, education) is no input.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = pd.read_parquet(data_file("adult", "adult.parquet")).sample(ROWS, random_state=seed)
    truth = {
        "income": frame["income"].str.contains(">50K"),
        "never married": frame["marital_status"] == "Never-married",
        "college": frame["education_num"] >= 13,
    }
    hidden = ["income", "marital_status", "relationship", "education", "education_num", "split"]
    inputs = frame.drop(columns=hidden)
    x = np.stack(
        [c if c.dtype.kind in "if" else pd.factorize(c)[0] for _, c in inputs.items()], axis=1
    ).astype(float)
    rng, found = np.random.default_rng(seed), {}
    for name, labels in truth.items():
        right = labels.to_numpy(np.int64)
        given = noise.flipped_entries(right, FLIPPED, rng)

        def probs(given: Array = given) -> Array:
            make = partial(HistGradientBoostingClassifier, max_iter=60, random_state=seed)
            return models.class_probs(make, x, given, 2, seed=seed)

        made = kept(context, f"adult-{name}-{seed}", [given], probs)
        found[name] = Case("binary", given, made, right)
    return found


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Both sets task by task, and the 28 emotions label by label."""
    emotions = emotion_cases(context, seed, partial(noise.swapped_entries, share=SWAPPED))
    cases: dict[str, Any] = {}
    for place, tasks in (("goemotions", emotions), ("adult", adult_cases(context, seed))):
        for task, found in both(context, tasks).items():
            found["alone"] = ours({task: tasks[task]}, promises=False)[task]
            cases[f"{place}, {task}"] = found
    cases["28 labels"] = labels_alone(context, emotions["emotion28"])
    return {"cases": cases}


def labels_alone(context: Context, case: Case) -> dict[str, Any]:
    """One multilabel task by itself: its labels together against each by itself."""
    found = both(context, {"28 labels": case})["28 labels"]
    together = audits({"28 labels": case}, None)["28 labels"].quality
    apart, wrong, gains = np.empty_like(together), case.given != case.truth, []
    for k in range(case.given.shape[1]):
        pair = np.stack([1 - case.probs[:, k], case.probs[:, k]], axis=1)
        one = Case("binary", case.given[:, k].astype(np.int64), pair, case.truth[:, k])
        apart[:, k] = audits({"one": one}, None)["one"].quality
        both_ways = [scores.average_precision(wrong[:, k], q[:, k]) for q in (together, apart)]
        if None not in both_ways:
            gains.append(both_ways[0] - both_ways[1])
    found["alone"] = {"ap": scores.average_precision(wrong, apart)}
    found["worst_label"] = min(gains)
    return found


def rows(raws: list[Any]) -> list[Row]:
    """A row per task, and how much the least lucky one lost."""
    found, lost = [], []
    for name in raws[0]["cases"]:
        cases = every(raws, name)
        alone = 100 * (mean(c["alone"]["ap"] for c in cases) or 0)
        line = row(
            f"relations: average precision, {name}, together",
            "> alone",
            by_seed(raws, "ap", name),
            lambda v, a=alone: v > a,
            peers=peers(cases, "ap", "self_confidence"),
            note=f"alone {alone:.1f}",
        )
        lost += [line["value"] - alone]
        found.append(line)
    apart = [raw["cases"]["28 labels"]["worst_label"] for raw in raws]
    return [
        *found,
        row(
            "relations: together - alone, the worst task, points",
            f"≥ {LEAST}",
            [min(lost)],
            lambda v: v >= LEAST,
            peers="–",
            form="+.2f",
            scale=1,
        ),
        row("relations: 28 labels, the worst label, points", "–", apart, peers="–", form="+.1f"),
    ]
