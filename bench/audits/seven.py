"""Seven assays of one table of molecules: one joint cross-fit against seven of a task each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import yaml

from bench.audits import noise
from bench.audits.context import Context
from bench.audits.crossfit import cross_fit
from bench.audits.judged import Case, ours
from bench.audits.rows import mean, row
from bench.datasets import data_file
from bench.table import Row

# the nuclear-receptor panel
ASSAYS = ("NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma")
FLIPPED = 0.2
CHEAPER = 4.0


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Flip a fifth of every assay's labels, train both ways, audit both ways."""
    folder = context.work / "crossfit" / f"seven-{seed}"
    config, given, truth = folder / "seven.yaml", {}, {}
    frame = pd.read_parquet(data_file("molecules", "tox21.parquet"))
    rng, table = np.random.default_rng(seed), frame[["smiles"]].assign(id=np.arange(len(frame)))
    for assay in ASSAYS:
        known = frame[assay].notna().to_numpy()
        right = frame[assay].fillna(0).to_numpy(np.int64)
        truth[assay] = np.where(known, right, -1)
        given[assay] = np.where(known, noise.flipped_entries(right, FLIPPED, rng), -1)
        table[assay] = pd.Series(given[assay], dtype="Int64").mask(~known)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "tox21.parquet")
    config.write_text(yaml.safe_dump(settings(seed), sort_keys=False), encoding="utf-8")
    joint = cross_fit(config, ASSAYS)
    single = {assay: cross_fit(config, [assay]) for assay in ASSAYS}
    found = ours({a: Case("binary", given[a], joint.probs[a], truth[a]) for a in ASSAYS}, promises=False)
    cases = {
        a: {
            "ours": found[a],
            "alone": ours({a: Case("binary", given[a], single[a].probs[a], truth[a])}, promises=False)[a],
        }
        for a in ASSAYS
    }
    return {"cases": cases, "ratio": sum(s.seconds for s in single.values()) / joint.seconds}


def settings(seed: int) -> dict[str, Any]:
    """The configuration, as a user would write it for molecules."""
    return {
        "name": "seven",
        "datasets": {"tox21": {"path": "tox21.parquet", "inputs": {"text": "smiles"}, "id": "id"}},
        "tasks": {a: {"kind": "binary", "labels": {"tox21": a}} for a in ASSAYS},
        "model": {
            "text": {"encoder": "bag", "words": 0, "chars": [1, 6], "inside_words": False, "lower": False},
            "depth": 1,
        },
        "training": {"sparse_learning_rate": 0.002},
        "seed": seed,
    }


def rows(raws: list[Any]) -> list[Row]:
    """What it costs, and what it finds."""
    joint, alone = (
        [mean(case[who]["ap"] for case in raw["cases"].values()) or 0 for raw in raws]
        for who in ("ours", "alone")
    )
    gain = [a - b for a, b in zip(joint, alone, strict=True)]
    return [
        row(
            "seven tasks: seconds of seven cross-fits / of the joint one",
            f"≥ {CHEAPER:g}",
            [raw["ratio"] for raw in raws],
            lambda v: v >= CHEAPER,
            peers="–",
            scale=1,
        ),
        row(
            "seven tasks: average precision, joint - alone, points",
            "≥ 0",
            gain,
            lambda v: v >= 0,
            peers="–",
            form="+.1f",
            note=f"joint {100 * (mean(joint) or 0):.1f}, alone {100 * (mean(alone) or 0):.1f}",
        ),
    ]
