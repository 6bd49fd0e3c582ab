"""Real sets for the benchmark of augmentation, as Arrow tables with a column ``split``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.datasets import data_file
from bench.modal import sets as modal

HOLDOUT, WRITERS, TEST = 0.2, 60, 2000
SENTENCES = ("SST2", "SUBJ", "TREC_coarse", "CR", "MPQA")
RARE = 0.2  # of the rare class's rows are kept


def written(seed: int, rows: int, turned: bool = False) -> pa.Table:
    """Written digits; sixty writers are in test rows only. ``turned``: by a quarter turn or more, which is a task."""
    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    rng = np.random.default_rng(seed)
    test = frame["writer"].isin(set(rng.permutation(frame["writer"].unique())[:WRITERS])).to_numpy()
    train = rng.permutation(np.flatnonzero(~test))[:rows]
    chosen = np.concatenate([train, rng.permutation(np.flatnonzero(test))[:TEST]])
    frame = frame.iloc[chosen]
    pixels = np.stack([np.frombuffer(p, np.uint8) for p in frame["px28"]]).reshape(-1, 28, 28)
    split = np.array(["train"] * rows + ["test"] * (len(chosen) - rows), object)
    split[:rows][rng.random(rows) < HOLDOUT] = "holdout"
    columns = {"digit": frame["digit"].astype(str).tolist(), "split": split.tolist()}
    if turned:
        turns = rng.integers(0, 4, len(pixels))
        pixels = np.stack([np.rot90(p, k) for p, k in zip(pixels, turns, strict=True)])
        columns["turn"] = [str(90 * k) for k in turns]
    values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), 784)
    fields = [pa.field("image", values.type, metadata={"jointset.shape": "28,28"})]
    fields += [pa.field(c, pa.string()) for c in columns]
    return pa.table([values, *columns.values()], schema=pa.schema(fields))


def spoken(seed: int, speaker: str, grouped: bool = False) -> pa.Table:
    """Spoken digits; the test rows are one speaker's, and so are the holdout's, another's, where it is ``grouped``."""
    table = modal.spoken(seed, left_out=speaker)
    if not grouped:
        return table
    who = np.array(table["speaker"].to_pylist())
    known = sorted(set(who) - {speaker})
    held = who == known[np.random.default_rng(seed).integers(len(known))]
    split = np.where(who == speaker, "test", np.where(held, "holdout", "train"))
    return table.set_column(table.schema.get_field_index("split"), "split", pa.array(split))


def tox21(seed: int) -> tuple[pa.Table, list[str]]:
    """Molecules and the names of twelve assays; a molecule in several rows falls into one side of the split."""
    frame = pd.read_parquet(data_file("molecules", "tox21.parquet"))
    assays = [c for c in frame.columns if c not in ("mol_id", "smiles")]
    rng = np.random.default_rng(seed)
    molecule = pd.factorize(frame["smiles"])[0]
    draw = rng.random(molecule.max() + 1)[molecule]
    split = np.where(draw < 0.2, "test", np.where(draw < 0.35, "holdout", "train"))
    columns = {"smiles": frame["smiles"].tolist(), "split": split.tolist()}
    for assay in assays:
        columns[assay] = [None if pd.isna(v) else str(int(v)) for v in frame[assay]]
    return pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}), assays


def sentences(seed: int, share: float) -> dict[str, pa.Table]:
    """Sets of sentences, each a ``share`` of its training rows; no sentence stands in two sets."""
    frame = pd.read_parquet(data_file("sentence_cls", "sentence_cls.parquet"))
    frame = frame[frame["task"].isin(SENTENCES)].drop_duplicates("text")
    rng, found = np.random.default_rng(seed), {}
    for name in SENTENCES:
        part = frame[frame["task"] == name]
        test = (part["split"] == "test").to_numpy()
        if not test.any():
            test = rng.random(len(part)) < 0.2
        train = rng.permutation(np.flatnonzero(~test))
        train = train[: max(round(share * len(train)), 200)]
        rows = np.concatenate([train, np.flatnonzero(test)])
        split = np.array(["train"] * len(train) + ["test"] * int(test.sum()), object)
        split[: len(train)][rng.random(len(train)) < HOLDOUT] = "holdout"
        label = part["label"].astype(str)
        columns = {"text": part["text"].iloc[rows], "label": label.iloc[rows], "split": split}
        found[name] = pa.table({k: pa.array(list(v), pa.string()) for k, v in columns.items()})
    return found


def people(seed: int) -> tuple[pa.Table, list[str]]:
    """3,000 people of training and 3,000 of test; of those with a high income, a fifth stay in training."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    rng = np.random.default_rng(seed)
    train = rng.permutation(np.flatnonzero(frame["split"] == "train"))[:3000]
    counts = frame["income"].value_counts()
    rare = (frame["income"] == counts.index[-1]).to_numpy()
    train = train[~rare[train] | (rng.random(len(train)) < RARE)]
    test = rng.permutation(np.flatnonzero(frame["split"] == "test"))[:3000]
    split = np.array(["train"] * len(train) + ["test"] * len(test), object)
    split[: len(train)][rng.random(len(train)) < HOLDOUT] = "holdout"
    frame = frame.iloc[np.concatenate([train, test])]
    inputs = [*modal.NUMBERS, *modal.CATEGORIES]
    columns = {c: pa.array(frame[c].tolist(), from_pandas=True) for c in inputs}
    columns |= {"income": pa.array(frame["income"].astype(str).tolist()), "split": pa.array(split.tolist())}
    return pa.table(columns), inputs
