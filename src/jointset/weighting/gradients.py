"""Gradients as they stand in ``.grad``."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn.utils import get_total_norm

from jointset.weighting.gramian.graph import edge_of, leaf_of


def finite(gradients: Iterable[Tensor | None]) -> bool:
    """Whether no entry is infinite or no number.

    >>> finite([torch.ones(2), None]), finite([torch.ones(2), torch.tensor([float("nan")])])
    (True, False)
    """
    dense = [g._values() if g.is_sparse else g for g in gradients if g is not None]
    if not dense or math.isfinite(float(get_total_norm([g.detach() for g in dense]))):
        return True
    return all(bool(g.isfinite().all()) for g in dense)  # a sum of squares may be infinite where no entry is


def accumulate(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Add gradients to what ``.grad`` of the parameters holds.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> accumulate([(w, torch.ones(2)), (w, torch.ones(2))])
    >>> w.grad
    tensor([2., 2.])
    """
    taken: set[int] = set()
    with torch.no_grad():
        for parameter, grad in pairs:
            grad = grad.detach().to(parameter.dtype)
            if parameter.grad is None:
                parameter.grad = _own(grad, taken)
            elif parameter.grad.is_sparse or grad.is_sparse:
                parameter.grad = grad + parameter.grad if parameter.grad.is_sparse else parameter.grad + grad
            else:
                parameter.grad += grad


def _own(grad: Tensor, taken: set[int]) -> Tensor:
    """A gradient that no other parameter has and that can be added to: autograd gives both addends of a sum the same
    tensor, and an expanded one where all of its entries are alike."""
    if grad.is_sparse:
        return grad
    if grad.is_contiguous() and grad.data_ptr() not in taken:
        taken.add(grad.data_ptr())
        return grad
    return grad.clone(memory_format=torch.contiguous_format)


def leaves_of(*losses: Tensor) -> list[Tensor]:
    """The tensors whose ``.grad`` a backward pass of ``losses`` fills.

    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1)
    >>> leaves_of((a * b).sum()) == [a]
    True
    """
    stack: list[Node | None] = [edge_of(loss).node for loss in losses]
    seen: set[Node] = set()
    found = []
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            leaf = leaf_of(node)
            found += [] if leaf is None else [leaf]
            stack += [n for n, _ in node.next_functions]
    return found
