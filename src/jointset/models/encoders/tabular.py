"""Tables: numbers with missing indicators, categories as embeddings, fixed-length vectors as blocks of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.errors import DataError
from jointset.models.encoders.base import ROWS, Arrays, Encoder, State
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn


class Tabular(Encoder):
    """An MLP over standardised numbers, missing indicators and embedded categories.

    Columns of the same name in several datasets are one column; a column that a dataset lacks is missing there.

    Parameters
    ----------
    hidden : width of the hidden layer.
    max_categories : categories kept per column; rarer ones share one code.
    clip : standardised numbers are clipped to ±clip.

    >>> import pyarrow as pa
    >>> encoder = Tabular()
    >>> table = pa.table({"age": [20.0, None, 40.0], "job": ["a", "b", None]})
    >>> arrays = encoder.prepare(table, encoder.fit([table]))
    >>> arrays["numbers"].round(2).tolist(), arrays["categories"][:, 0].tolist()
    ([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [1, 2, 0])
    """

    name: ClassVar[str] = "mlp"
    modality: ClassVar[str] = "tabular"
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {"numbers": {0: ROWS}, "categories": {0: ROWS}}

    def __init__(self, *, hidden: int = 256, max_categories: int = 1000, clip: float = 8.0) -> None:
        self.hidden = hidden
        self.max_categories = max_categories
        self.clip = clip

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: mean and scale of each numeric column, kept values of each categorical one."""
        numeric: dict[str, list[list[float]]] = {}
        categories: dict[str, list[str]] = {}
        for name in dict.fromkeys(c for t in tables for c in t.column_names):
            parts = [t.column(name) for t in tables if name in t.column_names]
            if all(_is_numeric(p.type) for p in parts):
                values = np.concatenate([_matrix(p) for p in parts])
                known = np.isfinite(values)
                count = np.maximum(known.sum(0), 1)
                mean = np.where(known, values, 0).sum(0) / count
                std = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / count)
                told = std > 1e-12 * np.where(known, np.abs(values), 0).max(0, initial=0.0)
                numeric[name] = [mean.tolist(), np.where(told, std, 1.0).tolist()]
            else:
                categories[name] = _frequent(parts, self.max_categories)
        return {"numeric": numeric, "categories": categories}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``numbers (n, 2·d)`` (values, then indicators), ``categories (n, c)``."""
        values, hidden = [], []
        for name, (mean, std) in state["numeric"].items():
            if name in table.column_names:
                column = table.column(name)
                if not _is_numeric(column.type):
                    raise DataError(
                        f"column {name!r} holds {column.type}, and numbers where the model was trained"
                    )
                block = _matrix(column)
            else:
                block = np.full((table.num_rows, len(mean)), np.nan)
            missing = ~np.isfinite(block)
            scaled = np.where(missing, 0.0, (block - np.array(mean)) / np.array(std))
            values.append(np.clip(scaled, -self.clip, self.clip).astype(np.float32))
            hidden.append(missing.astype(np.float32))
        codes = [_codes(table, name, kept) for name, kept in state["categories"].items()]
        return {
            "numbers": np.concatenate([*values, *hidden], 1)
            if values
            else np.zeros((table.num_rows, 0), np.float32),
            "categories": np.stack(codes, 1) if codes else np.zeros((table.num_rows, 0), np.int32),
        }

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        return {key: np.concatenate([p[key] for p in parts]) for key in ("numbers", "categories")}

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`."""
        import torch

        return {
            "numbers": torch.from_numpy(np.ascontiguousarray(arrays["numbers"][index])),
            "categories": torch.from_numpy(arrays["categories"][index].astype(np.int64)),
        }

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.tabular_module import TabularModule

        n_numbers = 2 * sum(len(mean) for mean, _ in state["numeric"].values())
        return TabularModule(
            n_numbers, [len(kept) + 2 for kept in state["categories"].values()], self.hidden, width
        )

    def restored(self, arrays: Arrays, state: State) -> dict[str, list[Any]]:
        """See :meth:`Encoder.restored`; a category that is not among the kept ones is missing.

        >>> import pyarrow as pa
        >>> table = pa.table({"age": [20.0, None, 40.0], "job": ["a", "b", None]})
        >>> state = Tabular().fit([table])
        >>> Tabular().restored(Tabular().prepare(table, state), state)
        {'age': [20.0, None, 40.0], 'job': ['a', 'b', None]}
        """
        columns: dict[str, list[Any]] = {}
        values, hidden = np.split(np.asarray(arrays["numbers"], np.float64), 2, axis=1)
        at = 0
        for name, (mean, std) in state["numeric"].items():
            part = slice(at, at := at + len(mean))
            block = values[:, part] * np.array(std) + np.array(mean)
            cells = [
                [None if h else float(v) for v, h in zip(*row, strict=True)]
                for row in zip(block, hidden[:, part], strict=True)
            ]
            columns[name] = cells if len(mean) > 1 else [c[0] for c in cells]
        for (name, kept), codes in zip(state["categories"].items(), arrays["categories"].T, strict=True):
            columns[name] = [kept[c - 1] if 0 < c <= len(kept) else None for c in codes.tolist()]
        return columns

    def stages(self, state: State) -> tuple[str, ...]:
        """See :meth:`Encoder.stages`: the columns side by side, then the hidden layer."""
        return ("columns", "hidden")


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _matrix(column: Any) -> NDArray[np.float64]:
    """A numeric column as ``(n, d)``: d = 1, or the length of its vectors; missing is NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_fixed_size_list(array.type):
        return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)[:, None]
    size = array.type.list_size
    out = np.full((len(array), size), np.nan)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(array).cast(pa.float64()).to_numpy(zero_copy_only=False)
    out[valid] = flat.reshape(-1, size)
    return out


def _texts(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())


def _frequent(parts: Sequence[Any], most: int) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    both = pa.chunked_array([c for p in parts for c in _texts(p).chunks], type=pa.string())
    counts = pc.value_counts(both.drop_null())
    pairs = sorted(((-c, v) for v, c in zip(*(f.to_pylist() for f in counts.flatten()), strict=True)))
    return [v for _, v in pairs[:most]]


def _codes(table: pa.Table, name: str, kept: list[str]) -> NDArray[np.int32]:
    """0 = missing, 1 … = a kept category, last = any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names:
        return np.zeros(table.num_rows, np.int32)
    texts = _texts(table.column(name))
    found = pc.index_in(texts, value_set=pa.array(kept, pa.string()))
    codes = found.fill_null(len(kept)).to_numpy().astype(np.int32) + 1
    codes[texts.is_null().to_numpy()] = 0
    return codes
