"""The Gramian at the shared features: the tasks' gradients where their paths meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from jointset.errors import ArrayError
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import Edge, leaf_of
from jointset.weighting.gramian.layer import precise
from jointset.weighting.gramian.passes import FromBoundary, Passes


class Features(Found):
    """⟨∂L_i/∂z, ∂L_j/∂z⟩ for the features z that the heads read (Sener & Koltun 2018, §3.3).

    All of it is one pass through the heads, a product of K × |z| numbers, and one pass through the trunk with the
    weighted sum. The Gramian is another one than that of the parameters: it bounds the latter up to the trunk's own
    Jacobian; the update is Σ w_k g_k exactly.
    """

    way = "features"

    def __init__(self, passes: Passes, edges: Sequence[Edge], tasks: int) -> None:
        self.passes = passes
        if isinstance(passes, FromBoundary):
            known = [d for d in passes.heads.by_task if d is not None]
        else:
            arrived = [passes.run(k, [GradientEdge(*e) for e in edges]) for k in range(tasks)]
            known = [d for e in range(len(edges)) if (d := stacked([row[e] for row in arrived])) is not None]
        if not known:
            raise ArrayError(
                "weighting.backward: no loss depends on the features; name the tensors that the heads read, or leave "
                "features out"
            )
        flat = [precise(d).flatten(1) for d in known]
        self.gramian = sum((f @ f.T for f in flat[1:]), start=flat[0] @ flat[0].T)
        for k, pairs in passes.alone.items():
            self.gramian[k, k] += sum(precise(g).square().sum() for _, g in pairs)

    def combined(self, weights: Tensor, tasks: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Found.combined`."""
        parameters = [p for n in self.passes.shared if (p := leaf_of(n)) is not None]
        grads = self.passes.total(weights, tasks, parameters)
        yield from ((p, g) for p, g in zip(parameters, grads, strict=True) if g is not None)
        for w, k in zip(weights, tasks, strict=True):
            yield from ((p, w * g) for p, g in self.passes.alone.get(k, ()))


def stacked(arrived: Sequence[Tensor | None]) -> Tensor | None:
    """``(K, …)`` of what arrived at one place; zeros for a task of which nothing did."""
    like = next((a for a in arrived if a is not None), None)
    if like is None:
        return None
    return torch.stack([torch.zeros_like(like) if a is None else a for a in arrived])
