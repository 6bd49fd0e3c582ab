"""Train, holdout and test: given by a column, or drawn as whole components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.data.dataset import Dataset
from jointset.data.partition import partition
from jointset.data.sources import SPLIT_NAMES
from jointset.errors import DataError, nearest
from jointset.records import HOLDOUT, TEST, TRAIN


@dataclass(frozen=True, eq=False)
class SplitChoice:
    """What is known of a dataset's split before drawing.

    ``given`` is ``(n,)`` split codes, or None without a column; ``holdout`` and ``test`` are the shares still
    to be drawn out of the rows in train."""

    name: str
    rows: slice
    given: NDArray[np.int8] | None
    holdout: float
    test: float

    @classmethod
    def of(
        cls, dataset: Dataset, column: str | None, holdout: float, test: float, *, rows: slice
    ) -> SplitChoice:
        """Read the split column of a dataset; a share is drawn only where the column has no such rows."""
        if holdout + test >= 1.0:
            raise DataError(
                f"dataset {dataset.name}: holdout {holdout:g} and test {test:g} leave no rows to train on; "
                f"lower them"
            )
        if column is None:
            return cls(dataset.name, rows, None, holdout, test)
        given = _given(dataset, column)
        has_holdout, has_test = bool((given == HOLDOUT).any()), bool((given == TEST).any())
        return cls(dataset.name, rows, given, 0.0 if has_holdout else holdout, 0.0 if has_test else test)

    @property
    def drawn(self) -> bool:
        """Whether rows are to be drawn from this dataset's train rows."""
        return self.given is None or self.holdout > 0 or self.test > 0


def assign_splits(
    choices: Sequence[SplitChoice],
    component: NDArray[np.int64],
    dataset_of: NDArray[np.int16],
    strata: NDArray[np.int64] | None,
    seed: int,
) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    """The split of every row, ``(N,)``, and notes for the user.

    Given values stay. A drawn row follows the given rows of its component: a copy of a test row is never held
    out. All other components are drawn as a whole, in proportion within each stratum.

    >>> choice = SplitChoice("d", slice(0, 4), None, 0.5, 0.0)
    >>> split, notes = assign_splits([choice], np.array([0, 1, 2, 0]), np.zeros(4, np.int16), None, seed=0)
    >>> bool(split[0] == split[3]), np.bincount(split).tolist()
    (True, [2, 2])
    """
    split = np.zeros(len(component), np.int8)
    free = np.zeros(len(component), bool)
    for c in choices:
        split[c.rows] = TRAIN if c.given is None else c.given
        free[c.rows] = c.drawn & (split[c.rows] == TRAIN)
    fixed = _held_by_given(split, free, component)
    no_column = np.array([c.given is None for c in choices], bool)[dataset_of] if choices else free
    bound = free & (fixed[component] >= 0)
    wanted = fixed[component[bound]]
    split[bound] = np.where((wanted == TEST) & ~no_column[bound], TRAIN, wanted)
    rows = np.flatnonzero(free & ~bound)
    if len(rows):
        split[rows] = _draw(
            choices, component[rows], dataset_of[rows], None if strata is None else strata[rows], seed
        )
    return split, _notes(choices, split, component)


def _given(dataset: Dataset, column: str) -> NDArray[np.int8]:
    if column not in dataset.table.column_names:
        hint = nearest(column, dataset.table.column_names)
        raise DataError(f"dataset {dataset.name}: no split column {column!r}{hint}")
    encoded = dataset.table.column(column).combine_chunks()
    encoded = (encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    codes = [SPLIT_NAMES.get(str(v).strip().lower()) for v in values]
    odd = [v for v, code in zip(values, codes, strict=True) if code is None]
    if odd:
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise DataError(
            f"dataset {dataset.name}: split column {column!r} holds "
            f"{', '.join(repr(v) for v in odd[:5])}{more}; known: "
            f"{', '.join(SPLIT_NAMES)}, and empty for train"
        )
    table = np.array([*codes, TRAIN], np.int8)
    return table[np.asarray(encoded.indices.fill_null(len(codes)))]


def _held_by_given(
    split: NDArray[np.int8], free: NDArray[np.bool_], component: NDArray[np.int64]
) -> NDArray[np.int8]:
    """The strictest given split in each component (test, then holdout, then train), -1 where nothing is "
    "given."""
    held = np.full(int(component.max(initial=-1)) + 1, -1, np.int8)
    for code in (TRAIN, HOLDOUT, TEST):
        held[component[~free & (split == code)]] = code
    return held


def _draw(
    choices: Sequence[SplitChoice],
    component: NDArray[np.int64],
    dataset_of: NDArray[np.int16],
    strata: NDArray[np.int64] | None,
    seed: int,
) -> NDArray[np.int64]:
    component = np.unique(component, return_inverse=True)[1]
    cells = np.stack(
        [dataset_of.astype(np.int64), np.zeros(len(component), np.int64) if strata is None else strata]
    )
    kinds, stratum, counts = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    shares = np.array([[1.0 - c.holdout - c.test, c.holdout, c.test] for c in choices])
    targets = counts[:, None] * shares[kinds[0]]
    allowed = np.ones((int(component.max()) + 1, 3), bool)
    for part in (HOLDOUT, TEST):
        allowed[component[shares[dataset_of, part] == 0], part] = False
    return partition(component, stratum.ravel(), targets, np.random.default_rng(seed), allowed)


def _notes(
    choices: Sequence[SplitChoice], split: NDArray[np.int8], component: NDArray[np.int64]
) -> tuple[str, ...]:
    notes = []
    n = int(component.max(initial=-1)) + 1
    has = {code: np.zeros(n, bool) for code in (TRAIN, HOLDOUT, TEST)}
    for code, mask in has.items():
        mask[component[split == code]] = True
    for c in choices:
        mine, where = split[c.rows], component[c.rows]
        for code, word in ((TEST, "test"), (HOLDOUT, "holdout")):
            copies = int((has[TRAIN][where] & (mine == code)).sum())
            if copies:
                notes.append(
                    f"dataset {c.name}: {copies:,} of {int((mine == code).sum()):,} {word} rows share their "
                    f"inputs or group "
                    f"with train rows, so {word} scores look better than they are"
                )
        if c.drawn and c.holdout > 0 and not (mine == HOLDOUT).any():
            notes.append(f"dataset {c.name}: no rows could be held out: they are too few, or belong together")
    return tuple(notes)
