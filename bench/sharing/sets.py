"""Real multi-task sets as the files and the configuration that a user could have written, nothing damaged.

Test rows are given; the holdout is drawn, or is the set's own. No test row has a copy of its inputs in any train part.
``rows`` keeps at most so many training and held-out rows of each file, for a quick look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bench.datasets import data_file

TEST = 0.2
HOLDOUT = 0.15
SMILES = {"encoder": "bag", "words": 0, "chars": [1, 6], "inside_words": False, "lower": False}
IMAGE = {"widths": [8, 16]}  # a sixteenth of the default's work, so that a variant takes a minute
PEOPLE = [
    "age", "workclass", "fnlwgt", "occupation", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country",
]  # fmt: skip
COLLEGE = ("Bachelors", "Masters", "Doctorate", "Prof-school")
BANDS, FRAMES, RATE = 32, 32, 8000


def fdu_mtl(folder: Path, seed: int, rows: int | None) -> None:
    """Sixteen review sites, each a task of its own."""
    frame = pd.read_parquet(data_file("fdu_mtl", "labelled.parquet"))
    train = frame["split"] == "train"
    frame = frame[train | ~frame["text"].isin(set(frame.loc[train, "text"]))]
    frame["sentiment"] = np.array(["negative", "positive"], object)[frame["label"]]
    tables = {str(n): part[["split", "text", "sentiment"]] for n, part in frame.groupby("domain")}
    tasks = {n: _task("binary", {n: "sentiment"}, "accuracy") for n in tables}
    write_set(folder, tables, {n: {"text": "text"} for n in tables}, tasks, seed, rows)


def sentence_cls(folder: Path, seed: int, rows: int | None) -> None:
    """Eight corpora of sentences, each a task; test sentences that stand in another corpus' train part are left out."""
    frame = pd.read_parquet(data_file("sentence_cls", "sentence_cls.parquet"))
    rng = np.random.default_rng(seed)
    text = frame["text"].str.lower().str.split().str.join(" ")
    drawn = pd.Series(np.where(rng.random(len(frame)) < TEST, "test", "train"), frame.index)
    frame["split"] = frame["split"].where(frame["split"] != "all", drawn).replace({"val": "holdout"})
    seen = set(text[frame["split"] == "train"])
    frame = frame[(frame["split"] == "train") | ~text.isin(seen)]
    frame["label"] = frame["label"].astype(str)
    tables = {str(n): part[["split", "text", "label"]] for n, part in frame.groupby("task")}
    kinds = {n: "binary" if t["label"].nunique() == 2 else "multiclass" for n, t in tables.items()}
    tasks = {n: _task(kinds[n], {n: "label"}, "accuracy") for n in tables}
    write_set(folder, tables, {n: {"text": "text"} for n in tables}, tasks, seed, rows)


def goemotions(folder: Path, seed: int, rows: int | None) -> None:
    """Comments with three grids of emotions."""
    frame = pd.read_parquet(data_file("goemotions", "goemotions.parquet"))
    names = ["emotion28", "ekman7", "sentiment4"]
    frame["split"] = frame["split"].replace({"dev": "holdout"})
    frame = frame[
        (frame["split"] == "train") | ~frame["text"].isin(set(frame.loc[frame["split"] == "train", "text"]))
    ]
    for name in names:
        frame[name] = [";".join(f"c{i}" for i in labels) for labels in frame[name]]
    tasks = {n: {**_task("multilabel", {"comments": n}, "auc"), "separator": ";"} for n in names}
    write_set(
        folder,
        {"comments": frame[["split", "text", *names]]},
        {"comments": {"text": "text"}},
        tasks,
        seed,
        rows,
    )


def molecules(
    folder: Path, seed: int, rows: int | None, *, only: Sequence[str] = ("tox21", "sider", "clintox")
) -> None:
    """Three tables of molecules with 12, 27 and 2 assays; a molecule falls into one side in all of them."""
    frames = {n: pd.read_parquet(data_file("molecules", f"{n}.parquet")) for n in only}
    every = np.unique(np.concatenate([f["smiles"].to_numpy(str) for f in frames.values()]))
    test = set(every[np.random.default_rng(seed).random(len(every)) < TEST])
    tables, tasks = {}, {}
    for name, frame in frames.items():
        assays = [c for c in frame.columns if c not in ("mol_id", "smiles")]
        short = {a: f"{name}-{i:02d}" for i, a in enumerate(assays)}
        split = np.where(frame["smiles"].isin(test), "test", "train")
        tables[name] = frame[["smiles", *assays]].rename(columns=short).assign(split=split)
        tasks |= {s: _task("binary", {name: s}, "auc") for s in short.values()}
    model = {"text": SMILES, "depth": 1}
    training = {"sparse_learning_rate": 0.002}
    inputs = {n: {"text": "smiles"} for n in tables}
    write_set(folder, tables, inputs, tasks, seed, rows, model=model, training=training)


