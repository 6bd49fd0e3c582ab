"""What binary and multiclass share: one of K classes, softmax and cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.metrics import default_metric
from jointset.records import Strings, Task
from jointset.tasks.base import Encoded, LabelOptions, LabelSource, TaskKind
from jointset.tasks.classes import encode_classes, read_known

if TYPE_CHECKING:
    from torch import Tensor, nn


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

    def head(self, task: Task, width: int) -> nn.Module:
        """A linear layer to K logits."""
        from torch import nn

        return nn.Linear(width, len(task.classes))

    def loss(
        self, task: Task, logits: Tensor, labels: Tensor, weights: Tensor, class_weights: Tensor
    ) -> Tensor:
        """Cross-entropy, averaged with the labels' weights over labelled rows."""
        import torch.nn.functional as F

        rows = F.cross_entropy(logits, labels.clamp(min=0), weight=class_weights, reduction="none")  # (b,)
        used = weights * (labels >= 0)
        return (rows * used).sum() / used.sum().clamp(min=1e-8)

    def outputs(self, task: Task, logits: Tensor) -> Tensor:
        """Softmax, ``(b, K)``."""
        return logits.softmax(-1)
