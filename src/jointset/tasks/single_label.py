"""What binary and multiclass share: one of K classes, and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.metrics import default_metric
from jointset.records import Strings, Task
from jointset.tasks.base import Counts, Encoded, LabelOptions, LabelSource, TaskKind
from jointset.tasks.classes import encode_classes, read_known
from jointset.tasks.losses.base import Seen
from jointset.tasks.losses.table import class_loss
from jointset.tasks.sampling import log_factors

if TYPE_CHECKING:
    from torch import Tensor


class SingleLabel(TaskKind):
    """One of K exclusive classes."""

    most: ClassVar[int | None] = None

    def encode(self, name: str, sources: Sequence[LabelSource], options: LabelOptions) -> Encoded:
        """See :meth:`TaskKind.encode`."""
        classes, labels, notes = encode_classes(name, sources, options, most=self.most)
        task = Task(name, self.kind, classes, weight=options.weight, notes=notes)
        metric = options.metric or default_metric(task, np.concatenate(list(labels.values())))
        task = Task(name, self.kind, classes, weight=options.weight, metric=metric, notes=notes)
        return Encoded(task, labels, notes)

    def read(self, task: Task, source: LabelSource, options: LabelOptions) -> NDArray[Any]:
        """See :meth:`TaskKind.read`."""
        return read_known(task, source)

    def decode(self, task: Task, labels: NDArray[Any]) -> Strings:
        """See :meth:`TaskKind.decode`."""
        return np.array([*task.classes, ""], object)[labels]

    def count(self, task: Task, labels: NDArray[Any]) -> Counts:
        """Labels by class, ``(K,)``."""
        return np.bincount(labels[labels >= 0], minlength=task.n_outputs).astype(np.int64)

    def start(self, task: Task, seen: Seen) -> Tensor:
        """See :meth:`TaskKind.start`."""
        found = class_loss(task).start(seen)
        return found + log_factors(task, seen.counts) if task.sampling else found

    def loss(self, task: Task, logits: Tensor, labels: Tensor, weights: Tensor, seen: Seen) -> Tensor:
        """The loss of softmax, averaged with the labels' weights over labelled rows."""
        rows = class_loss(task).values(logits, labels.clamp(min=0), seen)  # (b,)
        used = weights * (labels >= 0)
        return (rows * used).sum() / used.sum().clamp(min=1e-8)

    def calibrated(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """See :meth:`TaskKind.calibrated`."""
        found = class_loss(task).calibrated(logits, seen)
        return found - log_factors(task, seen.counts) if task.sampling else found

    def outputs(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """Softmax, ``(b, K)``."""
        return self.calibrated(task, logits, seen).softmax(-1)

    def decisions(self, task: Task, logits: Tensor, seen: Seen) -> Tensor:
        """Softmax, ``(b, K)``."""
        return class_loss(task).decided(logits, seen).softmax(-1)

    def vector(self, task: Task, labels: Tensor, outputs: Tensor, *, fill: bool) -> Tensor:
        """One entry per class, and its difference from the probability, ``(b, 2K)``."""
        import torch
        import torch.nn.functional as F

        known = (labels >= 0)[:, None]
        hot = F.one_hot(labels.clamp(min=0), task.n_outputs).to(outputs.dtype)
        return torch.cat([torch.where(known, hot, outputs * fill), (hot - outputs) * known], 1)
