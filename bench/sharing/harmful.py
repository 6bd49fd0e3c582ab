"""Sets in which joint training may do harm: unlike wines, a task of random labels, a copy of a task, molecules of
unlike sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from bench.datasets import data_file
from bench.sharing.sets import COLLEGE, PEOPLE, molecules, write_set

TEST = 0.2


def wine(folder: Path, seed: int, rows: int | None) -> None:
    """Quality of red and of white wine: the same columns, a dataset and a task each; copies are left out."""
    frame = pd.read_parquet(data_file("wine", "wine.parquet")).drop_duplicates()
    rng = np.random.default_rng(seed)
    columns = [c for c in frame.columns if c not in ("quality", "color")]
    tables = {
        str(colour): part.assign(split=np.where(rng.random(len(part)) < TEST, "test", "train"))
        for colour, part in frame.groupby("color")
    }
    tasks = {n: {"kind": "regression", "labels": {n: "quality"}, "metric": "r2"} for n in tables}
    write_set(folder, tables, {n: {"tabular": columns} for n in tables}, tasks, seed, rows)


def strangers(folder: Path, seed: int, rows: int | None) -> None:
    """Income of people, with a task of random labels and a copy of the income beside it."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    rng = np.random.default_rng(seed)
    frame["rich"] = frame["income"].str.strip()
    frame["again"] = frame["rich"]
    frame["college"] = np.where(frame["education"].str.strip().isin(COLLEGE), "yes", "no")
    frame["random"] = rng.choice(["a", "b", "c", "d"], len(frame))
    names = ["rich", "again", "college", "random"]
    kinds = dict.fromkeys(names, "binary") | {"random": "multiclass"}
    tasks = {n: {"kind": kinds[n], "labels": {"people": n}, "metric": "auc"} for n in names}
    table = frame[["split", *PEOPLE, *names]]
    write_set(folder, {"people": table}, {"people": {"tabular": PEOPLE}}, tasks, seed, rows)


def opinions(folder: Path, seed: int, rows: int | None) -> None:
    """Two corpora of opinions; beside them a copy of the first's task, and random labels of the second's sentences."""
    frame = pd.read_parquet(data_file("sentence_cls", "sentence_cls.parquet"))
    rng = np.random.default_rng(seed)
    tables = {}
    for name in ("MR", "CR"):
        part = frame[frame["task"] == name]
        split = np.where(rng.random(len(part)) < TEST, "test", "train")
        tables[name] = pd.DataFrame(
            {"text": part["text"], "label": part["label"].astype(str), "split": split}
        )
    tables["MR"]["again"] = "label " + tables["MR"]["label"]
    tables["CR"]["random"] = rng.choice(["a", "b"], len(tables["CR"]))
    labels = {
        "MR": ("MR", "label"),
        "CR": ("CR", "label"),
        "copy": ("MR", "again"),
        "random": ("CR", "random"),
    }
    tasks = {t: {"kind": "binary", "labels": {d: c}, "metric": "accuracy"} for t, (d, c) in labels.items()}
    write_set(folder, tables, {n: {"text": "text"} for n in tables}, tasks, seed, rows)


def poisons(folder: Path, seed: int, rows: int | None) -> None:
    """The two assays of clintox, whose molecules tell their source, joined to the twelve of tox21."""
    molecules(folder, seed, rows, only=("tox21", "clintox"))


SETS: dict[str, Callable[[Path, int, int | None], None]] = {
    "wine": wine, "strangers": strangers, "opinions": opinions, "poisons": poisons,
}  # fmt: skip
