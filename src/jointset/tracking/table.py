"""Trackers by name."""

from __future__ import annotations

from jointset.tracking.base import Tracker
from jointset.tracking.mlflow import MLflow
from jointset.tracking.tensorboard import TensorBoard
from jointset.tracking.wandb import WandB

TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}


def make_tracker(name: str) -> Tracker:
    """A tracker that has not started."""
    return TRACKERS[name]()
