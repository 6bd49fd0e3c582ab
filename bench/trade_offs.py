"""Real sets whose tasks compete for one small model, as files and a configuration; for ``bench/weight_search.py``.

Sizes are cut and trainings kept short, so that a trial takes seconds. The split into training, holdout and test rows
is drawn with the seed; no label is damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bench.datasets import data_file

HOLDOUT, TEST = 0.2, 0.3
PEOPLE = ["age", "workclass", "occupation", "race", "sex", "capital_gain", "capital_loss", "hours_per_week"]


def adult(folder: Path, seed: int) -> None:
    """Income, marital status and education of 8,000 people: same input, three losses."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet")).sample(8000, random_state=seed)
    tasks = {"income": "binary", "marital_status": "multiclass", "education": "multiclass"}
    _write(
        folder,
        {"people": (frame[[*PEOPLE, *tasks]], {"tabular": PEOPLE})},
        {n: {"kind": kind, "labels": {"people": n}} for n, kind in tasks.items()},
        seed,
        model={"width": 32},
        training={"epochs": 20},
    )


def mnist(folder: Path, seed: int) -> None:
    """Digit and writer of 3,000 images by 30 people, at half the resolution: same input, two losses that pull apart."""
    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    busy = frame["writer"].value_counts(sort=True).index[:30]
    frame = frame[frame["writer"].isin(busy)].groupby("writer").sample(100, random_state=seed)
    pixels = np.stack([np.frombuffer(b, np.uint8) for b in frame["px28"]]).reshape(-1, 14, 2, 14, 2)
    small = pixels.mean((2, 4)).round().astype(np.uint8).reshape(len(frame), 196)
    shape = pa.field("image", pa.list_(pa.uint8(), 196), metadata={"jointset.shape": "14,14"})
    columns = {
        "image": pa.FixedSizeListArray.from_arrays(pa.array(small.ravel()), 196),
        "digit": pa.array(frame["digit"].astype(str)),
        "writer": pa.array("w" + frame["writer"].astype(str)),
    }
    fields = [shape if n == "image" else pa.field(n, pa.string()) for n in columns]
    table = pa.table(list(columns.values()), schema=pa.schema(fields))
    _write(
        folder,
        {"images": (table, {"image": "image"})},
        {n: {"kind": "multiclass", "labels": {"images": n}} for n in ("digit", "writer")},
        seed,
        model={"width": 64, "image": {"widths": [8, 16]}},
        training={"epochs": 20},
    )


def student(folder: Path, seed: int) -> None:
    """Three grades of pupils in two subjects: two small datasets, three regressions."""
    frame = pd.read_parquet(data_file("student", "student.parquet"))
    grades = ["G1", "G2", "G3"]
    inputs = [c for c in frame.columns if c not in (*grades, "subject")]
    datasets: dict[str, tuple[Any, dict[str, Any]]] = {
        str(name): (part.drop(columns="subject"), {"tabular": inputs})
        for name, part in frame.groupby("subject")
    }
    tasks = {g: {"kind": "regression", "labels": dict.fromkeys(datasets, g)} for g in grades}
    _write(folder, datasets, tasks, seed, model={"width": 32})


def molecules(folder: Path, seed: int) -> None:
    """One assay of tox21, one of clintox and the solubility of delaney: different inputs, different losses."""
    parts = {
        "tox21": (["SR-ARE"], ["assay"], "binary"),
        "clintox": (["CT_TOX"], ["trial"], "binary"),
        "delaney": (["measured log solubility in mols per litre"], ["solubility"], "regression"),
    }
    datasets: dict[str, tuple[Any, dict[str, Any]]] = {}
    tasks: dict[str, Any] = {}
    for name, (columns, names, kind) in parts.items():
        frame = pd.read_parquet(data_file("molecules", f"{name}.parquet"))
        frame = frame.dropna(subset=columns).rename(columns=dict(zip(columns, names, strict=True)))
        frame = frame.sample(min(len(frame), 3000), random_state=seed)
        datasets[name] = (frame[["smiles", *names]], {"text": "smiles"})
        tasks |= {n: {"kind": kind, "labels": {name: n}} for n in names}
    text = {"encoder": "bag", "words": 0, "chars": [1, 4], "inside_words": False, "lower": False, "bits": 14}
    _write(folder, datasets, tasks, seed, model={"text": text, "depth": 1, "width": 32})


def sentences(folder: Path, seed: int) -> None:
    """Polarity, five grades, subjectivity and kind of question, 2,000 sentences each: a dataset for every task."""
    frame = pd.read_parquet(data_file("sentence_cls", "sentence_cls.parquet"))
    names = {"MR": "polarity", "SST5": "grade", "SUBJ": "subjective", "TREC_coarse": "question"}
    datasets: dict[str, tuple[Any, dict[str, Any]]] = {}
    tasks = {}
    for source, task in names.items():
        part = frame[frame["task"] == source].drop_duplicates("text").sample(2000, random_state=seed)
        part = part.assign(**{task: "c" + part["label"].astype(str)})
        datasets[source] = (part[["text", task]], {"text": "text"})
        kind = "binary" if part[task].nunique() == 2 else "multiclass"
        tasks[task] = {"kind": kind, "labels": {source: task}}
    text = {"encoder": "bag", "bits": 14}
    training = {"sparse_learning_rate": 0.005}  # with 5e-4 the epochs run out before anything is learnt
    _write(folder, datasets, tasks, seed, model={"text": text, "width": 16}, training=training)


def _write(
    folder: Path,
    datasets: Mapping[str, tuple[Any, Mapping[str, Any]]],
    tasks: Mapping[str, Any],
    seed: int,
    **settings: Any,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for name, (table, inputs) in datasets.items():
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(table, folder / f"{name}.parquet")
        split = {"holdout": HOLDOUT, "test": TEST}
        described[name] = {"path": f"{name}.parquet", "inputs": dict(inputs), "split": split}
    config = {"datasets": described, "tasks": dict(tasks), "improve": {"rounds": 0}, **settings, "seed": seed}
    (folder / "jointset.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


SETS: dict[str, Callable[[Path, int], None]] = {
    "adult": adult,
    "mnist10k": mnist,
    "student": student,
    "molecules": molecules,
    "sentences": sentences,
}
