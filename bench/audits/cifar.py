"""CIFAR-10 out of fold: the six settings of the confident-learning paper, as arrays (Northcutt et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.audits.context import Context
from bench.audits.judged import Case, both
from bench.audits.rows import peers, row
from bench.datasets import data_file
from bench.table import Row

SETTINGS = tuple(f"noise{n}_sparsity{s}" for n in (20, 40, 60) for s in (0, 40))
# key, what, target, whether the peer's best is the lowest, whether the target is met
CLAIMS = (
    ("f1", "F1 of the flags", "≥ 86", False, lambda v: v >= 86),
    ("right_flagged", "right suggestions, of the flagged labels", "≥ 60", False, lambda v: v >= 60),
    ("right_wrong", "wrong labels relabelled rightly, of all wrong ones", "–", False, None),
    ("noise_left", "label noise left after relabelling the flagged", "≤ 27", True, lambda v: v <= 27),
)


def arrays(setting: str) -> Case:
    """One setting's arrays; the probabilities were stored in half precision."""
    with np.load(data_file("cl_cifar10_oof", f"{setting}.npz")) as stored:
        given, truth = (stored[key].astype(np.int64) for key in ("given", "true"))
        return Case("multiclass", given, stored["pred_probs"].astype(np.float32), truth)


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Every setting; nothing here depends on the seed."""
    return {"cases": {s: both(context, {s: arrays(s)})[s] for s in SETTINGS}}


def rows(raws: list[Any]) -> list[Row]:
    """Means over the settings."""
    cases = list(raws[0]["cases"].values())
    note = "six settings, no seeds"
    found = [
        row(
            "cifar-oof: average precision",
            "≥ 88",
            [c["ours"]["ap"] for c in cases],
            lambda v: v >= 88,
            peers=peers(cases, "ap", "self_confidence"),
            note=note,
        )
    ]
    for key, what, target, lowest, met in CLAIMS:
        beside = peers(cases, key, "prune_by_noise_rate", lowest=lowest)
        values = [c["ours"][key] for c in cases]
        found.append(row(f"cifar-oof: {what}", target, values, met, peers=beside, note=note))
    return found
