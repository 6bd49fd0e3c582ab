"""The inputs of the whole pool as the checks read them: texts, columns, images, sounds, and a cheap embedding of
each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.audit.features import FEATURES, table_features, text_terms
from jointset.audit.features.tables import has_value
from jointset.data import Dataset, Pool
from jointset.data.components import content_hashes
from jointset.data.media.images import decoded, pixel_array
from jointset.data.media.sounds import common_rate, waveforms
from jointset.records import Bools, Floats, Ints

SECONDS = 20.0  # of a sound that are looked at
RATE = 16000  # where nothing says a rate
WIDTH = 64


@dataclass(frozen=True, eq=False)
class Media:
    """Values that are decoded whenever they are read, as all of them might not fit into memory."""

    read: Callable[[], Iterator[Any]]
    size: int

    def __iter__(self) -> Iterator[Any]:
        return self.read()

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, eq=False)
class ModalityInputs:
    """One modality of the pool: ``rows`` ``(m,)`` are the pool's rows of the datasets that have it, ``data`` their
    values, ``given`` ``(m,)`` where there is a value, and ``seed`` that of the embedding."""

    modality: str
    rows: Ints
    data: Any
    given: Bools
    seed: int

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """The cheap embedding of every row, ``(m, d)``."""
        maker: Any = FEATURES[self.modality]
        options = {"width": WIDTH}
        if self.modality == "text":
            options["seed"] = self.seed
        return np.asarray(maker(self.data, **options), np.float32)

    def part(self, keep: Bools) -> Any:
        """The values of some of the rows, ``keep`` ``(m,)``."""
        if self.modality == "tabular":
            return {n: c[keep] for n, c in self.data.items()}
        return [v for v, k in zip(self.data, keep, strict=True) if k]


@dataclass(frozen=True, eq=False)
class PoolInputs:
    """All inputs of the pool; ``exact`` ``(N,)`` numbers rows of equal content."""

    by_modality: Mapping[str, ModalityInputs]
    exact: Ints
    n: int

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """One embedding of every row, ``(N, d)``: those of the modalities side by side, each of the same mean length;
        zeros where a row has no such input."""
        return np.concatenate([self._full(m.rows, m.embedding) for m in self.by_modality.values()], axis=1)

    def shared(self, datasets: Sequence[Dataset]) -> NDArray[np.float32] | None:
        """The same of what all the datasets have: modalities, and columns of tables; None where that is nothing.

        What only some of them have would tell them apart without saying anything about their rows.
        """
        parts = []
        for modality, found in self.by_modality.items():
            if not all(modality in d.inputs for d in datasets):
                continue
            own = found.embedding
            if modality == "tabular":
                common = set.intersection(*(set(d.inputs[modality]) for d in datasets))
                columns = {n: c for n, c in found.data.items() if n.split("[")[0] in common}
                if not columns:
                    continue
                own = own if len(columns) == len(found.data) else table_features(columns, width=WIDTH)
            parts.append(self._full(found.rows, own))
        return np.concatenate(parts, axis=1) if parts else None

    def sampled(self, rows: Ints) -> PoolInputs:
        """The inputs of some rows ``(m,)`` of the pool, in ascending order, as of a pool of their own."""
        found = {}
        for modality, own in self.by_modality.items():
            keep = np.isin(own.rows, rows)
            place = np.searchsorted(rows, own.rows[keep])
            found[modality] = ModalityInputs(modality, place, own.part(keep), own.given[keep], own.seed)
        return PoolInputs(found, self.exact[rows], len(rows))

    def terms(self, datasets: Sequence[Dataset], rows: Ints) -> Any:
        """Words and word pairs of the ``rows`` in a sparse ``(N, v)``, where the datasets share text alone; else None.

        A linear model of them foresees what a domain's model loses elsewhere better than one of the embedding does
        (``docs/experiments.md``).
        """
        from scipy.sparse import csr_matrix

        common = [m for m in self.by_modality if all(m in d.inputs for d in datasets)]
        if common != ["text"]:
            return None
        part = self.by_modality["text"]
        found = text_terms([part.data[i] for i in np.searchsorted(part.rows, rows)])
        place = csr_matrix((np.ones(len(rows)), (rows, np.arange(len(rows)))), (self.n, len(rows)))
        return place @ found

    def _full(self, rows: Ints, own: NDArray[np.float32]) -> NDArray[np.float32]:
        length = float(np.sqrt((own**2).sum(axis=1).mean())) or 1.0
        full = np.zeros((self.n, own.shape[1]), np.float32)
        full[rows] = own / length
        return full


def read_inputs(pool: Pool, *, seed: int = 0) -> PoolInputs:
    """The pool's inputs, modality by modality; images and sounds are decoded when they are read."""
    used = [m for m in ("tabular", "text", "image", "audio") if any(m in d.inputs for d in pool.datasets)]
    found = {m: _READ[m](pool, [d for d in pool.datasets if m in d.inputs], seed) for m in used}
    hashes = [content_hashes(d) for d in pool.datasets]
    key, known = (np.concatenate([h[i] for h in hashes]) for i in (0, 1))
    exact = np.unique(key, return_inverse=True)[1].astype(np.int64)
    exact[~known] = len(exact) + np.arange(int((~known).sum()))  # rows without any input are nobody's copies
    return PoolInputs(found, np.unique(exact, return_inverse=True)[1], len(pool))


