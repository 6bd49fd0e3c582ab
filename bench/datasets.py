"""Real sets as the files and the configuration that a user could have written, with damage done on purpose.

Every function writes Parquet files, ``jointset.yaml`` and ``truth.parquet`` into a folder. The truth (columns
dataset, id, task, truth, and what else the scoring needs) is never named by the configuration.

    python -m bench.datasets fdu_mtl-flip20 some/folder --seed 0
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
IMPROVE = {"rounds": 2, "precision": 0.9}
HOLDOUT = 0.15
FDU_HOLDOUT = 0.1  # of 25,380 rows
DIGIT_NOISE, DIGIT_WITHHELD, DIGIT_TEST = 0.2, 0.3, 0.25
STROKES = ("loop", "line", "curve")
STROKE_OF = np.array([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])
DIGIT_GRIDS: dict[str, dict[str, tuple[str, ...]]] = {
    "mixed": {"bank": ("digit", "parity"), "post": ("stroke", "digit"), "school": ("parity", "stroke")},
    "single": {"bank": ("digit",), "post": ("stroke",), "school": ("parity",)},
    "all": dict.fromkeys(("bank", "post", "school"), ("digit", "stroke", "parity")),
}
TOX_WITHHELD, TOX_TEST = 0.2, 0.2


def data_file(*parts: str) -> Path:
    """A file of the data folder; exits with one clear line when it is absent."""
    folder = Path(os.environ.get("JOINTSET_DATA", ROOT.parent / "shared" / "data"))
    path = folder.joinpath(*parts)
    if not path.is_file():
        sys.exit(f"{path}: no such file; set JOINTSET_DATA to the folder that holds {parts[0]}/")
    return path


def fdu_mtl(folder: Path, seed: int, damage: str = "none") -> None:
    """Sixteen review sites and one sentiment task; ``damage`` is none, flip20 or positives30."""
    frame = pd.read_parquet(data_file("fdu_mtl", "labelled.parquet"))
    train = frame["split"] == "train"
    frame = frame[train | ~frame["text"].isin(set(frame.loc[train, "text"]))].reset_index(drop=True)
    rng = np.random.default_rng(seed)
    draw, train = rng.random(len(frame)), (frame["split"] == "train").to_numpy()
    truth = frame["label"].to_numpy()
    damages = {
        "none": np.zeros(len(frame), bool),
        "flip20": train & (draw < 0.2),
        "positives30": train & (truth == 1) & (draw < 0.3),
    }
    names = np.array(["negative", "positive"], object)
    frame["sentiment"], frame["truth"] = names[np.where(damages[damage], 1 - truth, truth)], names[truth]
    frame["id"] = [f"{d}-{i:05d}" for d, i in zip(frame["domain"], frame.index, strict=True)]
    tables = {str(name): part[["id", "split", "text", "sentiment"]] for name, part in frame.groupby("domain")}
    _write(
        folder,
        tables,
        _truth(frame["domain"], frame["id"], "sentiment", frame["truth"]),
        name="fdu",
        datasets={n: _dataset(n, {"text": "text"}, split="split", holdout=FDU_HOLDOUT) for n in tables},
        tasks={"sentiment": {"kind": "binary", "labels": dict.fromkeys(tables, "sentiment")}},
        seed=seed,
    )


def digits(folder: Path, seed: int, grid: str = "mixed") -> None:
    """Three datasets of digit images; ``grid`` says who labels what; a fifth wrong, three tenths withheld."""
    from sklearn.datasets import load_digits

    source, labels = load_digits(), DIGIT_GRIDS[grid]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(source.target))
    digit = source.target[order]
    pixels = np.round(source.data[order] * (255 / 16)).astype(np.uint8)  # (n, 64)
    truth = {"digit": digit, "stroke": STROKE_OF[digit], "parity": digit % 2}
    names = {"digit": [str(d) for d in range(10)], "stroke": list(STROKES), "parity": ["even", "odd"]}
    shape = pa.field("image", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "8,8"})
    tables, answers = {}, []
    for part, (name, tasks) in zip(
        np.array_split(np.arange(len(order)), len(labels)), labels.items(), strict=True
    ):
        ids = pa.array([f"{name}-{i:04d}" for i in range(len(part))])
        training = rng.random(len(part)) >= DIGIT_TEST
        split = pa.array(np.where(training, "train", "test").astype(object), pa.string())
        columns: dict[str, Any] = {"id": ids, "split": split}
        columns["image"] = pa.FixedSizeListArray.from_arrays(pa.array(pixels[part].ravel()), 64)
        for task in tasks:
            right = truth[task][part]
            given = damaged(right, len(names[task]), training, rng)
            columns[task] = pa.array([names[task][g] if g >= 0 else None for g in given], pa.string())
            answers.append(_truth(name, ids.to_pylist(), task, [names[task][t] for t in right]))
        fields = [shape if c == "image" else pa.field(c, pa.string()) for c in columns]
        tables[name] = pa.table(columns, schema=pa.schema(fields))
    kinds = {"digit": "multiclass", "stroke": "multiclass", "parity": "binary"}
    _write(
        folder,
        tables,
        pd.concat(answers),
        name="digits",
        datasets={n: _dataset(n, {"image": "image"}, split="split") for n in labels},
        tasks={
            t: {"kind": kind, "labels": {n: t for n, own in labels.items() if t in own}}
            for t, kind in kinds.items()
        },
        seed=seed,
    )


def damaged(
    truth: NDArray[Any], classes: int, training: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[Any]:
    """Training labels with a fifth moved to another class, and three tenths missing (-1)."""
    moved = (truth + rng.integers(1, classes, len(truth))) % classes
    given = np.where(training & (rng.random(len(truth)) < DIGIT_NOISE), moved, truth)
    return np.where(training & (rng.random(len(truth)) < DIGIT_WITHHELD), -1, given)


def tox21(folder: Path, seed: int) -> None:
    """Twelve assays on one table of molecules; a further fifth of the training labels withheld.

    A molecule that stands in several rows falls into one side of the split.
    """
    frame = pd.read_parquet(data_file("molecules", "tox21.parquet"))
    assays = [c for c in frame.columns if c not in ("mol_id", "smiles")]
    rng = np.random.default_rng(seed)
    molecule = pd.factorize(frame["smiles"])[0]
    test = (rng.random(molecule.max() + 1) < TOX_TEST)[molecule]
    table = frame[["mol_id", "smiles"]].assign(split=np.where(test, "test", "train"))
    answers = []
    for assay in assays:
        known = frame[assay].notna().to_numpy()
        withheld = known & ~test & (rng.random(len(frame)) < TOX_WITHHELD)
        table[assay] = frame[assay].mask(withheld)
        right = frame.loc[known, assay].astype(int).astype(str)
        answers.append(_truth("tox21", frame.loc[known, "mol_id"], assay, right))
    _write(
        folder,
        {"tox21": table},
        pd.concat(answers),
        name="tox21",
        datasets={"tox21": _dataset("tox21", {"text": "smiles"}, id="mol_id", split="split")},
        tasks={a: {"kind": "binary", "labels": {"tox21": a}, "metric": "auc"} for a in assays},
        # the trunk's depth and the rate were chosen on the holdout, as a user would
        model={
            "text": {"encoder": "bag", "words": 0, "chars": [1, 6], "inside_words": False, "lower": False},
            "depth": 1,
        },
        training={"sparse_learning_rate": 0.002},
        improve={**IMPROVE, "fixes": ["fill"]},
        seed=seed,
    )


def youtube_spam(folder: Path, seed: int, by_video: bool = False) -> None:
    """Comments labelled by the majority of ten rules; ties and comments without a vote have no label.

    The given split is dropped: a user has nothing better than votes in any part of it.
    """
    frame = pd.read_parquet(data_file("youtube_spam", "youtube.parquet"))
    votes = np.stack(frame["weak_labels"].to_list())  # (n, 10), -1 = abstains
    lead = (votes == 1).sum(1) - (votes == 0).sum(1)
    names = np.array(["ham", "spam"], object)
    frame["spam"] = np.where(lead == 0, None, names[(lead > 0).astype(int)])
    frame["id"] = [f"comment-{i:04d}" for i in range(len(frame))]
    frame["dataset"] = frame["video"].str.partition("-")[2] if by_video else "comments"
    answer = _truth(frame["dataset"], frame["id"], "spam", names[frame["label"].to_numpy()])
    answer["voted"] = (votes >= 0).any(1)
    tables = {str(name): part[["id", "text", "spam"]] for name, part in frame.groupby("dataset")}
    _write(
        folder,
        tables,
        answer,
        name="youtube",
        datasets={n: _dataset(n, {"text": "text"}) for n in tables},
        tasks={"spam": {"kind": "binary", "labels": dict.fromkeys(tables, "spam")}},
        seed=seed,
    )


def spoken_written(folder: Path, seed: int) -> None:
    """Recordings and scans of digits, one task; a fifth of the training labels wrong, three tenths withheld."""
    from bench.modal import sets

    rng, tables, answers = np.random.default_rng(seed), {}, []
    for name, table in (("spoken", sets.spoken(seed)), ("written", sets.written(seed))):
        truth = np.array(table["digit"].to_pylist(), object)
        training = np.array(table["split"].to_pylist()) != "test"
        given = damaged(truth.astype(int), 10, training, rng)
        ids = [f"{name}-{i:04d}" for i in range(len(truth))]
        input_ = table.schema.field({"spoken": "audio", "written": "image"}[name])
        columns = {
            "id": pa.array(ids),
            input_.name: table[input_.name],
            "digit": pa.array([str(g) if g >= 0 else None for g in given], pa.string()),
            "split": pa.array(np.where(training, "train", "test").tolist()),
        }
        fields = [input_ if c == input_.name else pa.field(c, pa.string()) for c in columns]
        tables[name] = pa.table(columns, schema=pa.schema(fields))
        answers.append(_truth(name, ids, "digit", truth))
    _write(
        folder,
        tables,
        pd.concat(answers),
        name="cross-modal",
        datasets={
            n: _dataset(n, {m: m}, split="split") for n, m in (("spoken", "audio"), ("written", "image"))
        },
        tasks={"digit": {"kind": "multiclass", "labels": dict.fromkeys(tables, "digit")}},
        model={"image": {"widths": [16, 32]}},
        seed=seed,
    )


def _dataset(
    name: str,
    inputs: Mapping[str, str],
    *,
    id: str = "id",
    split: str | None = None,
    holdout: float = HOLDOUT,
) -> dict[str, Any]:
    settings = {"holdout": holdout} if split is None else {"column": split, "holdout": holdout}
    return {"path": f"{name}.parquet", "inputs": dict(inputs), "id": id, "split": settings}


def _truth(dataset: Any, ids: Any, task: str, truth: Any) -> pd.DataFrame:
    columns = {"dataset": dataset, "id": ids, "task": task, "truth": truth}
    return pd.DataFrame({k: v if isinstance(v, str) else np.asarray(v, object) for k, v in columns.items()})


def _write(folder: Path, tables: Mapping[str, Any], truth: pd.DataFrame, *, seed: int, **config: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(table, folder / f"{name}.parquet")
    pq.write_table(pa.Table.from_pandas(truth, preserve_index=False), folder / "truth.parquet")
    text = yaml.safe_dump({"improve": IMPROVE, **config, "seed": seed}, sort_keys=False)
    (folder / "jointset.yaml").write_text(text, encoding="utf-8")


SETS: dict[str, Callable[[Path, int], None]] = {
    **{f"fdu_mtl-{d}": partial(fdu_mtl, damage=d) for d in ("none", "flip20", "positives30")},
    **{f"digits-{g}": partial(digits, grid=g) for g in DIGIT_GRIDS},
    "tox21": tox21,
    "spoken-written": spoken_written,
    "youtube": youtube_spam,
    "youtube-videos": partial(youtube_spam, by_video=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a real set as files and a configuration.")
    parser.add_argument("name", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    SETS[arguments.name](arguments.folder, arguments.seed)


if __name__ == "__main__":
    main()
