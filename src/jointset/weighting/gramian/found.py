"""What a way to the Gramian hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from jointset.weighting.gramian.passes import Passes


class Found(ABC):
    """The Gramian, and what is needed to form Σ w_k g_k without going through the graph again.

    ``gramian`` ``(K, K)``; ``way`` names how it was found. ``formed`` counts the numbers of those parameters whose K
    gradients were formed after all, by what uses them: that is exact as well, and costs K times their memory.
    """

    way: str
    passes: Passes
    gramian: Tensor
    formed: Mapping[str, int] = {}

    @abstractmethod
    def combined(self, weights: Tensor, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Shared parameters with Σ w_k g_k over ``tasks``, the ``weights`` ``(len(tasks),)`` in their order.

        A parameter may occur more than once; its gradients then add up.
        """