def _rows(pool: Pool, datasets: list[Dataset]) -> Ints:
    return np.concatenate([np.arange(len(pool))[pool.rows_of(d.name)] for d in datasets])


def _texts(pool: Pool, datasets: list[Dataset], seed: int) -> ModalityInputs:
    texts: list[str | None] = []
    for dataset in datasets:
        columns = [c.to_pylist() for c in dataset.input_table("text").columns]
        if len(columns) == 1:
            texts += columns[0]
        else:
            joined = [[v for v in row if v is not None] for row in zip(*columns, strict=True)]
            texts += [" \n ".join(row) if row else None for row in joined]
    given = np.array([t is not None for t in texts], bool)
    return ModalityInputs("text", _rows(pool, datasets), texts, given, seed)


def _tables(pool: Pool, datasets: list[Dataset], seed: int) -> ModalityInputs:
    parts = [columns_of(d.input_table("tabular")) for d in datasets]
    sizes = [len(d) for d in datasets]
    names = list(dict.fromkeys(n for p in parts for n in p))
    data = {}
    for name in names:
        number = all(p[name].dtype.kind == "f" for p in parts if name in p)
        fill: Any = np.nan if number else None
        kind: Any = np.float64 if number else object
        data[name] = np.concatenate(
            [
                p[name].astype(kind) if name in p else np.full(n, fill, kind)
                for p, n in zip(parts, sizes, strict=True)
            ]
        )
    return ModalityInputs("tabular", _rows(pool, datasets), data, has_value(data), seed)


def columns_of(table: pa.Table) -> dict[str, NDArray[Any]]:
    """A table's columns as arrays: numbers, truth values and times as float64, everything else as text or None.

    >>> {n: c.tolist() for n, c in columns_of(pa.table({"a": [1, None], "b": ["x", None]})).items()}
    {'a': [1.0, nan], 'b': ['x', None]}
    """
    out: dict[str, NDArray[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_fixed_size_list(kind):
            flat = pc.list_flatten(pc.fill_null(column, [0] * kind.list_size)).to_numpy().astype(np.float64)
            given = column.is_valid().to_numpy()
            for i, part in enumerate(flat.reshape(len(column), kind.list_size).T):
                out[f"{name}[{i}]"] = np.where(given, part, np.nan)
        elif pa.types.is_temporal(kind):
            width = pa.int32() if kind.bit_width == 32 else pa.int64()
            out[name] = _floats(column.cast(width))
        elif (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind)
        ):
            out[name] = _floats(column)
        else:
            out[name] = np.array(column.cast(pa.large_string()).to_pylist(), object)
    return out


def _floats(column: Any) -> Floats:
    kind = pa.uint8() if pa.types.is_boolean(column.type) else column.type
    return np.asarray(
        pc.fill_null(column.cast(kind).cast(pa.float64(), safe=False), np.nan).to_numpy(), np.float64
    )


def _images(pool: Pool, datasets: list[Dataset], seed: int) -> ModalityInputs:
    columns = [(d.input_table("image"), str(d.root) if d.root else None) for d in datasets]

    def read() -> Iterator[Any]:
        for table, root in columns:
            field, column = table.schema.field(0), table.column(0)
            array = pixel_array(column, field)
            if array is not None:
                for image, there in zip(*array, strict=True):
                    yield (image.squeeze(2) if image.shape[2] == 1 else image) if there else None
                continue
            for picture in decoded(column, field, root):
                yield None if picture is None else _pixels(picture)

    given = np.concatenate([t.column(0).is_valid().to_numpy() for t, _ in columns])
    return ModalityInputs("image", _rows(pool, datasets), Media(read, len(given)), given, seed)


def _pixels(picture: Any) -> NDArray[np.uint8]:
    grey = picture.mode in ("L", "1", "I", "I;16", "LA")
    return np.asarray(picture.convert("L" if grey else "RGB"), np.uint8)


def _sounds(pool: Pool, datasets: list[Dataset], seed: int) -> ModalityInputs:
    tables = []
    for d in datasets:
        table = d.input_table("audio")
        root = {"jointset.root": str(d.root)} if d.root else {}
        tables.append(table.replace_schema_metadata({**(table.schema.metadata or {}), **root}))
    rate = common_rate(tables) or RATE

    def read() -> Iterator[Any]:
        for table in tables:
            yield from waveforms(table, rate, SECONDS)

    given = np.concatenate([t.column(0).is_valid().to_numpy() for t in tables])
    return ModalityInputs("audio", _rows(pool, datasets), Media(read, len(given)), given, seed)


_READ: dict[str, Callable[[Pool, list[Dataset], int], ModalityInputs]] = {
    "text": _texts,
    "tabular": _tables,
    "image": _images,
    "audio": _sounds,
}
