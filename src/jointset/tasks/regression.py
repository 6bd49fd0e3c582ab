"""Regression: a number, standardised for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.errors import DataError
from jointset.records import Floats, Kind, Strings, Task
from jointset.tasks.base import Counts, Encoded, LabelOptions, LabelSource, TaskKind, some_label
from jointset.tasks.losses.base import Seen
from jointset.tasks.losses.table import number_loss

if TYPE_CHECKING:
    from torch import Tensor


FAR = 4.0  # standard deviations; a gross error must not shout other tasks down


class Regression(TaskKind):
    """A real number in the task's unit; losses are those of the standardised target."""

    kind: ClassVar[Kind] = "regression"

    def encode(self, name: str, sources: Sequence[LabelSource], options: LabelOptions) -> Encoded:
        """See :meth:`TaskKind.encode`."""
        notes: list[str] = []
        labels = {s.dataset: _numbers(name, s, notes) for s in sources}
        some_label(name, {d: int((~np.isnan(a)).sum()) for d, a in labels.items()})
        known = np.concatenate(list(labels.values()))
        known = known[~np.isnan(known)]
        if np.all(known == known[0]):
            raise DataError(
                f"task {name!r}: all {len(known)} labels are {known[0]:g}; there is nothing to predict"
            )
        task = Task(
            name,
            self.kind,
            unit=options.unit,
            scale=(float(known.mean()), float(known.std())),
            weight=options.weight,
            metric=options.metric or "r2",
            notes=tuple(notes),
        )
        return Encoded(task, labels, tuple(notes))

    def read(self, task: Task, source: LabelSource, options: LabelOptions) -> NDArray[Any]:
        """See :meth:`TaskKind.read`."""
        return _numbers(task.name, source, [])

    def decode(self, task: Task, labels: NDArray[Any]) -> Strings:
        """Numbers as their shortest exact text."""
        return np.array(["" if np.isnan(v) else repr(float(v)) for v in labels], object)

    def count(self, task: Task, labels: NDArray[Any]) -> Counts:
        """A regression has no classes, ``(0,)``."""
        return np.zeros(0, np.int64)

    def start(self, task: Task, seen: Seen) -> Tensor:
        """See :meth:`TaskKind.start`: the mean."""
        import torch

        return torch.zeros(1)

    def loss(self, task: Task, logits: Tensor, labels: Tensor, weights: Tensor, seen: Seen) -> Tensor:
        """The loss on the standardised target, averaged over labelled rows."""
        mean, std = task.scale
        known = ~labels.isnan()
        target = ((labels.nan_to_num(mean) - mean) / std).to(logits.dtype)
        rows = number_loss(task).values(logits, target)  # (b,)
        used = weights * known
        return (rows * used).sum() / used.sum().clamp(min=1e-8)

    def calibrated(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """The standardised value, ``(b, 1)``."""
        return logits[:, :1]

    def outputs(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """Values in the task's unit, ``(b, 1)``."""
        mean, std = task.scale
        return logits[:, :1] * std + mean

    def decisions(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """The same as ``outputs``."""
        return self.outputs(task, logits, seen)

    def vector(self, task: Task, labels: Tensor, outputs: Tensor, *, fill: bool) -> Tensor:
        """The standardised value, whether there is one, and its difference from the prediction, ``(b, 3)``."""
        import torch

        mean, std = task.scale
        known = ~labels.isnan()
        value, expected = (
            ((v - mean) / std).clamp(-FAR, FAR).to(outputs.dtype)
            for v in (labels.nan_to_num(mean), outputs[:, 0])
        )
        there = torch.where(known, 1.0, float(fill))
        return torch.stack([torch.where(known, value, expected * fill), there, (value - expected) * known], 1)


def _numbers(name: str, source: LabelSource, notes: list[str]) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    where = f"task {name!r}, {source.where}"
    column = next(iter(source.columns.values()))
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    words = [m for m in source.missing if isinstance(m, str) and not _is_number(m)]
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        stripped = pc.utf8_trim_whitespace(array)
        empty = pc.is_in(stripped, value_set=pa.array(["", *words], stripped.type))
        array = pc.if_else(empty, pa.scalar(None, stripped.type), stripped)
    if source.mapping:
        raise DataError(f"{where}: map turns values into classes, and this task is a regression; remove map")
    try:
        values = np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        bad = next((v for v in array.to_pylist() if v is not None and not _is_number(v)), array.type)
        raise DataError(
            f"{where}: {bad!r} is no number; a regression needs numbers, or use kind: multiclass"
        ) from None
    sentinels = np.array([float(m) for m in source.missing if _is_number(m)])
    declared = np.isin(values, sentinels)
    if declared.any():
        notes.append(
            f"{source.dataset}: {int(declared.sum())} labels equal to a declared sentinel are missing"
        )
        values[declared] = np.nan
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(
            f"{where}: {int(np.isinf(values).sum())} infinite labels, first in row {row + 1}; remove or blank them"
        )
    negative = values < 0
    if not source.missing and negative.any() and np.all(values[negative] == -1) and (values == -1).sum() > 1:
        raise DataError(
            f"{where}: {int(negative.sum())} labels are -1 and no other is negative, which may mean missing; "
            f"say tasks.{name}.missing: -1, or missing: [null] if -1 is a value"
        )
    return values


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
