"""CIFAR-10N: people's label errors on 25,000 images; probabilities from a model trained here on their labels."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from bench.audits import models
from bench.audits.context import Context, kept
from bench.audits.crossfit import cross_fit
from bench.audits.judged import Case, both, ours
from bench.audits.rows import by_seed, every, mean, peers, row
from bench.datasets import data_file
from bench.table import Row

Array = NDArray[Any]
Arrays = tuple[dict[str, Array], dict[str, Array]]  # probabilities and margins, by label set
SETS = {"aggre": "aggre_label", "random1": "random_label1", "worse": "worse_label"}
FOLDS = 3
# sized to stay within half an hour on two cores
NETWORK = {"encoder": "resnet", "size": 32, "widths": [16, 32, 64, 128]}
TRAINING = {"epochs": 15, "batch_size": 128, "folds": FOLDS}
CELL = 4  # pixels of a side of a cell of the histograms
ANGLES = 9


def measure(seed: int, context: Context) -> dict[str, Any]:
    """The label sets one by one, as the peer takes them, and together."""
    frame = pd.read_parquet(data_file("cifar10n", "train_a.parquet"))
    truth = frame["clean_label"].to_numpy(np.int64)
    given = {name: frame[column].to_numpy(np.int64) for name, column in SETS.items()}
    make = quick if context.quick_images else network
    probs, margins = make(frame, given, seed, context)
    plain = {name: Case("multiclass", given[name], probs[name], truth) for name in SETS}
    heard = {name: replace(case, margin=margins.get(name)) for name, case in plain.items()}
    together = ours(heard, promises=False)
    return {
        "cases": {
            name: {
                **both(context, {name: heard[name]})[name],
                "together": together[name],
                "alone": ours({name: plain[name]})[name],
            }
            for name in SETS
        }
    }


def network(frame: pd.DataFrame, given: dict[str, Array], seed: int, context: Context) -> Arrays:
    """Jointset's own cross-fit: three tasks on the same images, one small residual network a fold; with the areas under
    the margins of the models that trained on the labels."""
    found = cross_fit(written(frame, given, seed, context), list(SETS))
    return dict(found.probs), dict(found.margins)


def written(frame: pd.DataFrame, given: dict[str, Array], seed: int, context: Context) -> Path:
    """The images and the labels that people gave as a file, and the configuration."""
    folder = context.work / "crossfit" / f"cifar10n-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"id": np.arange(len(frame)), "jpg": frame["jpg"], **given})
    table.to_parquet(folder / "images.parquet")
    settings = {
        "name": "cifar10n",
        "datasets": {"images": {"path": "images.parquet", "inputs": {"image": "jpg"}, "id": "id"}},
        "tasks": {name: {"kind": "multiclass", "labels": {"images": name}} for name in SETS},
        "model": {"image": NETWORK},
        "training": TRAINING,
        "seed": seed,
    }
    config = folder / "images.yaml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return config


def quick(frame: pd.DataFrame, given: dict[str, Array], seed: int, context: Context) -> Arrays:
    """Histograms of gradients and colours with a multinomial logistic regression for each label set; no margins."""
    from sklearn.linear_model import LogisticRegression

    x = kept(context, "histograms", [given["aggre"]], lambda: histograms(frame["jpg"]))
    make = partial(LogisticRegression, C=0.01, max_iter=100, tol=1e-3)
    probs = {
        name: kept(
            context,
            f"cifar10n-{name}-{seed}",
            [x, labels],
            lambda y=labels: models.class_probs(make, x, y, 10, folds=FOLDS, seed=seed),
        )
        for name, labels in given.items()
    }
    return probs, {}


def histograms(jpgs: Any) -> Array:
    """Standardised features of 32 × 32 images, ``(n, 633)``: oriented gradients and mean colours.

    Histograms of nine angles over cells of 4 × 4 pixels, pooled by 2 × 2 and scaled to one (after Dalal and Triggs
    2005).
    """
    from PIL import Image

    pixels = (
        np.stack([np.asarray(Image.open(io.BytesIO(jpg)).convert("RGB"), np.float32) for jpg in jpgs]) / 255
    )
    parts = [_features(part) for part in np.array_split(pixels, max(len(pixels) // 1000, 1))]
    found = np.concatenate(parts)
    return ((found - found.mean(0)) / np.maximum(found.std(0), 1e-6)).astype(np.float32)


def _features(pixels: Array) -> Array:
    n, side = len(pixels), pixels.shape[1] // CELL
    down, right = np.gradient(pixels.mean(axis=3), axis=(1, 2))
    angle = np.mod(np.arctan2(down, right), np.pi) * ANGLES / np.pi
    bins = np.minimum(angle.astype(int), ANGLES - 1)
    strength = np.hypot(down, right)[..., None] * (bins[..., None] == np.arange(ANGLES))
    cells = strength.reshape(n, side, CELL, side, CELL, ANGLES).sum(axis=(2, 4))
    blocks = cells[:, :-1, :-1] + cells[:, 1:, :-1] + cells[:, :-1, 1:] + cells[:, 1:, 1:]
    blocks = np.sqrt(blocks / np.maximum(blocks.sum(axis=3, keepdims=True), 1e-6))
    colours = pixels.reshape(n, side, CELL, side, CELL, 3).mean(axis=(2, 4))
    return np.concatenate([blocks.reshape(n, -1), colours.reshape(n, -1)], axis=1)


def rows(raws: list[Any]) -> list[Row]:
    """Ranking, flags and repair, label set by label set."""
    found = []
    for name in SETS:
        cases = every(raws, name)
        for key, what, default in (
            ("ap", "average precision", "self_confidence"),
            ("f1", "F1", "prune_by_noise_rate"),
        ):
            beside = peers(cases, key, default)
            best = 100 * max(beside.values(), default=0)
            alone, together = (100 * (mean(c[who][key] for c in cases) or 0) for who in ("alone", "together"))
            found.append(
                row(
                    f"cifar10n, {name}: {what}",
                    "> peer's best",
                    by_seed(raws, key, name),
                    (lambda v, b=best: v > b) if beside else None,
                    peers=beside,
                    note=f"without margins {alone:.1f}; the three sets together {together:.1f}",
                )
            )
        noise = 100 * (mean(c["ours"]["wrong"] for c in cases) or 0)
        left = peers(cases, "noise_left", "prune_by_noise_rate", lowest=True)
        found.append(
            row(
                f"cifar10n, {name}: label accuracy after repair",
                f"> given, {100 - noise:.1f}",
                [1 - v for v in by_seed(raws, "repaired_wrong", name)],
                lambda v, n=noise: v > 100 - n,
                peers={method: 1 - v for method, v in left.items()},
                note="labels that the default precision advises to relabel",
            )
        )
    return found
