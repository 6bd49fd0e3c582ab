"""What every way of sharing is: one vector per row in, one vector per row and task out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Sharing(nn.Module, ABC):
    """The structure between the encoders and the heads.

    Parameters
    ----------
    tasks : names of the tasks.
    width : features of a row, at the input and, for every task, at the output.
    depth : layers.
    dropout : share of features dropped while training, in [0, 1).
    """

    def __init__(self, tasks: Sequence[str], *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(b, width)`` → task → ``(b, width)``."""

    @abstractmethod
    def embedding(self, features: dict[str, Tensor]) -> Tensor:
        """The row's joint embedding, ``(b, width)``, out of what ``forward`` returned."""
