"""Digits with four noises and three models; and digits with their stroke group, audited together."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.audits import models, noise
from bench.audits.context import Context, kept
from bench.audits.judged import Case, both, ours
from bench.audits.rows import by_seed, every, mean, methods, peers, row
from bench.datasets import STROKE_OF
from bench.table import Row

Array = NDArray[Any]
NOISES = ("sym20", "sym40", "pair30", "confusable30")
GROUP_LABELLED = 0.3


@cache
def data() -> tuple[Array, Array]:
    """Pixels in [0, 1] ``(1797, 64)`` and digits."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x / 16, y


def case(context: Context, model: str, given: Array, truth: Array, classes: int, seed: int) -> Case:
    """A case with the out-of-fold probabilities of a model by name."""
    x, make = data()[0], models.digit_models(seed)[model]
    probs = kept(
        context,
        f"digits-{model}-{seed}",
        [given],
        lambda: models.class_probs(make, x, given, classes, seed=seed),
    )
    return Case("multiclass", given, probs, truth)


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Three models on four noises."""
    truth, cases = data()[1], {}
    for name, given in noise.digit_noises(truth, np.random.default_rng(seed)).items():
        for model in models.digit_models(seed):
            key = f"{model} {name}"
            cases |= both(context, {key: case(context, model, given, truth, 10, seed)})
    return {"cases": cases}


def rows(raws: list[Any]) -> list[Row]:
    """Means over the twelve cases, then noise by noise."""
    found = []
    for key, what, target, goal in (("ap", "average precision", "≥ 97", 97), ("f1", "F1", "≥ 91", 91)):
        for part in ("", *NOISES):
            cases = every(raws, part)
            default = "self_confidence" if key == "ap" else "prune_by_noise_rate"
            beside = peers(cases, key, default)
            if key == "ap" and beside:
                beside["normalized_margin"] = methods(cases, "ap")["normalized_margin"]
            found.append(
                row(
                    f"digits{' ' + part if part else ', LR, MLP and forest, four noises'}: {what}",
                    target if not part else "–",
                    by_seed(raws, key, part),
                    (lambda v, g=goal: v >= g) if not part else None,
                    peers=beside,
                )
            )
    return found


def measure_joint(seed: int, context: Context) -> dict[str, Any]:
    """Digit and stroke group under independent noise; the group is labelled on three rows of ten."""
    rng, digit = np.random.default_rng(seed), data()[1]
    group = STROKE_OF[digit]
    given = {"digit": noise.symmetric(digit, 10, 0.2, rng), "group": noise.symmetric(group, 3, 0.2, rng)}
    given["group"][rng.random(len(group)) >= GROUP_LABELLED] = -1
    cases: dict[str, Any] = {}
    for model in models.digit_models(seed):
        tasks = {
            "digit": case(context, model, given["digit"], digit, 10, seed),
            "group": case(context, model, given["group"], group, 3, seed),
        }
        for task, found in both(context, tasks).items():
            found["alone"] = ours({task: tasks[task]}, promises=False)[task]
            cases[f"{model} {task}"] = found
    return {"cases": cases}


def rows_joint(raws: list[Any]) -> list[Row]:
    """Both tasks, and the group labels that were missing."""
    found = []
    for task, goal in (("group", 94), ("digit", 97.5)):
        cases = every(raws, task)
        found.append(
            row(
                f"digits-joint: average precision, {task}",
                f"≥ {goal:g}",
                by_seed(raws, "ap", task),
                lambda v, g=goal: v >= g,
                peers=peers(cases, "ap", "self_confidence"),
                note=f"alone {100 * (mean(c['alone']['ap'] for c in cases) or 0):.1f}",
            )
        )
    alone = mean(c["alone"]["filled_right"] for c in every(raws, "group"))
    return [
        *found,
        row(
            "digits-joint: missing group labels, right",
            "≥ 91",
            by_seed(raws, "filled_right", "group"),
            lambda v: v >= 91,
            peers="–",
            note=f"alone {100 * (alone or 0):.1f}",
        ),
    ]
