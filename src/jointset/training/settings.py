"""The settings of training, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainSettings:
    """How the joint model is trained; the meaning of each field is in the configuration reference."""

    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    patience: int = 4
    temperature: float = 1.0
    cap: int | None = None
    weighting: str = "fixed"
    checkpoint_seconds: float = 60.0
