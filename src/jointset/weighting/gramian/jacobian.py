"""The task gradients themselves, for methods that mix them entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from jointset.weighting.gramian.graph import leaf_of
from jointset.weighting.gramian.layer import widest
from jointset.weighting.gramian.layers import flatten, split
from jointset.weighting.gramian.memory import Memory
from jointset.weighting.gramian.passes import Passes


class Jacobian:
    """``matrix`` ``(K, P)``: a full backward pass a task, over all P numbers of ``parameters``, in their order.

    Columns stay where they are from step to step, also those of parameters that a step does not reach and those of
    tables with sparse gradients: a method may keep a state of the same shape.
    """

    def __init__(self, passes: Passes, tasks: int, parameters: Sequence[Tensor], memory: Memory) -> None:
        self.parameters = list(parameters)
        leaves = [p for n in passes.shared if (p := leaf_of(n)) is not None]
        shape = (tasks, sum(p.numel() for p in parameters))
        self.matrix = memory.take("gradients", shape, widest(parameters))
        for k in range(tasks):
            grads = passes.run(k, leaves, last=k == tasks - 1)
            known = {id(p): g for p, g in zip(leaves, grads, strict=True)}
            known |= {id(p): g for p, g in passes.alone.get(k, ())}
            flatten(self.parameters, [known.get(id(p)) for p in self.parameters], self.matrix[k])

    def scattered(self, combined: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The parameters with their parts of a combined gradient ``(P,)``."""
        return split(self.parameters, combined)
