"""What a way to the Gramian hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import Tensor


class Found(ABC):
    """The Gramian, and what is needed to form Σ w_k g_k without going through the graph again.

    ``gramian`` ``(K, K)``; ``way`` names how it was found, ``notes`` what had to be done another way, and why.
    """

    way: str
    gramian: Tensor
    notes: tuple[str, ...] = ()

    @abstractmethod
    def combined(self, weights: Tensor, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Shared parameters with Σ w_k g_k over ``tasks``, the ``weights`` ``(len(tasks),)`` in their order.

        A parameter may occur more than once; its gradients then add up.
        """
