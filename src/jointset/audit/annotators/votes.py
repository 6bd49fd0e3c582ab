"""Who said what about which row: the checked, sparse form of annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.errors import ArrayError
from jointset.records import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Annotations:
    """Votes in long form, ordered by row, then annotator; at most one per row and annotator.

    ``row``, ``annotator`` and ``label`` are ``(v,)`` codes; ``names`` ``(A,)`` are the annotators.
    """

    row: Ints
    annotator: Ints
    label: Ints
    n_rows: int
    names: NDArray[Any]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_annotators(self) -> int:
        """Number of annotators, those without a vote included."""
        return len(self.names)

    def dense(self, values: NDArray[Any], missing: Any) -> NDArray[Any]:
        """Spread one value per vote ``(v,)`` over ``(n, A)``, with ``missing`` elsewhere."""
        out = np.full((self.n_rows, self.n_annotators), missing, np.asarray(values).dtype)
        out[self.row, self.annotator] = values
        return out

    def said(self, n_classes: int, weight: Floats | None = None) -> csr_matrix:
        """Votes as a sparse indicator ``(n, A K)``, column ``annotator K + label``."""
        from scipy.sparse import csr_matrix

        value = np.ones(len(self)) if weight is None else weight
        shape = (self.n_rows, self.n_annotators * n_classes)
        return csr_matrix((value, (self.row, self.annotator * n_classes + self.label)), shape=shape)

    def spoke(self) -> csr_matrix:
        """Who voted where, as a sparse indicator ``(n, A)``."""
        from scipy.sparse import csr_matrix

        return csr_matrix(
            (np.ones(len(self)), (self.row, self.annotator)), shape=(self.n_rows, self.n_annotators)
        )


def from_long(
    row: ArrayLike, annotator: ArrayLike, label: ArrayLike, *, n_rows: int | None = None
) -> Annotations:
    """Annotations from a long table: one vote per entry of the three columns.

    ``row`` ``(v,)`` are row numbers from 0, ``annotator`` ``(v,)`` any names, ``label`` ``(v,)`` class codes
    (-1 or NaN = no vote, left out). ``n_rows`` is needed when the last rows have no vote. Raises
    ``ArrayError``, also when one annotator votes twice on one row.

    >>> votes = from_long([0, 0, 2], ["ann", "bob", "ann"], [1, 0, 1])
    >>> votes.dense(votes.label, -1).tolist(), votes.names.tolist()
    ([[1, 0], [-1, -1], [1, -1]], ['ann', 'bob'])
    """
    rows, said, who = np.asarray(row), np.asarray(label), np.asarray(annotator)
    if not (rows.ndim == said.ndim == who.ndim == 1) or not len(rows) == len(said) == len(who):
        raise ArrayError(
            "row, annotator and label must be columns of one table, found shapes "
            f"{rows.shape}, {who.shape}, {said.shape}"
        )
    if len(rows) and (rows.dtype.kind not in "iu" or rows.min() < 0):
        raise ArrayError("row must hold row numbers from 0; number your row ids first (pandas.factorize)")
    n = int(rows.max(initial=-1)) + 1 if n_rows is None else n_rows
    if len(rows) and rows.max() >= n:
        raise ArrayError(f"row {int(rows.max())} is out of range for n_rows={n}")
    try:
        names, code = np.unique(who, return_inverse=True)
    except TypeError:
        kinds = ", ".join(sorted({type(w).__name__ for w in who.tolist()}))
        raise ArrayError(f"annotator: expected names or numbers, all of one type, found {kinds}") from None
    return _ordered(rows.astype(np.int64), code, label_codes(said), n, names)


def from_table(annotations: ArrayLike) -> Annotations:
    """Annotations from an ``(n, A)`` table of class codes, -1 or NaN where not annotated.

    >>> len(from_table([[0, -1], [1, 1]]))
    3
    """
    table = np.asarray(annotations)
    if table.ndim != 2:
        raise ArrayError(
            f"annotations must be (n, A), one column per annotator, found {table.shape}; "
            "for a long table use from_long"
        )
    codes = label_codes(table)
    row, who = np.nonzero(codes >= 0)
    return Annotations(row, who, codes[row, who], len(table), np.arange(table.shape[1]))


def label_codes(given: NDArray[Any]) -> Ints:
    """Whole-number labels as int64 with -1 where missing; raises ``ArrayError``."""
    if given.dtype.kind not in "iufb":
        raise ArrayError(f"annotations must be class codes 0 ... K-1, found {given.dtype}; encode them first")
    if given.dtype.kind == "f":
        given = np.where(np.isnan(given), -1.0, given)
        if not np.isfinite(given).all() or bool((given != np.round(given)).any()):
            raise ArrayError("annotations must be whole numbers (-1 or NaN = not annotated)")
    codes = given.astype(np.int64)
    if codes.size and codes.min() < -1:
        raise ArrayError(f"annotation {int(codes.min())} is no class code; -1 or NaN = not annotated")
    return codes


def _ordered(row: Ints, who: Ints, label: Ints, n: int, names: NDArray[Any]) -> Annotations:
    keep = label >= 0
    row, who, label = row[keep], who[keep], label[keep]
    order = np.lexsort((who, row))
    row, who, label = row[order], who[order], label[order]
    twice = np.flatnonzero((np.diff(row) == 0) & (np.diff(who) == 0))
    if len(twice):
        at = twice[0]
        raise ArrayError(
            f"annotator {names[who[at]]} votes twice on row {int(row[at])}; keep one vote of each annotator"
        )
    return Annotations(row, who, label, n, names)
