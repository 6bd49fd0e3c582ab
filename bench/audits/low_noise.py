"""Little noise, or none: how much is flagged and estimated, and whether the best raw score ranks better."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.audits import cifar, digits, models, noise, scores
from bench.audits.context import Context
from bench.audits.judged import Case, ours
from bench.audits.relations import emotion_cases
from bench.audits.rows import by_seed, every, mean, row
from bench.table import Row

SHARES = (0.05, 0.01, 0.0)
CLOSE = {0.05: 2.0, 0.01: 1.0, 0.0: 1.0}  # points that the flagged share may be off
TENTH = 0.05  # points; less is not shown, and no loss
SETS = {
    "digits": "three models",
    "cifar": "probabilities of models trained on 20 % noise",
    "goemotions": "its own errors counted as right",
}


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Digits, CIFAR's truth with new noise, and the four sentiments of comments."""
    cases: dict[str, Any] = {}
    for level in SHARES:
        rng = np.random.default_rng(seed)
        truth = digits.data()[1]
        given = noise.symmetric(truth, 10, level, rng)
        for model in models.digit_models(seed):
            made = digits.case(context, model, given, truth, 10, seed)
            cases[f"digits {level:.0%} {model}"] = judged(made)
        for setting in cifar.SETTINGS[:2]:
            old = cifar.arrays(setting)
            made = Case(old.kind, noise.symmetric(old.truth, 10, level, rng), old.probs, old.truth)
            cases[f"cifar {level:.0%} {setting}"] = judged(made)
        emotions = emotion_cases(context, seed, partial(noise.flipped_entries, share=level))
        cases[f"goemotions {level:.0%}"] = judged(emotions["sentiment4"])
    return {"cases": cases}


def judged(case: Case) -> dict[str, Any]:
    """Our scores beside the average precision of the raw scores."""
    given, probs = case.given.ravel(), case.probs
    if case.kind == "multilabel":
        probs = np.stack([1 - probs.ravel(), probs.ravel()], axis=1)
    wrong = given != case.truth.ravel()
    raw = {n: scores.average_precision(wrong, q) for n, q in scores.raw_scores(given, probs).items()}
    return {"ours": ours({"one": case})["one"], "raw": raw}


def rows(raws: list[Any]) -> list[Row]:
    """Set by set and share by share."""
    return [r for name in SETS for level in SHARES for r in one(raws, name, level)]


def one(raws: list[Any], name: str, level: float) -> list[Row]:
    """Flagged, estimated and ranked at one share of noise."""
    part, close = f"{name} {level:.0%}", CLOSE[level]
    cases = every(raws, part)
    true = 100 * (mean(c["ours"]["wrong"] for c in cases) or 0)
    found = [
        row(
            f"low noise, {part} ({SETS[name]}): flagged",
            f"{true:.1f} ± {close:g}",
            by_seed(raws, "flagged", part),
            lambda v: abs(v - true) <= close,
            peers="–",
        ),
        row(
            f"low noise, {part}: estimated noise", f"{true:.1f}", by_seed(raws, "noise_rate", part), peers="–"
        ),
    ]
    if not level:
        return found
    raw = {n: mean(c["raw"][n] for c in cases) or 0 for n in cases[0]["raw"]}
    best = max(raw, key=raw.__getitem__)
    return [
        *found,
        row(
            f"low noise, {part}: average precision",
            "≥ best raw score",
            by_seed(raws, "ap", part),
            lambda v: v >= 100 * raw[best] - TENTH,
            peers={f"raw {best}": raw[best]},
        ),
    ]
