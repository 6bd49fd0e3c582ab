"""Prepared inputs of the whole pool: one set of memory-mapped arrays per modality, read by row position."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jointset.data import Dataset, Pool
from jointset.models.encoders.base import Arrays, Encoder, State
from jointset.records import TRAIN, Bools, Ints

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

Batch = dict[str, tuple["torch.Tensor", dict[str, "torch.Tensor"]]]


@dataclass(frozen=True)
class Inputs:
    """``arrays[modality]`` hold prepared rows; ``row[modality]`` (N,) is the one of each row of the pool, -1 = none."""

    encoders: Mapping[str, Encoder]
    states: Mapping[str, State]
    arrays: Mapping[str, Arrays]
    row: Mapping[str, Ints]

    def batch(self, index: Ints) -> Batch:
        """For each modality that occurs: the places in the batch ``(m,)`` that have it, and its tensors."""
        import torch

        batch: Batch = {}
        for modality, encoder in self.encoders.items():
            rows = self.row[modality][index]
            where = np.flatnonzero(rows >= 0)
            if len(where):
                batch[modality] = (torch.from_numpy(where), encoder.batch(self.arrays[modality], rows[where]))
        return batch


def input_table(dataset: Dataset, modality: str) -> pa.Table:
    """The modality's columns, with the folder that relative paths start from in the schema's metadata."""
    table = dataset.input_table(modality)
    if dataset.root is None:
        return table
    return table.replace_schema_metadata(
        {**(table.schema.metadata or {}), "jointset.root": str(dataset.root)}
    )


def prepare_inputs(pool: Pool, encoders: Mapping[str, Encoder], cache: Path | None) -> Inputs:
    """Fit the encoders on the training rows and prepare every row, through a cache on disk when one is given.

    Statistics come from training rows only, so that held-out rows are as new to the model as tomorrow's.
    """
    used = {m: e for m, e in encoders.items() if any(m in d.inputs for d in pool.datasets)}
    states: dict[str, State] = {}
    arrays: dict[str, Arrays] = {}
    row: dict[str, Ints] = {}
    for modality, encoder in used.items():
        tables = {d.name: input_table(d, modality) for d in pool.datasets if modality in d.inputs}
        train = {n: t.filter(_mask(pool.split[pool.rows_of(n)] == TRAIN)) for n, t in tables.items()}
        states[modality] = encoder.fit(list(train.values()))
        arrays[modality] = _prepared(encoder, states[modality], tables, pool, cache)
        row[modality] = _rows(pool, tables, arrays[modality])
    return Inputs(used, states, arrays, row)


def prepare_table(
    tables: Mapping[str, pa.Table], encoders: Mapping[str, Encoder], states: Mapping[str, State]
) -> Inputs:
    """Prepare new rows, one table per modality, for an already fitted model."""
    arrays = {m: encoders[m].prepare(t, states[m]) for m, t in tables.items()}
    row = {m: _present(tables[m], arrays[m]) for m in tables}
    return Inputs({m: encoders[m] for m in tables}, {m: states[m] for m in tables}, arrays, row)


def _mask(mask: Bools) -> pa.Array:
    import pyarrow as pa

    return pa.array(mask)


def _present(table: pa.Table, arrays: Arrays) -> Ints:
    present = np.zeros(table.num_rows, bool)
    for column in table.columns:
        present |= column.is_valid().to_numpy()
    if "readable" in arrays:
        present &= np.asarray(arrays["readable"])
    return np.where(present, np.arange(table.num_rows), -1)


def _rows(pool: Pool, tables: Mapping[str, pa.Table], arrays: Arrays) -> Ints:
    row = np.full(len(pool), -1, np.int64)
    start = 0
    for name, table in tables.items():
        part = (
            {"readable": arrays["readable"][start : start + table.num_rows]} if "readable" in arrays else {}
        )
        local = _present(table, part)
        row[pool.rows_of(name)] = np.where(local >= 0, local + start, -1)
        start += table.num_rows
    return row


def _prepared(
    encoder: Encoder, state: State, tables: Mapping[str, pa.Table], pool: Pool, cache: Path | None
) -> dict[str, Any]:
    def compute() -> dict[str, Any]:
        return encoder.concat([encoder.prepare(t, state) for t in tables.values()])

    prints = {d.name: d.fingerprint for d in pool.datasets if d.name in tables}
    columns = {n: t.column_names for n, t in tables.items()}
    facts = [encoder.name, options_of(encoder), state, prints, columns]
    return kept_arrays(cache, encoder.modality, facts, compute)


def options_of(encoder: Encoder) -> dict[str, Any]:
    """What an encoder was constructed with."""
    return {k: v for k, v in vars(encoder).items() if not k.startswith("_")}


def kept_arrays(
    cache: Path | None, name: str, facts: Any, compute: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, Any]:
    """What ``compute`` gives, through memory-mapped files in ``cache`` that are found again by ``facts``."""
    if cache is None:
        return dict(compute())
    key = json.dumps(facts, sort_keys=True, default=str)
    folder = cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    if not folder.is_dir():
        temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        temporary.mkdir(parents=True, exist_ok=True)
        for part, array in compute().items():
            np.save(temporary / f"{part}.npy", array, allow_pickle=False)
        temporary.replace(folder)
    return {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in sorted(folder.glob("*.npy"))}
