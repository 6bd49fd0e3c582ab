"""Frozen records that the stages hand each other; columnar where rows are many.

Arrays of labels have one form per kind of task, everywhere in the library:

| kind | array | missing |
|---|---|---|
| binary, multiclass | ``(n,) int64`` class codes ``0 … K-1`` | ``-1`` |
| multilabel | ``(n, K) int8`` of 0 and 1 | ``-1``, entry by entry |
| regression | ``(n,) float64`` in the unit of the data | ``NaN`` |

Predicted probabilities are ``(n, K) float32`` for binary (K = 2) and multiclass (rows sum to one), ``(n, K)`` of
independent probabilities for multilabel, and ``(n, 1)`` predicted values for regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Kind = Literal["binary", "multiclass", "multilabel", "regression"]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Strings = NDArray[np.object_]
Self = TypeVar("Self", bound="Columns")

TRAIN, HOLDOUT, TEST = 0, 1, 2
SPLITS = ("train", "holdout", "test")

ACTIONS = ("relabel", "fill", "drop", "weight", "add")
STATUSES = ("proposed", "accepted", "rejected", "undone")
ISSUE_CODES = (
    "label_error",
    "missing_label",
    "contradiction",
)  # of labels; jointset.audit.codes has them all


@dataclass(frozen=True)
class Task:
    """What is predicted.

    ``classes`` are the label names in code order (empty for regression); ``unit`` and ``scale`` (mean, standard
    deviation of the training labels) belong to regression; ``weight`` is the ω_t of the total loss. ``loss`` holds
    the name and the options of the loss (empty: the kind's default), ``sampling`` how rows are drawn (empty: evenly).
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    unit: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    weight: float = 1.0
    metric: str = ""
    notes: tuple[str, ...] = ()
    loss: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """Width of the task's predicted array: K, or 1 for regression."""
        return len(self.classes) if self.classes else 1

    def missing(self, n: int) -> NDArray[Any]:
        """An all-missing label array for ``n`` rows."""
        if self.kind == "regression":
            return np.full(n, np.nan)
        if self.kind == "multilabel":
            return np.full((n, len(self.classes)), -1, np.int8)
        return np.full(n, -1, np.int64)


def name_of(value: Any) -> str:
    """The class name of a raw value: whole numbers without a decimal point, booleans in lower case.

    >>> name_of(1.0), name_of(True), name_of("Yes ")
    ('1', 'true', 'Yes ')
    """
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def is_labelled(labels: NDArray[Any]) -> Bools:
    """Rows that carry a label, ``(n,) bool``; a multilabel row counts when any of its entries is known.

    >>> is_labelled(np.array([0, -1, 2]))
    array([ True, False,  True])
    """
    known = ~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0
    return np.asarray(known.any(axis=1) if known.ndim == 2 else known)


@dataclass(frozen=True, repr=False)
class Columns:
    """Base of the columnar records: every field is an array of the same length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __repr__(self) -> str:
        kinds = next((getattr(self, n) for n in ("action", "code") if hasattr(self, n)), np.empty(0))
        names, counts = np.unique(kinds.astype(str), return_counts=True)
        told = ", ".join(f"{k} {n:,}" for k, n in zip(names, counts, strict=True))
        return f"{type(self).__name__}({len(self):,} rows{': ' if told else ''}{told})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_pandas().to_html(max_rows=10)}"  # which escapes

    def take(self: Self, index: Ints | Bools) -> Self:
        """The rows selected by positions or by a mask, as a new record."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def with_columns(self: Self, **columns: NDArray[Any] | str | float | int) -> Self:
        """A copy with some columns replaced; a scalar fills the column."""
        current = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in columns.items():
            if not isinstance(value, np.ndarray):
                value = np.full(len(self), value, dtype=current[name].dtype)
            current[name] = value
        return type(self)(**current)

    @classmethod
    def concat(cls: type[Self], parts: list[Self]) -> Self:
        """One record out of several, in order."""
        if not parts:
            return cls.empty()
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    @classmethod
    def empty(cls: type[Self]) -> Self:
        """The record without rows."""
        return cls(**{f.name: np.empty(0, dtype=f.metadata["dtype"]) for f in fields(cls)})

    def to_arrow(self) -> pa.Table:
        """The record as an Arrow table."""
        import pyarrow as pa

        types = {"O": pa.string(), "f": pa.float64(), "i": pa.int64()}
        return pa.table(
            {
                f.name: pa.array(getattr(self, f.name), type=types[np.dtype(f.metadata["dtype"]).kind])
                for f in fields(self)
            }
        )

    @classmethod
    def from_arrow(cls: type[Self], table: pa.Table) -> Self:
        """The record held by an Arrow table of the same columns."""
        return cls(
            **{
                f.name: np.asarray(
                    table.column(f.name).to_numpy(zero_copy_only=False), dtype=f.metadata["dtype"]
                )
                for f in fields(cls)
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """The record as a pandas frame."""
        import pandas as pd

        return pd.DataFrame({f.name: getattr(self, f.name) for f in fields(self)})


def _text() -> Any:
    return field(metadata={"dtype": object})


def _float() -> Any:
    return field(metadata={"dtype": np.float64})


def _int() -> Any:
    return field(metadata={"dtype": np.int64})


@dataclass(frozen=True, repr=False)
class Issues(Columns):
    """Findings of the audit, one per row of the record.

    ``score`` is in [0, 1], 0 = surely bad. ``position`` is the class name for multilabel tasks, else ''. ``given``
    and ``suggested`` are label names ('' = none); ``confidence`` is P(suggestion is right); ``evidence`` is JSON.
    """

    code: Strings = _text()
    dataset: Strings = _text()
    row: Strings = _text()
    task: Strings = _text()
    position: Strings = _text()
    score: Floats = _float()
    given: Strings = _text()
    suggested: Strings = _text()
    confidence: Floats = _float()
    evidence: Strings = _text()


@dataclass(frozen=True, repr=False)
class Edits(Columns):
    """Changes to labels, proposed or decided.

    The address is dataset, row, task, position (class name of a multilabel task, else '') and annotator ('' now).
    ``old`` and ``new`` are label names ('' = missing); ``weight`` is the label's weight after the edit;
    ``confidence`` is P(this edit is right); ``expected_precision`` is that of the whole set it was chosen with.
    """

    round: Ints = _int()
    dataset: Strings = _text()
    row: Strings = _text()
    task: Strings = _text()
    position: Strings = _text()
    annotator: Strings = _text()
    action: Strings = _text()
    old: Strings = _text()
    new: Strings = _text()
    weight: Floats = _float()
    confidence: Floats = _float()
    expected_precision: Floats = _float()
    status: Strings = _text()
    reason: Strings = _text()


@dataclass(frozen=True)
class TaskVerdict:
    """The gate's comparison for one task: held-out metric before and after, paired interval of the difference.

    ``n`` rows judged; ``aside`` further labelled ones did not, as the training rows know them (copies, groups). Where
    the comparison was corrected for label noise, ``corrected_…`` are what decided, and NaN elsewhere.
    """

    task: str
    metric: str
    before: float
    after: float
    low: float
    high: float
    outcome: Literal["better", "same", "worse", "not judged"]
    n: int
    aside: int = 0
    corrected_before: float = float("nan")
    corrected_after: float = float("nan")
    corrected_low: float = float("nan")
    corrected_high: float = float("nan")


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on a set of edits."""

    accepted: bool
    progress: bool
    reason: str
    tasks: tuple[TaskVerdict, ...]


@dataclass(frozen=True)
class Predictions:
    """Cross-fitted predictions for every row of the pool: no row was seen by the model that predicted it.

    ``outputs[task]`` is ``(N, K)`` as described at the top of this module; ``embedding`` is ``(N, width)`` (each
    fold has a model, and so an embedding space, of its own: compare rows of one fold only); ``margin[task]`` is the
    ``(N,)`` area under the margin of the given label while training, averaged over epochs and over the folds that
    trained on the row, NaN where there is none (Pleiss et al. 2020, eq. 1); ``fold`` is ``(N,)``.
    """

    outputs: Mapping[str, Floats]
    embedding: Floats
    margin: Mapping[str, Floats]
    fold: Ints


@dataclass(frozen=True)
class Input:
    """An input of a row as people read it: a text, the text of a cell, or the path of a picture or a sound."""

    column: str
    modality: Literal["text", "tabular", "image", "audio"]
    value: str


@dataclass(frozen=True)
class Question:
    """An open edit as it is put to people outside of the review page.

    ``key`` is the edit's id in the ledger (minus that of a finding on a held-out row) and ``seen`` the ledger's last
    entry when the question was put. ``given`` and ``suggested`` are label names ('' = none); ``known`` maps, for
    multilabel, the classes of the row whose given entry is known to '0' or '1'. ``confidence`` and
    ``expected_precision`` are in [0, 1], NaN where there is none; ``evidence`` holds (what, value) pairs.
    """

    key: int
    seen: int
    round: int
    dataset: str
    row: str
    task: Task
    position: str
    action: str
    given: str
    suggested: str
    known: Mapping[str, str]
    confidence: float
    expected_precision: float
    inputs: tuple[Input, ...]
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """What a person said of a question in a file; nothing in it has been checked yet.

    ``where`` names file and line for messages. ``key`` is None for a label that no question was about, and ``seen`` is
    None where nobody knows what the person had seen. ``said`` is accept, keep, none, exclude, skip or a label's name.
    """

    where: str
    key: int | None
    dataset: str
    row: str
    task: str
    position: str
    suggested: str | None
    said: str
    reviewer: str = ""
    note: str = ""
    seen: int | None = None
