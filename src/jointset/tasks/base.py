"""What every kind of task is: a reader of labels, a head, a masked loss, and a form of output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.errors import DataError
from jointset.records import Kind, Strings, Task
from jointset.tasks.losses.base import Seen
from jointset.tasks.losses.table import make_loss

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from jointset.tasks.head import Head

Counts = NDArray[np.int64]


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
    def count(self, task: Task, labels: NDArray[Any]) -> Counts:
        """How many labels of each class there are, in the shape of :class:`~jointset.tasks.losses.base.Seen`."""

    def head(self, task: Task, width: int) -> Head:
        """The output layer of the task's loss: ``(b, width)`` → ``(b, outputs)``."""
        shape = self.count(task, task.missing(0)).shape
        return make_loss(task).head(width, task.n_outputs, shape)

    @abstractmethod
    def start(self, task: Task, seen: Seen) -> Tensor:
        """Logits ``(outputs,)`` for every input alike, from which training starts: what the labels' shares say.

        A head that begins at even odds spends its first epochs on learning that rare classes are rare (Lin et al.
        2017, sec. 3.3).
        """

    @abstractmethod
    def loss(self, task: Task, logits: Tensor, labels: Tensor, weights: Tensor, seen: Seen) -> Tensor:
        """Weighted mean of the loss over labelled rows, a scalar; zero without a labelled row.

        ``labels`` and ``weights`` are in the form of :mod:`jointset.records`; weight 0 masks a label. ``seen`` are the
        labels trained on.
        """

    @abstractmethod
    def calibrated(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """Logits of P(given | x), ``(b, K)``: without what the loss and the drawing of rows did to the shares of
        classes, which the audit would take for noise. The same as ``logits`` for plain cross-entropy."""

    @abstractmethod
    def outputs(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """Logits as the output form of :mod:`jointset.records`: P(given | x), or values in the task's unit."""

    @abstractmethod
    def decisions(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """What predictions are read off: as ``outputs``, but as the loss and the drawing of rows would have it."""

    @abstractmethod
    def vector(self, task: Task, labels: Tensor, outputs: Tensor, *, fill: bool) -> Tensor:
        """Labels as inputs of other tasks, ``(b, d)``: as they are, and how far they are from ``outputs`` ``(b, K)``.

        Zero where a label is missing; with ``fill``, the prediction stands in for it.
        """

    def vector_size(self, task: Task) -> int:
        """The width d of :meth:`vector`."""
        import torch

        labels, outputs = torch.from_numpy(task.missing(1)), torch.zeros(1, task.n_outputs)
        return int(self.vector(task, labels, outputs, fill=False).shape[1])


def some_label(name: str, labels: Mapping[str, int]) -> None:
    """Raise unless some dataset has a label; ``labels`` counts them by dataset."""
    if not any(labels.values()):
        raise DataError(
            f"task {name!r}: no label in {', '.join(labels)}; every value is missing, unmapped or a declared sentinel: "
            "check the column, map and missing"
        )
