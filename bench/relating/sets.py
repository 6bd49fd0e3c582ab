"""Sets of many tasks for what is asked of measures of relatedness, cut to the rows that short trainings need.

A row is for training, held out or for testing: early stopping watches one half of the held-out rows, gains are read off
the other, and test rows are read once, for what was chosen without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from bench.sharing import sets as shared

EKMAN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
PEOPLE = [c for c in shared.PEOPLE if c not in ("workclass", "sex", "hours_per_week")]
BITS = 17
Rows = tuple[float, int, int]  # most of a dataset: for training (below 1 a share), held out, for testing
WHOLE: Rows = (0.85, 10**9, 10**9)


def sentence_cls(folder: Path, seed: int, rows: Rows) -> None:
    """Eight corpora, a task each."""
    shared.sentence_cls(folder, seed, None)
    _cut(folder, seed, rows)


def fdu_mtl(folder: Path, seed: int, rows: Rows) -> None:
    """Sixteen sites, a task each."""
    shared.fdu_mtl(folder, seed, None)
    _cut(folder, seed, rows)


def tox21(folder: Path, seed: int, rows: Rows) -> None:
    """Twelve assays of the same molecules."""
    shared.molecules(folder, seed, None)
    _cut(folder, seed, rows, "tox21")


def sider(folder: Path, seed: int, rows: Rows) -> None:
    """Twenty-seven kinds of side effects of the same drugs."""
    shared.molecules(folder, seed, None)
    _cut(folder, seed, rows, "sider")


def goemotions(folder: Path, seed: int, rows: Rows) -> None:
    """Seven emotions of the same comments, each a task of its own."""
    shared.goemotions(folder, seed, None)
    frame = pd.read_parquet(folder / "comments.parquet")
    there = frame["ekman7"].str.split(";")
    for place, name in enumerate(EKMAN):
        frame[name] = np.where([f"c{place}" in c for c in there], "yes", "no")
    frame[["split", "text", *EKMAN]].to_parquet(folder / "comments.parquet", index=False)
    tasks = {n: {"kind": "binary", "labels": {"comments": n}, "metric": "auc"} for n in EKMAN}
    _cut(folder, seed, rows, tasks=tasks)


def adult(folder: Path, seed: int, rows: Rows) -> None:
    """Six tasks on one table of people, and what gives them away is no input."""
    shared.adult(folder, seed, None)
    frame = pd.read_parquet(folder / "people.parquet")
    frame["man"] = np.where(frame["sex"].str.strip() == "Male", "yes", "no")
    frame["public"] = np.where(frame["workclass"].fillna("").str.contains("gov"), "yes", "no")
    frame["full"] = np.where(frame["hours_per_week"] >= 40, "yes", "no")
    names = ["rich", "single", "college", "man", "public", "full"]
    frame[["split", *PEOPLE, *names]].to_parquet(folder / "people.parquet", index=False)
    tasks = {n: {"kind": "binary", "labels": {"people": n}, "metric": "auc"} for n in names}
    _cut(folder, seed, rows, tasks=tasks, inputs={"tabular": PEOPLE})


def _cut(
    folder: Path,
    seed: int,
    rows: Rows,
    only: str = "",
    *,
    tasks: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Write ``jointset.yaml`` and the tables of what is kept: one dataset or all, at most ``rows`` of each."""
    settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8"))
    if only:
        settings["datasets"] = {only: settings["datasets"][only]}
        settings["tasks"] = {n: t for n, t in settings["tasks"].items() if only in t["labels"]}
    settings["tasks"] = dict(tasks) if tasks else settings["tasks"]
    for name, dataset in settings["datasets"].items():
        frame = pd.read_parquet(folder / f"{name}.parquet")
        test = (frame["split"] == "test").to_numpy()
        rng = np.random.default_rng(seed)
        drawn = rng.permutation(np.flatnonzero(~test))
        trained = int(rows[0] if rows[0] >= 1 else rows[0] * len(drawn))
        frame.loc[frame.index[drawn], "split"] = "holdout"
        frame.loc[frame.index[drawn[:trained]], "split"] = "train"
        kept = [drawn[: trained + rows[1]], rng.permutation(np.flatnonzero(test))[: rows[2]]]
        frame = frame.iloc[np.sort(np.concatenate(kept))]
        if "label" in frame:  # a class that is not trained on cannot be told
            known = frame.loc[frame["split"] == "train", "label"].value_counts()
            frame = frame[frame["label"].isin(known.index[known > 1])]
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        dataset["split"] = {"column": "split"}
        dataset["inputs"] = dict(inputs) if inputs else dataset["inputs"]
    whole = {**settings, "name": folder.name, "seed": seed}
    if rows[0] >= 1 and any("text" in d["inputs"] for d in settings["datasets"].values()):
        model = settings.get(
            "model", {}
        )  # the usual table of 2^20 rows takes most of so short a training's time
        whole["model"] = {**model, "text": {**model.get("text", {"encoder": "bag"}), "bits": BITS}}
    (folder / "jointset.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")


SETS: dict[str, tuple[Callable[[Path, int, Rows], None], Rows]] = {
    "sentence_cls": (sentence_cls, (300, 1000, 600)),
    "tox21": (tox21, (1000, 3000, 1600)),
    "adult": (adult, (400, 3000, 3000)),
    "fdu_mtl": (fdu_mtl, (250, 600, 400)),
    "sider": (sider, (500, 640, 300)),
    "goemotions": (goemotions, (1000, 3000, 3000)),
}


def made(work: Path, name: str, seed: int, rows: Rows | None = None) -> Path:
    """The folder of a set, written when it is not there."""
    maker, usual = SETS[name]
    most = rows or usual
    folder = work / f"{name}-{seed}-{most[0]}"
    if not (folder / "jointset.yaml").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        maker(folder, seed, most)
    return folder
