"""What every weighting is: task losses and a state in, one loss and the next state out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor

State = dict[str, Tensor]


class Weighting(ABC):
    """One way to combine the losses of the tasks at a step.

    The object is configuration only; what changes while training is the state, a dict of tensors that is passed in
    and out. State tensors that require a gradient are trained with the model.
    """

    @abstractmethod
    def init(self, tasks: Sequence[str]) -> State:
        """The state before the first step."""

    @abstractmethod
    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """The scalar to minimise and the next state; ``losses`` holds only tasks with a labelled row in the batch."""
