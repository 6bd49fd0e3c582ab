"""Copies and near-copies of one kind of input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jointset.audit.duplicates.base import Pairs, grouped, in_order
from jointset.audit.duplicates.images import near_images
from jointset.audit.duplicates.points import near_points
from jointset.audit.duplicates.tables import near_tables, row_hashes
from jointset.audit.duplicates.texts import near_texts
from jointset.audit.features.tables import has_value
from jointset.audit.findings import Checked, Findings, ended
from jointset.data import hashing
from jointset.errors import ArrayError, nearest
from jointset.records import Ints

NEAR: dict[str, Callable[..., Pairs]] = {
    "tabular": near_tables,
    "text": near_texts,
    "image": near_images,
    "embedding": near_points,
}


@dataclass(frozen=True, repr=False)
class Duplicates(Checked):
    """Rows that are there more than once.

    ``exact`` ``(n,)`` numbers the groups of equal rows, ``near`` ``(n,)`` those of equal or nearly equal ones, both in
    the order of their first rows; ``pairs`` are the pairs that are nearly but not exactly equal.
    """

    exact: Ints
    near: Ints
    pairs: Pairs


def find_duplicates(
    data: Any, *, kind: str, exact: Ints | None = None, near: Pairs | None = None, **options: Any
) -> Duplicates:
    """Find rows that are equal, and rows that are nearly so.

    ``data`` are texts or images (``None`` where missing), a mapping from column to array, or an embedding ``(n, d)``;
    ``kind`` says which: text, image, tabular or embedding. ``exact`` ``(n,)`` are groups that are known already, and
    ``near`` pairs; ``options`` go to ``near_texts`` and its like. Codes: ``exact_duplicate`` for every row but the
    first of its group, ``near_duplicate`` for the later row of a pair that is no exact copy. Raises ``ArrayError``.

    >>> found = find_duplicates(["a good book", "a good book", "A good book!", "else"], kind="text")
    >>> found.exact.tolist(), found.near.tolist(), found.findings.code.tolist()
    ([0, 0, 1, 2], [0, 0, 0, 1], ['exact_duplicate', 'near_duplicate'])
    """
    if kind not in NEAR:
        raise ArrayError(f"kind: {kind!r} is none{nearest(kind, NEAR)}; one of {', '.join(NEAR)}")
    equal = in_order(exact if exact is not None else exact_groups(data, kind))
    pairs = near if near is not None else NEAR[kind](data, **options)
    if len(pairs) and int(pairs.second.max()) >= len(equal):
        raise ArrayError(f"near: pairs name row {int(pairs.second.max())}, and there are {len(equal)} rows")
    pairs = pairs.take(equal[pairs.first] != equal[pairs.second])
    near_group = _joined(equal, pairs)
    findings = Findings.concat([_copies(equal), _near_copies(equal, pairs)])
    n_exact = int((findings.code == "exact_duplicate").sum())
    n_near = len(findings) - n_exact
    outcome, reason = ended(
        findings, f"{n_exact:,} rows repeat an earlier one, {n_near:,} nearly do", "no row is there twice"
    )
    facts = {
        "rows": len(equal),
        "exact": n_exact,
        "near": n_near,
        "distinct": int(equal.max(initial=-1)) + 1,
        "largest": int(np.bincount(equal).max(initial=0)),
    }
    return Duplicates(outcome, reason, findings, facts, equal, near_group, pairs)


def exact_groups(data: Any, kind: str) -> Ints:
    """The group of equal rows that each row is in, ``(n,)``; rows without a value are alone.

    >>> exact_groups(["a", None, "a", None], "text").tolist()
    [0, 1, 0, 2]
    """
    if kind == "embedding":
        points = np.ascontiguousarray(np.asarray(data, np.float32)) + np.float32(0)
        return in_order(np.unique(points, axis=0, return_inverse=True)[1].ravel())
    if kind == "tabular":
        columns = {n: np.asarray(c) for n, c in data.items()}
        return _alone(row_hashes(columns), np.flatnonzero(~has_value(columns)))
    if kind == "text":
        values = hashing.hash_column(
            pa.array([None if t is None else str(t) for t in data], pa.large_string())
        )
    else:
        values = np.array([hashing.MISSING if i is None else _of_image(i) for i in data], np.uint64)
    return _alone(values, np.flatnonzero(values == hashing.MISSING))


def _alone(values: hashing.Hashes, missing: Ints) -> Ints:
    """The groups of equal hashes ``(n,)``, with the ``missing`` rows in none but their own."""
    values[missing] = hashing.mix(np.arange(len(missing), dtype=np.uint64) ^ np.uint64(0xA5A5))
    return in_order(values)


def _of_image(image: Any) -> np.uint64:
    array = np.ascontiguousarray(image)
    return hashing.hash_text(repr(array.shape).encode() + array.tobytes())


def _joined(equal: Ints, pairs: Pairs) -> Ints:
    """Groups of rows that are equal or in a pair."""
    n = int(equal.max(initial=-1)) + 1
    return in_order(grouped(n, equal[pairs.first], equal[pairs.second])[equal]) if n else equal


def _copies(group: Ints) -> Findings:
    _, head = np.unique(group, return_index=True)
    again = np.flatnonzero(head[group] != np.arange(len(group)))
    return Findings.of(
        "exact_duplicate",
        rows=again,
        scores=np.zeros(len(again)),
        evidence=[{"copy_of": int(i)} for i in head[group[again]]],
    )


def _near_copies(equal: Ints, pairs: Pairs) -> Findings:
    """The later row of each pair, once, with its nearest partner."""
    order = np.lexsort((-pairs.similarity, pairs.second))
    pairs = pairs.take(order)
    first = np.ones(len(pairs), bool)
    first[1:] = pairs.second[1:] != pairs.second[:-1]
    pairs = pairs.take(first)
    return Findings.of(
        "near_duplicate",
        rows=pairs.second,
        scores=1 - pairs.similarity,
        evidence=[
            {"like": int(i), "similarity": round(float(s), 4)}
            for i, s in zip(pairs.first, pairs.similarity, strict=True)
        ],
    )
