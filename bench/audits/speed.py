"""Seconds and memory on large arrays, every measurement in a fresh process on the same files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.audits.context import Context
from bench.audits.handover import answered
from bench.audits.rows import ABSENT, row
from bench.table import Row
from jointset import audit

ROOT = Path(__file__).resolve().parents[2]
ROWS, WIDTHS = 1_000_000, (10, 100)
MAPPED = (200_000, 5_000)
CHUNK = 1 << 24  # entries written at a time
GIGABYTE = 1e9


def write(folder: Path, n: int, k: int, seed: int) -> None:
    """A fifth of the labels wrong, and probabilities ``(n, k) float32`` that are right for three rows of four."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    given = np.where(rng.random(n) < 0.2, rng.integers(0, k, n), truth)
    guess = np.where(rng.random(n) < 0.25, rng.integers(0, k, n), truth)
    np.save(folder / "labels.npy", given)
    probs = np.lib.format.open_memmap(folder / "probs.npy", "w+", np.float32, (n, k))
    step = max(CHUNK // k, 1)
    for start in range(0, n, step):
        part = rng.random((min(step, n - start), k), np.float32)
        rows = np.arange(len(part))
        part[rows, guess[start : start + step]] += k * rng.random(len(part), np.float32)
        probs[start : start + step] = part / part.sum(axis=1, keepdims=True)
    probs.flush()


def run(what: str, folder: Path) -> dict[str, float]:
    """Our side's measurement on a folder's arrays, or why there is none."""
    line = [sys.executable, "-m", "bench.audits.worker", what, str(folder)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return _answer(folder / "answer.npz")


def measure(seed: int, context: Context) -> dict[str, Any]:
    """A million rows at both widths: the whole audit, the scores alone, and the peer's two paths."""
    found: dict[str, Any] = {}
    for k in WIDTHS:
        folder = context.work / "speed" / f"{k}-{seed}"
        try:
            write(folder, ROWS, k, seed)
            found[str(k)] = {"ours": run("full", folder), "scores": None, "peer": None, "batched": None}
            if hasattr(audit, "label_quality"):
                found[str(k)]["scores"] = run("scores", folder)
            if context.peer:
                for name, asked in (("peer", "speed"), ("batched", "speed_batched")):
                    found[str(k)][name] = _answer(answered(context.peer, folder, asked))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def measure_map(seed: int, context: Context) -> dict[str, Any]:
    """200,000 × 5,000 from a file of 4 GB; the peer is documented to need more than 50 GB, and is not run."""
    folder = context.work / "speed" / "map"
    try:
        write(folder, *MAPPED, seed)
        return run("memory-map", folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answer(file: Path) -> dict[str, float]:
    with np.load(file) as stored:
        return {key: float(value) for key, value in stored.items()}


def _memory(found: dict[str, float]) -> float:
    return (found["peak"] + found["children"]) / GIGABYTE


def rows(raws: list[Any]) -> list[Row]:
    """Seconds, memory and the scores alone, width by width."""
    return [r for k in map(str, WIDTHS) for r in one([raw[k] for raw in raws], f"1,000,000 × {k}")]


def one(raws: list[Any], name: str) -> list[Row]:
    """The rows of one width; every claim is against the peer's figure of the same run."""
    found = []
    for what, target, who, against, value, part in (
        ("whole audit, seconds", "≤ default", "ours", "peer", lambda f: f["seconds"], 1.0),
        ("whole audit, peak memory, GB", "≤ half of default", "ours", "peer", _memory, 0.5),
        ("scores alone, seconds", "≤ batched", "scores", "batched", lambda f: f["seconds"], 1.0),
    ):
        if raws[0][who] is None:
            continue
        beside = [value(raw[against]) for raw in raws if raw[against]]
        limit = part * sum(beside) / len(beside) if beside else None
        found.append(
            row(
                f"{name}: {what}",
                target,
                [value(raw[who]) for raw in raws],
                (lambda v, m=limit: v <= m) if limit is not None else None,
                peers=f"{sum(beside) / len(beside):.2f}" if beside else ABSENT,
                form=".2f",
                scale=1,
            )
        )
    return found


def rows_map(raws: list[Any]) -> list[Row]:
    """Memory of our own; pages of the mapped file are the system's and are given beside it."""
    found = raws[0]
    return [
        row(
            "200,000 × 5,000 from a memory map: own memory, GB",
            "< 4",
            [found["anonymous"] / GIGABYTE],
            lambda v: v < 4,
            peers="not run: needs more than 50 GB",
            form=".2f",
            scale=1,
            note=f"{found['seconds']:.0f} s; with pages of the file {found['peak'] / GIGABYTE:.1f}",
        )
    ]
