"""The Gramian of a step without taking the step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jointset.weighting.gramian.choose import find
from jointset.weighting.gramian.graph import read
from jointset.weighting.gramian.memory import Memory


def look(losses: Sequence[Tensor], shared: Sequence[Tensor], *, way: str, memory: Memory) -> Tensor:
    """⟨∇L_i, ∇L_j⟩ ``(K, K)`` with respect to ``shared``; the graph of the losses and every ``.grad`` stay as they are.

    ``way`` as of :func:`jointset.weighting.backward`.

    >>> w = torch.ones(2, requires_grad=True)
    >>> look([w[0] * 2, w.sum()], [w], way="layers", memory=Memory())
    tensor([[4., 2.],
            [2., 2.]])
    """
    graph = read(losses, shared, keep=True)
    found, _ = find(graph, losses, graph.boundary(), way=way, memory=memory)
    return found.gramian.detach()


def by_task(losses: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """The same from one backward pass a task, which is the cheapest where ``parameters`` are few and near the losses.

    >>> w = torch.ones(2, requires_grad=True)
    >>> by_task([w[0] * 2, w.sum()], [w])
    tensor([[4., 2.],
            [2., 2.]])
    """
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(parameters, found, strict=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs]))
    jacobian = torch.stack(rows)  # (task, parameter)
    return jacobian @ jacobian.T