def adult(folder: Path, seed: int, rows: int | None) -> None:
    """One table of people; what gives marriage or schooling away is no input."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    frame["rich"] = frame["income"].str.strip()
    frame["single"] = np.where(frame["marital_status"].str.strip() == "Never-married", "yes", "no")
    frame["college"] = np.where(frame["education"].str.strip().isin(COLLEGE), "yes", "no")
    names = ["rich", "single", "college"]
    tasks = {n: _task("binary", {"people": n}, "auc") for n in names}
    table = frame[["split", *PEOPLE, *names]]
    write_set(folder, {"people": table}, {"people": {"tabular": PEOPLE}}, tasks, seed, rows)


def fsdd(folder: Path, seed: int, rows: int | None) -> None:
    """Spoken digits as pictures of their spectrum; digit and speaker."""
    frame = pd.read_parquet(data_file("fsdd", "fsdd.parquet"))
    pixels = np.stack([spectrum(np.frombuffer(b, "<i2")) for b in frame["pcm16"]])
    table = _images(
        pixels, frame["split"], {"digit": frame["digit"].astype(str), "speaker": frame["speaker"]}
    )
    tasks = {n: _task("multiclass", {"sounds": n}, "accuracy") for n in ("digit", "speaker")}
    write_set(
        folder, {"sounds": table}, {"sounds": {"image": "image"}}, tasks, seed, rows, model={"image": IMAGE}
    )


def mnist10k(folder: Path, seed: int, rows: int | None) -> None:
    """Written digits; digit and writer, of 297; with fewer rows fewer writers, as each needs some."""
    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    if rows is not None:
        order = np.random.default_rng(seed).permutation(frame["writer"].unique())
        before = frame["writer"].value_counts()[order].cumsum().shift(fill_value=0)
        frame = frame[frame["writer"].isin(before.index[before < rows])]
    pixels = np.stack([np.frombuffer(b, np.uint8) for b in frame["px28"]])
    split = np.where(np.random.default_rng(seed).random(len(frame)) < TEST, "test", "train")
    labels = {n: frame[n].astype(str) for n in ("digit", "writer")}
    table = _images(pixels.reshape(-1, 28, 28), pd.Series(split), labels)
    tasks = {n: _task("multiclass", {"digits": n}, "accuracy") for n in labels}
    write_set(
        folder, {"digits": table}, {"digits": {"image": "image"}}, tasks, seed, rows, model={"image": IMAGE}
    )


def spectrum(samples: np.ndarray) -> np.ndarray:
    """A sound as ``(BANDS, FRAMES) uint8``: log power in bands of the mel scale, the whole stretched to one length."""
    size = 256
    padded = np.pad(samples.astype(np.float64) / 32768, (0, max(0, size - len(samples))))
    starts = np.linspace(0, len(padded) - size, FRAMES).astype(int)
    power = np.abs(np.fft.rfft(padded[starts[:, None] + np.arange(size)] * np.hanning(size))) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 1)
    edges = np.round(700 * (10 ** (mel / 2595) - 1) / (RATE / 2) * (size // 2)).astype(int)
    bands = [power[:, a : max(b, a + 1)].mean(1) for a, b in pairwise(edges)]
    level = np.log(np.stack(bands) + 1e-8)
    return np.round(255 * (level - level.min()) / max(np.ptp(level), 1e-9)).astype(np.uint8)


def _images(pixels: np.ndarray, split: Any, labels: Mapping[str, Any]) -> pa.Table:
    height, width = pixels.shape[1:]
    size = height * width
    field = pa.field("image", pa.list_(pa.uint8(), size), metadata={"jointset.shape": f"{height},{width}"})
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(pixels).ravel()), size)
    texts = {"split": split, **labels}
    fields = [field, *(pa.field(name, pa.string()) for name in texts)]
    return pa.table(
        [column, *(pa.array(list(values), pa.string()) for values in texts.values())],
        schema=pa.schema(fields),
    )


def _task(kind: str, labels: Mapping[str, str], metric: str) -> dict[str, Any]:
    return {"kind": kind, "labels": dict(labels), "metric": metric}


def write_set(
    folder: Path,
    tables: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, Any]],
    tasks: Mapping[str, Any],
    seed: int,
    rows: int | None,
    **config: Any,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(fewer(table, rows, seed), folder / f"{name}.parquet")
    datasets = {
        n: {
            "path": f"{n}.parquet",
            "inputs": dict(inputs[n]),
            "split": {"column": "split", "holdout": HOLDOUT},
        }
        for n in tables
    }
    settings = {"datasets": datasets, "tasks": dict(tasks), **config, "improve": {"rounds": 0}, "seed": seed}
    (folder / "set.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def fewer(table: pa.Table, rows: int | None, seed: int) -> pa.Table:
    """At most ``rows`` of the training rows and of the held-out rows, at random, and all test rows.

    A class that is left with a single row goes: neither the library nor a comparison can do anything with it.
    """
    if rows is None:
        return table
    split, rng = np.array(table.column("split").to_pylist()), np.random.default_rng(seed)
    gone = [rng.permutation(np.flatnonzero(split == side))[rows:] for side in ("train", "holdout")]
    table = table.take(np.setdiff1d(np.arange(table.num_rows), np.concatenate(gone)))
    if "label" not in table.column_names:
        return table
    label = pd.Series(table.column("label").to_pylist())
    return table.filter(pa.array((label.groupby(label).transform("size") > 1).to_numpy()))


SETS: dict[str, Callable[[Path, int, int | None], None]] = {
    "adult": adult,
    "mnist10k": mnist10k,
    "fsdd": fsdd,
    "molecules": molecules,
    "goemotions": goemotions,
    "sentence_cls": sentence_cls,
    "fdu_mtl": fdu_mtl,
}
