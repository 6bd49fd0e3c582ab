"""Weights that multiply rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from jointset.weighting.gramian.graph import kind, saved
from jointset.weighting.gramian.layer import Layer, Use, kernel_gramian, kernel_row_gramian, precise

ROWS = {"AddmmBackward0": "mat1", "MmBackward0": "self"}  # what holds the rows, by the name of the product
SLOT = {"AddmmBackward0": 2, "MmBackward0": 1}  # where the weight stands
TRAFFIC = 64  # multiplications that take as long as reading and writing a number


class Linear(Layer):
    """y = a Wᵀ + b.

    The gradient of W is dᵀ a. Two of them have the inner product ⟨d_iᵀ a, d_jᵀ a⟩ = ⟨(a aᵀ) d_i, d_j⟩, which takes
    R² instead of R · in multiplications an output; the bias adds 1 to every entry of a aᵀ.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, uses: Sequence[Use]) -> None:
        self.weight, self.bias = weight, bias
        self.parameters = (weight,) if bias is None else (weight, bias)
        self.nodes = tuple(u.node for u in uses)
        self.turned = uses[0].turned  # W is (out, in), as in nn.Linear; otherwise (in, out)
        parts = [precise(saved(n, ROWS[kind(n)])) for n in self.nodes]
        self.inputs = parts[0] if len(parts) == 1 else torch.cat(parts)  # (R, in)
        self.size = (len(self.inputs), weight.shape[0 if self.turned else 1])

    @staticmethod
    def fits(uses: Sequence[Use]) -> bool:
        """Whether all uses are such products."""
        return len({u.turned for u in uses}) == 1 and all(
            SLOT.get(kind(u.node)) == u.slot
            and (kind(u.node) == "MmBackward0" or saved(u.node, "alpha") == saved(u.node, "beta") == 1)
            for u in uses
        )

    def worthwhile(self, tasks: int) -> bool:
        """See :meth:`Layer.worthwhile`; counts multiplications, and numbers that are read and written."""
        (rows, out), width = self.size, self.inputs.shape[1]
        deltas = tasks * rows * out * (rows * 5 / 8 + tasks + TRAFFIC) + rows * width * (rows + out)
        return deltas < tasks * width * out * (rows + tasks + TRAFFIC)

    def worthwhile_by_row(self, tasks: int, passes: int) -> bool:
        """See :meth:`Layer.worthwhile_by_row`."""
        (rows, out), width = self.size, self.inputs.shape[1]
        deltas = passes**2 * rows**2 * (width + out) * 5 / 8 + rows * width * out
        return deltas < width * out * (passes * rows + tasks * (tasks + TRAFFIC))

    def gramian(self, deltas: Tensor) -> Tensor:
        """See :meth:`Layer.gramian`."""
        return kernel_gramian(self.kernel, deltas)

    def row_gramian(self, deltas: Tensor, groups: Tensor, tasks: int) -> Tensor:
        """See :meth:`Layer.row_gramian`."""
        return kernel_row_gramian(self.kernel, deltas, groups, tasks)

    def kernel(self, at: slice, on: slice) -> Tensor:
        """A block of a aᵀ, or of a aᵀ + 1 with a bias."""
        block = self.inputs[at] @ self.inputs[on].T
        return block if self.bias is None else block.add_(1.0)

    def gradients(self, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Layer.gradients`."""
        yield self.weight, delta.T @ self.inputs if self.turned else self.inputs.T @ delta
        if self.bias is not None:
            yield self.bias, delta.sum(0)
