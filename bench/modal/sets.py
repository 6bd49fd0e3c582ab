"""Real sets of one modality or of two, as Arrow tables with a column ``split``; settings are chosen on holdout rows."""

from __future__ import annotations

import io
import wave

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bench.datasets import data_file

HOLDOUT, WRITERS_TEST = 0.15, 0.2
WRITTEN = 4000  # images used: all ten thousand take a quarter of an hour, and change no comparison
ADULT, CIFAR = 3000, 3000
NUMBERS = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
CATEGORIES = ["workclass", "education", "marital_status", "occupation", "relationship", "race"]
CATEGORIES += ["sex", "native_country"]


def spoken(seed: int, left_out: str | None = None) -> pa.Table:
    """Spoken digits as WAV files; test rows are those of the set's own split, or one speaker's."""
    frame = pd.read_parquet(data_file("fsdd", "fsdd.parquet"))
    test = (frame["split"] == "test" if left_out is None else frame["speaker"] == left_out).to_numpy()
    columns = {
        "audio": pa.array([_wav(pcm) for pcm in frame["pcm16"]], pa.binary()),
        "digit": frame["digit"].astype(str).tolist(),
        "speaker": frame["speaker"].tolist(),
        "accent": frame["accent"].tolist(),
        "split": _split(test, seed),
    }
    return pa.table(columns)


def written(seed: int) -> pa.Table:
    """Written digits; the writers of the test rows are in no other row."""
    frame = pd.read_parquet(data_file("mnist10k", "mnist10k.parquet"))
    rng = np.random.default_rng(seed)
    frame = frame.iloc[rng.permutation(len(frame))[:WRITTEN]]
    writers = frame["writer"].unique()
    test = frame["writer"].isin(rng.permutation(writers)[: round(WRITERS_TEST * len(writers))]).to_numpy()
    pixels = np.stack([np.frombuffer(px, np.uint8) for px in frame["px28"]])  # (n, 784)
    return _pictures(
        pixels, "28,28", {"digit": frame["digit"].astype(str).tolist(), "split": _split(test, seed)}
    )


def pairs(seed: int, n: int) -> pa.Table:
    """``n`` spoken digits of training and all of test, each with a written one of the same digit."""
    sound, image = few(spoken(seed), n, seed), written(seed)
    rng = np.random.default_rng(seed)
    partner = np.empty(sound.num_rows, np.int64)
    for side in ("train", "holdout", "test"):
        own = np.array(sound["split"]) == side
        for digit in set(sound["digit"].to_pylist()):
            theirs = np.flatnonzero((np.array(image["split"]) == side) & (np.array(image["digit"]) == digit))
            mine = np.flatnonzero(own & (np.array(sound["digit"]) == digit))
            partner[mine] = rng.choice(theirs, len(mine))
    chosen = image.select(["image"]).take(partner)
    return sound.select(["audio", "digit", "split"]).append_column(
        chosen.schema.field("image"), chosen["image"]
    )


def adult(seed: int) -> pa.Table:
    """Income of people: a sentence made of their categories, and their numbers."""
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    rng = np.random.default_rng(seed)
    train = rng.permutation(np.flatnonzero(frame["split"] == "train"))[:ADULT]
    test = rng.permutation(np.flatnonzero(frame["split"] == "test"))[:ADULT]
    frame = frame.iloc[np.concatenate([train, test])]
    columns = {
        "text": frame[CATEGORIES].fillna("unknown").agg(" ".join, axis=1).tolist(),
        **{c: frame[c].tolist() for c in NUMBERS},
        "income": frame["income"].tolist(),
        "split": _split((frame["split"] == "test").to_numpy(), seed),
    }
    return pa.table(columns)


def youtube(seed: int) -> pa.Table:
    """Comments that are spam or not: their text, and when, how long and below which video they were written."""
    frame = pd.read_parquet(data_file("youtube_spam", "youtube_raw.parquet"))
    when = pd.to_datetime(frame["date"], errors="coerce", format="ISO8601")
    test = np.random.default_rng(seed).random(len(frame)) < 0.25
    columns = {
        "text": frame["content"].tolist(),
        "hour": when.dt.hour.astype(float),
        "day": when.dt.dayofweek.astype(float),
        "year": when.dt.year + when.dt.dayofyear / 366.0,
        "characters": frame["content"].str.len().astype(float),
        "capitals": frame["content"].str.count("[A-Z]") / frame["content"].str.len(),
        "digits": frame["content"].str.count("[0-9]").astype(float),
        "video": frame["video"].tolist(),
        "spam": np.where(frame["class"].astype(str).isin(["1", "spam"]), "spam", "ham"),
        "split": _split(test, seed),
    }
    return pa.table({k: pa.array(v, from_pandas=True) for k, v in columns.items()})


def cifar(seed: int) -> pa.Table:
    """Small photographs, and what three people (and the worst of them) said they show; the truth is the task."""
    frame = pd.read_parquet(data_file("cifar10n", "train_a.parquet"))
    rng = np.random.default_rng(seed)
    frame = frame.iloc[rng.permutation(len(frame))[: 2 * CIFAR]]
    test = np.arange(len(frame)) >= CIFAR
    columns = {
        "image": pa.array(frame["jpg"].tolist(), pa.binary()),
        "worst": frame["worse_label"].astype(str).tolist(),
        "label": frame["clean_label"].astype(str).tolist(),
        "split": _split(test, seed),
    }
    return pa.table(columns)


def few(table: pa.Table, n: int, seed: int) -> pa.Table:
    """``n`` rows of training, a fifth of them held out, and every test row."""
    split = np.array(table["split"])
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(split != "test"))[:n]
    split[chosen] = np.where(np.arange(len(chosen)) < n // 5, "holdout", "train")
    rows = np.sort(np.concatenate([chosen, np.flatnonzero(split == "test")]))
    i = table.column_names.index("split")
    return table.set_column(i, "split", pa.array(split.tolist())).take(rows)


def lacking(table: pa.Table, columns: list[str], share: float, seed: int) -> pa.Table:
    """The table with all of ``columns`` missing in a share of the rows."""
    gone = pa.array(np.random.default_rng([seed, 7]).random(table.num_rows) < share)
    for name in columns:
        i = table.column_names.index(name)
        field, column = table.schema.field(i), table.column(i).combine_chunks()
        kept = np.flatnonzero(~np.array(gone))
        places = np.full(len(column), -1)
        places[kept] = kept
        table = table.set_column(i, field, column.take(pa.array(places, mask=places < 0)))
    return table


def _split(test: NDArray[np.bool_], seed: int) -> list[str]:
    held = np.random.default_rng([seed, 1]).random(len(test)) < HOLDOUT
    return np.where(test, "test", np.where(held, "holdout", "train")).tolist()


def _pictures(pixels: NDArray[np.uint8], shape: str, columns: dict[str, list[str]]) -> pa.Table:
    values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), pixels.shape[1])
    field = pa.field("image", values.type, metadata={"jointset.shape": shape})
    fields = [field, *(pa.field(c, pa.string()) for c in columns)]
    return pa.table([values, *columns.values()], schema=pa.schema(fields))


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(pcm)
    return file.getvalue()
