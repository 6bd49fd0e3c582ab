"""The settings of training, as plain values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jointset.weighting.make import of_tasks


@dataclass(frozen=True)
class TrainSettings:
    """How the joint model is trained; the meaning of each field is in the configuration reference.

    ``watch`` names the one task whose held-out score stops the training; empty, it is the mean over tasks.
    """

    epochs: int = 40
    batch_size: int | None = None
    learning_rate: float = 1e-3
    sparse_learning_rate: float = 1.5e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    patience: int = 3
    stop_by_task: bool = False
    temperature: float = 1.0
    cap: int | None = None
    weighting: str | Mapping[str, Any] = "fixed"
    gramian: str = "auto"
    mixup: float = 1.0
    average: float = 0.97
    checkpoint_seconds: float = 60.0
    watch: str = ""

    def batch(self, rows: int) -> int:
        """Rows of a batch; when not set, a power of two near a 64th of the training rows, between 16 and 256.

        >>> TrainSettings().batch(1000), TrainSettings().batch(100_000)
        (16, 256)
        """
        return self.batch_size or int(2 ** min(max(round(math.log2(max(rows, 1) / 64)), 4), 8))

    def of(self, tasks: Collection[str]) -> TrainSettings:
        """The same for a training of some of the tasks.

        >>> TrainSettings(weighting={"method": "fixed", "weights": {"a": 1.0, "b": 2.0}}).of(["b"]).weighting
        {'method': 'fixed', 'weights': {'b': 2.0}}
        """
        watch, weighting = self.watch if self.watch in tasks else "", self.weighting
        if not isinstance(weighting, str):
            weighting = of_tasks(weighting["method"], weighting, tasks)
        return replace(self, watch=watch, weighting=weighting)
