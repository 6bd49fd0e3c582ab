"""What a layer is to the Gramian: a parameter whose gradient is a known function of what arrives at its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import Node

from jointset.errors import ArrayError

BLOCKS = 4  # of rows; a symmetric product then costs 5/8 of the full one
LITTLE = 1 << 16  # numbers in deltas, of which a product takes no longer than three more calls


@dataclass(frozen=True)
class Use:
    """``node`` takes the parameter in its argument ``slot``, turned round where ``turned``."""

    node: Node
    slot: int
    turned: bool


class Layer(ABC):
    """One parameter (and its bias), used at one or several places of the graph.

    R counts the rows of its outputs, over all uses; O is the length of a row. A *delta* is the gradient that arrives
    there, ``(R, O)``; the gradient of the parameter is linear in it.
    """

    nodes: tuple[Node, ...]
    size: tuple[int, int]  # (R, O)
    parameters: tuple[Tensor, ...]

    @abstractmethod
    def worthwhile(self, tasks: int) -> bool:
        """Whether deltas are cheaper than as many gradients of the parameter."""

    def worthwhile_by_row(self, tasks: int, passes: int) -> bool:
        """The same where a pass carries one task a row."""
        return self.worthwhile(tasks)

    @abstractmethod
    def gramian(self, deltas: Tensor) -> Tensor:
        """Inner products ``(K, K)`` of the parameter's gradients out of ``deltas`` ``(K, R, O)``."""

    @abstractmethod
    def row_gramian(self, deltas: Tensor, groups: Tensor, tasks: int) -> Tensor:
        """The same out of ``deltas`` ``(P, R, O)`` whose row ``[p, r]`` is task ``groups[p, r]``'s; K = nobody's."""

    @abstractmethod
    def gradients(self, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The parameters with their gradients out of one ``delta`` ``(R, O)``."""

    def rows(self, arrived: Sequence[Tensor | None], *tasks: int) -> Tensor | None:
        """What arrived at the uses, each ``(*tasks, …)``, as one delta ``(*tasks, R, O)``; ``None`` if nothing did."""
        if all(a is None for a in arrived):
            return None
        if len(arrived) == 1:
            return arrived[0].reshape(*tasks, *self.size)  # type: ignore[union-attr]
        delta = precise(next(a for a in arrived if a is not None)).new_zeros(*tasks, *self.size)
        start = 0
        for node, part in zip(self.nodes, arrived, strict=True):
            n = rows_of(node, self.size[1])
            if part is not None:
                delta[..., start : start + n, :] = part.reshape(*tasks, n, -1)
            start += n
        return delta


def rows_of(node: Node, width: int) -> int:
    """Rows of a node's output whose last dimension is ``width`` long."""
    shape = node._input_metadata[0].shape
    return int(torch.Size(shape).numel()) // max(width, 1)


def precise(tensor: Tensor) -> Tensor:
    """At least float32: sums over many rows drown in a half-precision accumulator."""
    if tensor.is_complex():
        raise ArrayError(
            "weighting.backward: gradients of complex numbers would have to be compared; keep shared parameters, and "
            "what the heads read, in real numbers (torch.view_as_real), or choose a weighting on losses"
        )
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def widest(tensors: Sequence[Tensor]) -> Tensor:
    """One of them that holds the most precise numbers, in at least float32."""
    return precise(max(tensors, key=lambda t: (t.is_complex(), torch.finfo(t.dtype).bits)).detach())


def triangle(rows: int, most: int = BLOCKS) -> Iterator[tuple[slice, slice]]:
    """Blocks that cover the upper triangle of ``(rows, rows)``: rows, and columns from the block's first on."""
    step = max(-(-rows // most), 1)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows)), slice(start, rows)


def halve_diagonal(block: Tensor) -> Tensor:
    """The square at the left of a block of :func:`triangle`, halved in place: block + blockᵀ then counts it once."""
    block[:, : len(block)] *= 0.5
    return block


Kernel = Callable[[slice, slice], Tensor]  # a block of a symmetric matrix (R, R), made when it is asked for


def kernel_gramian(kernel: Kernel, deltas: Tensor) -> Tensor:
    """⟨A d_i, d_j⟩ for a symmetric ``kernel`` A and ``deltas`` ``(K, R, O)``.

    With U the upper triangle of A, its diagonal halved, A = U + Uᵀ and ⟨A d_i, d_j⟩ = ⟨U d_i, d_j⟩ + ⟨d_i, U d_j⟩:
    the second term is the first one transposed, so that half of the product is never formed.
    """
    k, rows, _ = deltas.shape
    if deltas.numel() < LITTLE:
        return torch.matmul(kernel(slice(None), slice(None)), deltas).reshape(k, -1) @ deltas.reshape(k, -1).T
    half = deltas.new_zeros(k, k)
    for at, on in triangle(rows):
        moved = torch.matmul(halve_diagonal(kernel(at, on)), deltas[:, on])  # (k, block, o)
        half += moved.reshape(k, -1) @ deltas[:, at].reshape(k, -1).T
    return half + half.T


def kernel_row_gramian(kernel: Kernel, deltas: Tensor, groups: Tensor, tasks: int) -> Tensor:
    """The same for ``deltas`` ``(P, R, O)`` of which row r of part p is task ``groups[p, r]``'s, and of no other.

    Σ A_rs ⟨d_r, d_s⟩ over the rows r of task i and s of task j; ``groups`` hold K for rows of no task.
    """
    parts, rows, _ = deltas.shape
    half = deltas.new_zeros(tasks + 1, tasks + 1)
    for p in range(parts):
        for at, on in triangle(rows):
            block = halve_diagonal(kernel(at, on).mul_(deltas[p, at] @ deltas[p, on].T))
            half += _summed(block, groups[p, at], groups[p, on], tasks + 1)
        for q in range(p + 1, parts):
            every = slice(0, rows)
            block = kernel(every, every).mul_(deltas[p] @ deltas[q].T)
            half += _summed(block, groups[p], groups[q], tasks + 1)
    return (half + half.T)[:tasks, :tasks]


def _summed(block: Tensor, rows: Tensor, columns: Tensor, n: int) -> Tensor:
    """A block summed by the groups of its rows and columns; sums, not products with 0 and 1: 0 · NaN is NaN."""
    by_column = block.new_zeros(len(block), n).index_add_(1, columns, block)
    return block.new_zeros(n, n).index_add_(0, rows, by_column)
