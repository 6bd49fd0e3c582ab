"""What every kind of task is: a reader of labels, a head, a masked loss, and a form of output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.errors import DataError
from jointset.records import Floats, Kind, Strings, Task

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn


@dataclass(frozen=True)
class LabelSource:
    """The raw labels of one task in one dataset.

    ``columns`` are the Arrow columns by name (several only for multilabel). ``mapping`` turns raw values into
    class names, ``None`` when nothing is mapped. ``missing`` are the declared sentinels.
    """

    dataset: str
    columns: Mapping[str, pa.Array | pa.ChunkedArray]
    mapping: Mapping[Any, Any] | None = None
    missing: tuple[Any, ...] = ()

    @property
    def where(self) -> str:
        """How messages name this place."""
        return f"dataset {self.dataset!r}, column {', '.join(map(repr, self.columns))}"


@dataclass(frozen=True)
class LabelOptions:
    """What the configuration says of a task's labels."""

    classes: tuple[str, ...] = ()
    separator: str | None = None
    unit: str = ""
    weight: float = 1.0
    metric: str | None = None


@dataclass(frozen=True)
class Encoded:
    """A task with the encoded labels of each dataset that has any; ``notes`` say what encoding did."""

    task: Task
    labels: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = field(default=())


class TaskKind(ABC):
    """One kind of task."""

    kind: ClassVar[Kind]

    @abstractmethod
    def encode(self, name: str, sources: Sequence[LabelSource], options: LabelOptions) -> Encoded:
        """Check and encode the raw labels of every dataset.

        Raises :class:`~jointset.errors.DataError`, one line, when the labels cannot be what the kind says.
        """

    @abstractmethod
    def read(self, task: Task, source: LabelSource, options: LabelOptions) -> NDArray[Any]:
        """The labels of one source under a task whose classes are known; a class it does not know is missing."""

    @abstractmethod
    def decode(self, task: Task, labels: NDArray[Any]) -> Strings:
        """Encoded labels ``(n,)`` as label names, '' where missing."""

    @abstractmethod
    def head(self, task: Task, width: int) -> nn.Module:
        """The output layer: ``(b, width)`` → ``(b, outputs)``."""

    @abstractmethod
    def loss(
        self, task: Task, logits: Tensor, labels: Tensor, weights: Tensor, class_weights: Tensor
    ) -> Tensor:
        """Weighted mean of the loss over labelled rows, a scalar; zero without a labelled row.

        ``labels`` and ``weights`` are in the form of :mod:`jointset.records`; weight 0 masks a label.
        """

    @abstractmethod
    def outputs(self, task: Task, logits: Tensor) -> Tensor:
        """Logits as the output form of :mod:`jointset.records`: probabilities, or values in the task's unit."""

    def class_weights(self, task: Task, labels: NDArray[Any]) -> Floats:
        """Balanced class weights with mean 1 over the labelled rows, ``(K,)``: n / (K · n_k)."""
        counts = np.bincount(labels[labels >= 0], minlength=task.n_outputs).astype(np.float64)
        present = counts > 0
        weights = np.where(present, counts.sum() / (max(present.sum(), 1) * np.maximum(counts, 1)), 1.0)
        return weights.astype(np.float32)


def some_label(name: str, labels: Mapping[str, int]) -> None:
    """Raise unless some dataset has a label; ``labels`` counts them by dataset."""
    if not any(labels.values()):
        raise DataError(
            f"task {name!r}: no label in {', '.join(labels)}; every value is missing, unmapped or a declared sentinel: "
            "check the column, map and missing"
        )
