"""The pool: the rows of all datasets one after another, with their splits and what keeps them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.data.components import components
from jointset.data.dataset import Dataset
from jointset.data.splits import SplitChoice, assign_splits
from jointset.errors import DataError, InternalError

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


@dataclass(frozen=True, eq=False)
class Pool:
    """The rows of D datasets one after another, N in all.

    ``offsets`` is ``(D+1,)``; ``dataset_of`` ``(N,)``; ``split`` ``(N,)`` of ``records.TRAIN``, ``HOLDOUT``,
    ``TEST``; ``component`` ``(N,)``: rows that must stay on one side (same group, or same input content)
    share a number; ``trusted`` ``(N,)``; ``notes`` are lines for the user, such as rows of a given test split
    with a copy in train."""

    datasets: tuple[Dataset, ...]
    offsets: NDArray[np.int64]
    dataset_of: NDArray[np.int16]
    split: NDArray[np.int8]
    component: NDArray[np.int64]
    trusted: NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def rows_of(self, dataset_name: str) -> slice:
        """The rows of a dataset in the pool."""
        if dataset_name not in self._number:
            raise InternalError(f"pool: no dataset {dataset_name!r}")
        d = self._number[dataset_name]
        return slice(int(self.offsets[d]), int(self.offsets[d + 1]))

    @cached_property
    def row_ids(self) -> NDArray[np.object_]:
        """Row ids, ``(N,) str``; unique within a dataset."""
        return np.concatenate([d.row_ids for d in self.datasets])

    @cached_property
    def dataset_names(self) -> NDArray[np.object_]:
        """The dataset's name of every row, ``(N,) str``."""
        return np.array([d.name for d in self.datasets], dtype=object)[self.dataset_of]

    def positions(self, dataset: NDArray[np.object_], row: NDArray[np.object_]) -> NDArray[np.int64]:
        """Positions in the pool, ``(m,)``, of addresses (dataset name, row id), each ``(m,) str``.

        Raises :class:`~jointset.errors.InternalError` for an address the pool does not hold.
        """
        dataset, row = np.asarray(dataset, object), np.asarray(row, object)
        found = np.full(len(row), -1, np.int64)
        for name in dict.fromkeys(dataset.tolist()):
            if name in self._number:
                asked = np.flatnonzero(dataset == name)
                values = self._id_values(self._number[name])
                place = pc.fill_null(
                    pc.index_in(pa.array(row[asked], pa.large_string()), value_set=values), -1
                )
                place = np.asarray(place).astype(np.int64)
                found[asked] = np.where(place < 0, -1, place + self.offsets[self._number[name]])
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            i = unknown[0]
            raise InternalError(
                f"pool: {len(unknown):,} addresses are unknown (first: dataset {dataset[i]!r}, row "
                f"{row[i]!r}); the data "
                "may have changed since they were recorded"
            )
        return found

    @cached_property
    def _number(self) -> dict[str, int]:
        return {d.name: i for i, d in enumerate(self.datasets)}

    @cached_property
    def _id_cache(self) -> dict[int, pa.Array]:
        return {}

    def _id_values(self, number: int) -> pa.Array:
        if number not in self._id_cache:
            self._id_cache[number] = pa.array(self.datasets[number].row_ids, pa.large_string())
        return self._id_cache[number]


def build_pool(
    datasets: Sequence[Dataset],
    *,
    strata: NDArray[np.int64] | None,
    split_settings: Mapping[str, tuple[str | None, float, float]],
    seed: int,
) -> Pool:
    """Put datasets one after another, find what belongs together, and split.

    ``strata`` is ``(N,)`` codes of dataset × label (-1 = none) that drawn splits keep in proportion;
    ``split_settings`` is dataset → (split column or None, share of holdout, share of test). Rows of a drawn
    split stay on one side with their group and their copies. Raises :class:`~jointset.errors.DataError` for
    values of a split or trusted column that mean nothing here.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jointset.data.dataset import load_dataset
    >>> rows = {"text": ["a", "b", "c", "a"]}
    >>> d = load_dataset("d", rows, inputs={"text": "text"}, cache=Path(tempfile.mkdtemp()))
    >>> pool = build_pool([d], strata=None, split_settings={"d": (None, 0.5, 0.0)}, seed=0)
    >>> len(pool), bool(pool.split[0] == pool.split[3]), np.bincount(pool.split).tolist()
    (4, True, [2, 2])
    """
    datasets = tuple(datasets)
    sizes = np.array([len(d) for d in datasets], np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    dataset_of = np.repeat(np.arange(len(datasets)), sizes).astype(np.int16)
    component = components(datasets, offsets)
    choices = [
        SplitChoice.of(d, *split_settings.get(d.name, (d.split, 0.0, 0.0)), rows=slice(int(lo), int(hi)))
        for d, lo, hi in zip(datasets, offsets[:-1], offsets[1:], strict=True)
    ]
    split, notes = assign_splits(choices, component, dataset_of, strata, seed)
    trusted = np.concatenate([_trusted(d) for d in datasets]) if datasets else np.empty(0, bool)
    notes = (*(note for d in datasets for note in d.notes), *notes)
    return Pool(datasets, offsets, dataset_of, split, component, trusted, notes)


def _trusted(dataset: Dataset) -> NDArray[np.bool_]:
    if dataset.trusted is None:
        return np.zeros(len(dataset), bool)
    column = dataset.table.column(dataset.trusted)
    values = [str(v).strip().lower() if v is not None else "" for v in column.unique().to_pylist()]
    truth = {v: _TRUTH.get(v.removesuffix(".0")) for v in values}
    odd = sorted(v for v, meaning in truth.items() if meaning is None)
    if odd:
        raise DataError(
            f"dataset {dataset.name}: trusted column {dataset.trusted!r} holds "
            f"{', '.join(map(repr, odd[:5]))}; expected "
            "true or false, yes or no, 1 or 0"
        )
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    known = [str(v).strip().lower() if v is not None else "" for v in encoded.dictionary.to_pylist()]
    return np.array([bool(truth[v]) for v in known], bool)[np.asarray(encoded.indices)]
