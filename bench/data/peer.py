"""Outliers, near-copies and order beside cleanlab's Datalab, which runs in an environment of its own.

    JOINTSET_PEER=/some/venv/bin/python python -m bench.data_problems --only Datalab

The peer's environment holds ``cleanlab[datalab]`` 2.9; both sides read the same arrays and run on one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.datasets import data_file
from jointset import audit

LARGE = (100_000, 64)
CODE = """
import json, sys, time, numpy as np, contextlib, io
from cleanlab import Datalab
x = np.load(sys.argv[1]); kinds = json.loads(sys.argv[2]); out = {}
started = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    lab = Datalab(data={"row": np.arange(len(x))})
    lab.find_issues(features=x, issue_types={k: {} for k in kinds})
out["seconds"] = time.perf_counter() - started
frame = lab.get_issues()
scores = {k: frame[k + "_score"].to_numpy() for k in kinds}
np.savez(sys.argv[3], **scores, **{"is_" + k: frame["is_" + k + "_issue"].to_numpy() for k in kinds})
print(json.dumps(out))
"""


def peer(points: np.ndarray, kinds: tuple[str, ...]) -> tuple[dict[str, np.ndarray], float]:
    """Datalab's scores and flags by kind of issue, and its seconds (imports left out)."""
    python = os.environ.get("JOINTSET_PEER")
    if not python or not Path(python).is_file():
        sys.exit("JOINTSET_PEER: name the python of an environment that holds cleanlab[datalab]==2.9.*")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", points)
        line = [python, "-c", CODE, f"{folder}/x.npy", json.dumps(kinds), f"{folder}/out.npz"]
        done = subprocess.run(line, check=True, capture_output=True, text=True)
        with np.load(f"{folder}/out.npz") as stored:
            return dict(stored), float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _sets(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Embeddings with strangers among them, about one in a hundred."""
    rng = np.random.default_rng(seed)
    mnist = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    mnist = mnist.iloc[np.sort(rng.permutation(len(mnist))[:3000])]
    images = [np.frombuffer(b, np.uint8).reshape(28, 28) for b in mnist["px28"]]
    odd = rng.permutation(3000)[:30]
    for i, row in enumerate(odd):  # turned upside down and inverted, halved, noisy
        image = images[row].copy()
        images[row] = [255 - image, np.where(np.arange(28)[:, None] < 14, image, 255).astype(np.uint8),
                       rng.permutation(image.ravel()).reshape(28, 28)][i % 3]  # fmt: skip
    comments = pd.read_parquet(data_file("goemotions", "goemotions.parquet"))["text"]
    comments = comments.iloc[rng.permutation(len(comments))[:3000]].tolist()
    smiles = pd.read_parquet(data_file("molecules", "tox21.parquet"))["smiles"]
    strange = rng.permutation(3000)[:30]
    for i in strange:
        comments[i] = smiles.iloc[int(rng.integers(len(smiles)))]
    wine = pd.read_parquet(data_file("wine", "wine.parquet"))
    white, red = (wine[wine["color"] == c].drop(columns=["quality", "color"]) for c in ("white", "red"))
    some = red.iloc[rng.permutation(len(red))[:30]]
    table = pd.concat([white.iloc[rng.permutation(len(white))[:3000]], some])
    marks = [np.isin(np.arange(3000), odd), np.isin(np.arange(3000), strange), np.arange(len(table)) >= 3000]
    return {
        "digits, spoilt": (audit.image_features(images), marks[0]),
        "comments, formulas (words)": (audit.text_features(comments, seed=seed), marks[1]),
        "comments, formulas (words and style)": (
            np.hstack(
                [audit.text_features(comments, seed=seed), audit.table_features(audit.simple_texts(comments))]
            ),
            marks[1],
        ),
        "white wines, red ones": (audit.table_features({c: table[c].to_numpy() for c in table}), marks[2]),
    }


def outliers(seed: int) -> dict[str, Any]:
    """Area under the curve of strangers."""
    out: dict[str, Any] = {}
    for name, (points, truth) in _sets(seed).items():
        started = time.perf_counter()
        ours = audit.find_outliers(points, seed=seed)
        seconds = time.perf_counter() - started
        theirs, peer_seconds = peer(points, ("outlier",))
        areas = [audit.area(truth.astype(int), -s) for s in (ours.score, theirs["outlier"])]
        out[f"{name}: area, jointset | Datalab"] = f"{areas[0]:.3f} | {areas[1]:.3f}"
        out[f"{name}: seconds"] = f"{seconds:.2f} | {peer_seconds:.2f}"
    return out


def copies_and_order(seed: int) -> dict[str, Any]:
    """Planted near-copies (1 %) and an order: who finds them, and who calls a shuffle ordered."""
    rng = np.random.default_rng(seed)
    fsdd = pd.read_parquet(data_file("fsdd", "fsdd.parquet"))
    sounds = [np.frombuffer(b, "<i2").astype(np.float32) / 32768 for b in fsdd["pcm16"]]
    points = audit.sound_features(sounds)
    shuffled = points[rng.permutation(len(points))]
    copied = rng.permutation(len(points))[:30]
    spread = shuffled.std(axis=0)
    both = np.vstack([shuffled, shuffled[copied] + rng.normal(0, 0.005, (30, shuffled.shape[1])) * spread])
    truth = np.isin(np.arange(len(both)), np.r_[copied, np.arange(len(points), len(both))])
    pairs = audit.find_duplicates(both, kind="embedding", seed=seed).pairs
    flagged = np.isin(np.arange(len(both)), np.r_[pairs.first, pairs.second])
    theirs, _ = peer(both, ("near_duplicate",))
    found = {"jointset": flagged, "Datalab": theirs["is_near_duplicate"]}
    out: dict[str, Any] = {
        f"near-copies, {n}": f"recall {m[truth].mean():.2f}, precision {truth[m].mean() if m.any() else 0:.2f}"
        for n, m in found.items()
    }
    ours = [audit.find_order(p, seed=seed).outcome == "found" for p in (points, shuffled)]
    datalab = [bool(peer(p, ("non_iid",))[0]["is_non_iid"].any()) for p in (points, shuffled)]
    out["order seen, on a shuffle: jointset"] = f"{ours[0]}, {ours[1]}"
    out["order seen, on a shuffle: Datalab"] = f"{datalab[0]}, {datalab[1]}"
    return out


def large(seed: int) -> dict[str, Any]:
    """Seconds for outliers over 100,000 × 64 numbers with a structure of 200 clusters."""
    rng = np.random.default_rng(seed)
    n, d = LARGE
    centres = rng.normal(size=(200, d)) * 2
    points = (centres[rng.integers(0, 200, n)] + rng.normal(size=(n, d))).astype(np.float32)
    started, cpu = time.perf_counter(), time.process_time()
    found = audit.find_outliers(points, seed=seed)
    return {
        "seconds": time.perf_counter() - started,
        "processor seconds": time.process_time() - cpu,
        "outliers": len(found.findings),
    }
