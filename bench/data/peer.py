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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.datasets import data_file
from jointset import audit

LARGE = (100_000, 64)
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FRAME = """
import json, sys, time, numpy as np, contextlib, io
{imports}
def resident(name):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(name + ":")) / 1024
def found(x):
    {work}
    return out
points = np.load(sys.argv[1]); kinds = json.loads(sys.argv[2]); seed = int(sys.argv[4])
found(points[:500])  # what is imported at the first call is not counted
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before, started = resident("VmRSS"), time.perf_counter()
out = found(points)
print(json.dumps({{"seconds": time.perf_counter() - started, "MiB": resident("VmHWM") - before}}))
np.savez(sys.argv[3], **out)
"""
DATALAB = FRAME.format(
    imports="from cleanlab import Datalab",
    work="""
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data={"row": np.arange(len(x))})
        lab.find_issues(features=x, issue_types={k: {} for k in kinds})
    frame = lab.get_issues()
    out = {k: frame[k + "_score"].to_numpy() for k in kinds}
    out.update({"is_" + k: frame["is_" + k + "_issue"].to_numpy() for k in kinds})
""",
)
OURS = FRAME.format(
    imports="from jointset import audit",
    work="""
    out = {}
    if "outlier" in kinds:
        out["outlier"] = audit.find_outliers(x, seed=seed).score
    if "near_duplicate" in kinds:
        pairs = audit.find_duplicates(x, kind="embedding", seed=seed).pairs
        out["is_near_duplicate"] = np.isin(np.arange(len(x)), np.r_[pairs.first, pairs.second])
    if "non_iid" in kinds:
        out["is_non_iid"] = np.array([audit.find_order(x, seed=seed).outcome == "found"])
""",
)
SIDES = {"jointset": OURS, "Datalab": DATALAB}
Side = tuple[dict[str, np.ndarray], dict[str, float]]


def side(name: str, points: np.ndarray, kinds: tuple[str, ...], seed: int) -> Side:
    """Scores and flags of one side by kind of issue; its seconds, and peak memory above what it held before.

    In a process of its own; imports and the reading of the points are left out of both figures.
    """
    python = sys.executable if name == "jointset" else os.environ.get("JOINTSET_PEER")
    if not python or not Path(python).is_file():
        sys.exit("JOINTSET_PEER: name the python of an environment that holds cleanlab[datalab]==2.9.*")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", points)
        line = [
            python,
            "-c",
            SIDES[name],
            f"{folder}/x.npy",
            json.dumps(kinds),
            f"{folder}/out.npz",
            str(seed),
        ]
        done = subprocess.run(line, check=True, capture_output=True, text=True, env={**os.environ, **THREADS})
        with np.load(f"{folder}/out.npz") as stored:
            return dict(stored), json.loads(done.stdout.splitlines()[-1])


def both(
    points: np.ndarray, kinds: tuple[str, ...], seed: int
) -> tuple[list[dict[str, np.ndarray]], dict[str, str]]:
    """What each side found, and what each took, as rows of a table."""
    found, took = zip(*(side(name, points, kinds, seed) for name in SIDES), strict=True)
    return list(found), {
        "seconds": " / ".join(f"{t['seconds']:.2f}" for t in took),
        "MiB": " / ".join(f"{t['MiB']:.0f}" for t in took),
    }


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
    """Area under the curve of strangers; jointset / Datalab."""
    out: dict[str, Any] = {}
    for name, (points, truth) in _sets(seed).items():
        found, took = both(points, ("outlier",), seed)
        areas = [audit.area(truth.astype(int), -f["outlier"]) for f in found]
        out[f"{name}: area"] = " / ".join(f"{a:.3f}" for a in areas)
        out |= {f"{name}: {k}": v for k, v in took.items()}
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
    every = np.vstack([shuffled, shuffled[copied] + rng.normal(0, 0.005, (30, shuffled.shape[1])) * spread])
    truth = np.isin(np.arange(len(every)), np.r_[copied, np.arange(len(points), len(every))])
    found, took = both(every, ("near_duplicate",), seed)
    out: dict[str, Any] = {f"near-copies: {k}": v for k, v in took.items()}
    for name, one in zip(SIDES, found, strict=True):
        m = one["is_near_duplicate"].astype(bool)
        out[f"near-copies, {name}"] = (
            f"recall {m[truth].mean():.2f}, precision {truth[m].mean() if m.any() else 0:.2f}"
        )
    for name, p in (("as it stands", points), ("a shuffle", shuffled)):
        found, took = both(p, ("non_iid",), seed)
        out[f"order, {name}: seen"] = " / ".join("yes" if f["is_non_iid"].any() else "no" for f in found)
        out |= {f"order, {name}: {k}": v for k, v in took.items()}
    return out


def clusters(seed: int) -> np.ndarray:
    """100,000 × 64 numbers with a structure of 200 clusters."""
    rng = np.random.default_rng(seed)
    n, d = LARGE
    centres = rng.normal(size=(200, d)) * 2
    return (centres[rng.integers(0, 200, n)] + rng.normal(size=(n, d))).astype(np.float32)


def large(seed: int) -> dict[str, Any]:
    """Seconds for outliers over 100,000 × 64 numbers."""
    _, took = side("jointset", clusters(seed), ("outlier",), seed)
    return {"processor seconds of one thread": took["seconds"], "peak MiB": took["MiB"]}


def large_both(seed: int) -> dict[str, Any]:
    """The same beside the peer, and near-copies."""
    points, out = clusters(seed), {}
    for kind in ("outlier", "near_duplicate"):
        _, took = both(points, (kind,), seed)
        out |= {f"{kind}: {k}": v for k, v in took.items()}
    return out
