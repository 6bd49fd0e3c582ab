"""What every weighting is: configuration in the object, what changes while training in a state that is passed along.

There are three kinds, by what a method has to see of a step:

| base | sees | returns |
|---|---|---|
| ``LossWeighting`` | the task losses | one scalar to minimise |
| ``GramianWeighting`` | inner products of the task gradients, ``(k, k)``, and the losses | a weight a task, ``(k,)`` |
| ``JacobianWeighting`` | the task gradients, ``(k, P)``, and the losses | the combined gradient, ``(P,)`` |

A method takes the first kind that its definition allows: the Gramian costs far less than the Jacobian
(:mod:`jointset.weighting.gramian`). Tasks that are absent from a step (no labelled row, a zero or a non-finite
gradient) are taken out before a method sees them: ``k`` counts those that are present, ``tasks`` names them, and the
state of the others stays as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

State = dict[str, Tensor]


class Weighting(ABC):
    """One way to combine the tasks at a step; see the three bases that follow.

    The object is configuration only; what changes while training is the state, a dict of tensors (named
    ``NAME.TASK`` where there is one a task) that is passed in and out and saved with a checkpoint. A state handed in is
    never written to. Entries that need the number of parameters are added by the first step; to go on from a
    checkpoint, put the saved entries in the place of those of ``init`` (in place, for those that require a gradient).
    """

    at_features: ClassVar[bool] = False
    """The method is meant for gradients at the shared features, not at the parameters."""

    @abstractmethod
    def init(self, tasks: Sequence[str]) -> State:
        """The state before the first step; ``{}`` for a method that keeps none."""


class LossWeighting(Weighting):
    """A weighting that is a function of the losses; state tensors that require a gradient train with the model."""

    @abstractmethod
    def step(self, losses: Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """The scalar to minimise and the next state; ``losses`` holds only tasks that are present."""


class GramianWeighting(Weighting):
    """A weighting that is a function of the Gramian of the task gradients, ``G[i, j] = <g_i, g_j>``."""

    samples: ClassVar[int] = 1
    """2 if the method is derived for ``G[i, j] = <g_i, g'_j>`` with g and g' of two independent batches; such a matrix
    is not symmetric, and these methods take it as it is. Out of one batch its diagonal is too large by the variance of
    the gradients."""

    @abstractmethod
    def weigh(
        self, gramian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """Weights ``(k,)`` of the tasks, so that the update is ``Σ w_i g_i``, and the next state.

        ``gramian`` ``(k, k)`` and ``losses`` ``(k,)`` carry no graph and stand in the order of ``tasks``.
        """


class JacobianWeighting(Weighting):
    """A weighting that needs the task gradients themselves."""

    along: ClassVar[tuple[str, ...]] = ()
    """Entries ``NAME.TASK`` of the state that hold a number for each of the shared parameters' numbers, ``(P,)``."""

    @abstractmethod
    def combine(
        self, jacobian: Tensor, losses: Tensor, tasks: Sequence[str], state: State
    ) -> tuple[Tensor, State]:
        """The combined gradient ``(P,)`` out of ``jacobian`` ``(k, P)``, and the next state."""
