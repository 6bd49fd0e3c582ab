"""Which rows must stay on one side: same group, or same input content, also across datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.data import hashing
from jointset.data.checks import is_path
from jointset.data.dataset import Dataset


def components(datasets: Sequence[Dataset], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The component of every row of the pool, ``(N,)``, numbered in the order of first rows.

    Rows are joined by equal input content (datasets with the same modalities) and by an equal value of their
    group column (group columns of one name are one column). Rows without inputs are nobody's copies; rows
    without a group are in none.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jointset.data.dataset import load_dataset
    >>> rows = {"text": ["a", "b", "c", "a"], "who": [1, 2, 2, None]}
    >>> d = load_dataset("d", rows, inputs={"text": "text"}, group="who", cache=Path(tempfile.mkdtemp()))
    >>> components([d], np.array([0, 4])).tolist()
    [0, 1, 1, 0]
    """
    n = int(offsets[-1])
    content = [content_hashes(d) for d in datasets]
    keys = [h for h, _ in content]
    known = [k for _, k in content]
    by_content = _codes(np.concatenate(keys), np.concatenate(known)) if datasets else np.empty(0, np.int64)
    if not any(d.group for d in datasets):
        return _in_order(by_content)
    groups = [_group_hashes(d) for d in datasets]
    by_group = _codes(np.concatenate([h for h, _ in groups]), np.concatenate([k for _, k in groups]))
    return _in_order(_union(by_content, by_group, n))


def content_hashes(dataset: Dataset) -> tuple[hashing.Hashes, NDArray[np.bool_]]:
    """Hash of the inputs of every row, ``(n,)``, and whether the row has any input at all.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jointset.data.dataset import load_dataset
    >>> d = load_dataset("d", {"text": ["a", None]}, inputs={"text": "text"}, cache=Path(tempfile.mkdtemp()))
    >>> content_hashes(d)[1].tolist()
    [True, False]
    """
    parts, present = [], np.zeros(len(dataset), bool)
    for modality in sorted(dataset.inputs):
        table = dataset.input_table(modality)
        columns = [_column_hashes(table.column(i), modality, dataset) for i in range(table.num_columns)]
        for hashes in columns:
            present |= hashes != hashing.MISSING
        # tabular columns mean something by their name; a text, an image or a sound is the same under any name
        salts = [
            hashing.hash_text(c if modality == "tabular" else str(i))
            for i, c in enumerate(table.column_names)
        ]
        total = np.zeros(len(dataset), np.uint64)
        for hashes, salt in zip(columns, salts, strict=True):
            total += hashing.mix(hashes + salt)
        parts.append(hashing.mix(total ^ hashing.hash_text(modality)))
    return hashing.combine(parts), present


def _column_hashes(column: pa.ChunkedArray, modality: str, dataset: Dataset) -> hashing.Hashes:
    if modality == "text":
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        hashes = hashing.hash_column(column)
        hashes[np.asarray(pc.fill_null(blank, False))] = hashing.MISSING
        return hashes
    if modality not in ("image", "audio"):
        return hashing.hash_column(column)
    if is_path(column.type):
        return _file_hashes(column, dataset)
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        return _struct_hashes(column, dataset)
    return hashing.hash_column(column)


def _struct_hashes(column: pa.ChunkedArray, dataset: Dataset) -> hashing.Hashes:
    """Hash of the bytes of a file, or of the file itself where only its path is given: names do not count."""
    hashes = hashing.hash_column(pc.struct_field(column, "bytes"))
    if column.type.get_field_index("path") >= 0:
        without = hashes == hashing.MISSING
        paths = pc.if_else(pa.array(without), pc.struct_field(column, "path"), None)
        hashes[without] = _file_hashes(paths, dataset)[without]
    return hashes


def _file_hashes(column: pa.ChunkedArray, dataset: Dataset) -> hashing.Hashes:
    """Hash of the files that a column names: copies of an image have different paths."""
    hashes = np.full(len(column), hashing.MISSING)
    seen: dict[str, np.uint64] = {}
    for i, path in enumerate(column.to_pylist()):
        if path is not None:
            if path not in seen:
                file = (dataset.root or Path()) / path
                seen[path] = (
                    hashing.hash_text(file.read_bytes()) if file.is_file() else hashing.hash_text(path)
                )
            hashes[i] = seen[path]
    return hashes


def _group_hashes(dataset: Dataset) -> tuple[hashing.Hashes, NDArray[np.bool_]]:
    if dataset.group is None:
        return np.zeros(len(dataset), np.uint64), np.zeros(len(dataset), bool)
    hashes = hashing.hash_column(dataset.table.column(dataset.group))
    return hashing.mix(hashes ^ hashing.hash_text(dataset.group)), hashes != hashing.MISSING


def _codes(hashes: hashing.Hashes, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number per distinct hash, and one of its own for every row that is not known."""
    codes = np.empty(len(hashes), np.int64)
    distinct, inverse = np.unique(hashes[known], return_inverse=True)
    codes[known] = inverse
    codes[~known] = len(distinct) + np.arange(int((~known).sum()))
    return codes


def _union(a: NDArray[np.int64], b: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Components of the graph whose nodes are the codes of ``a`` and ``b`` and whose edges are the rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_a, n_b = int(a.max()) + 1, int(b.max()) + 1
    edges = coo_array((np.ones(n, np.int8), (a, n_a + b)), shape=(n_a + n_b, n_a + n_b))
    labels = connected_components(edges.tocsr(), directed=False)[1]
    return np.asarray(labels[a], np.int64)


def _in_order(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
