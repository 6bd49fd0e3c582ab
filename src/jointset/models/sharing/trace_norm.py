"""Soft sharing by the trace norm of stacked layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart
from jointset.models.sharing.columns import Separate, alike
from jointset.models.sharing.options import Amount


class TraceNorm(Separate):
    """One network a task; the layers of all tasks, stacked, are drawn to a low rank (Yang & Hospedales 2017).

    The weights of a layer form a tensor (task, out, in, …). The penalty is strength · ‖W_(k)‖_*, the sum of the
    singular values of its unfolding along the tasks (last) or of all unfoldings (each: the Tucker form of the paper).
    Biases and norms are left free, and so are tables with sparse gradients.

    Parameters
    ----------
    strength : factor of the penalty.
    unfolding : ``last`` for (task, out · in) alone, or ``each``.
    encoders : separate unless they are heavy; see :class:`Sharing`.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        strength: Amount = 1e-3,
        unfolding: Literal["last", "each"] = "last",
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        self.strength = strength
        self.unfolding = unfolding

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`."""
        total = []
        for own in alike([list(self.layers), *encoders]):
            if own[0].ndim < 2:
                continue
            stacked = torch.stack(own)  # (task, out, in, …)
            axes = range(stacked.ndim if self.unfolding == "each" else 1)
            total += [trace_norm(stacked.movedim(axis, 0).flatten(1)) for axis in axes]
        return self.strength * torch.stack(total).sum()


def trace_norm(matrix: Tensor) -> Tensor:
    """The sum of the singular values of ``(m, n)``, with the subgradient U Vᵀ of least norm.

    It comes from the m × m Gram matrix, which costs less than the singular vectors and stands equal and zero singular
    values, the state that columns with the same weights start from.

    >>> round(trace_norm(torch.tensor([[3.0, 0.0], [0.0, -4.0]])).item(), 4)
    7.0
    """
    with torch.no_grad():
        exact = matrix.double()
        values, vectors = torch.linalg.eigh(exact @ exact.T)  # ascending
        kept = values > values[-1] * 1e-10
        root = torch.where(kept, values.clamp(min=1e-300).rsqrt(), torch.zeros_like(values))
        polar = (vectors * root @ vectors.T @ exact).to(matrix.dtype)  # U Vᵀ, (m, n)
    return (matrix * polar).sum()
