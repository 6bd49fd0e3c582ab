"""How the loss bends around a model, layer by layer, so that a gradient can be turned into a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from jointset.interpret.gradients import RowGradients
from jointset.records import Floats

DAMPING = 0.1
SPARSE = (
    100.0  # times the damping, of a bag of n-grams: most are so rare that their own curvature says nothing
)


@dataclass(frozen=True, eq=False)
class Factors:
    """The curvature of one layer as A ⊗ S: of what goes in, A = E[h hᵀ] ``(in, in)``, and of what comes back,
    S = E[δ δᵀ] ``(out, out)`` (Martens and Grosse 2015, eq. 8), both damped.

    For a bag of n-grams A is the diagonal of variances plus the mean's outer product: ``variance`` ``(in,)``, ``mean``.
    """

    incoming: Floats
    outgoing: Floats
    mean: Floats | None = None

    def step(self, gradient: Floats) -> Floats:
        """A⁻¹ G S⁻¹ of a gradient G ``(in, out)``."""
        if self.mean is None:
            half = linalg.solve(self.incoming, gradient, assume_a="pos")
        else:  # (D + m mᵀ)⁻¹ by Sherman and Morrison
            half, along = gradient / self.incoming[:, None], self.mean / self.incoming
            half -= np.outer(along, self.mean @ half) / (1.0 + self.mean @ along)
        return np.asarray(linalg.solve(self.outgoing, half.T, assume_a="pos").T)


def factors(found: Sequence[RowGradients], *, damping: float = DAMPING) -> dict[str, Factors]:
    """The curvature of every layer over the rows of all of ``found``; 0 < ``damping``, a share of the mean eigenvalue.

    >>> one = RowGradients({"head": np.ones((4, 1))}, {"head": np.array([[1.0, 0], [1, 1], [1, 0], [1, 1]])})
    >>> factors([one], damping=1e-9)["head"].step(np.array([[1.0], [0.0]])).round(3).ravel().tolist()
    [2.0, -2.0]
    """
    parts: dict[str, list[tuple[Any, Any]]] = {}
    for one in found:
        for name, delta in one.deltas.items():
            if len(delta):
                parts.setdefault(name, []).append((one.inputs[name], delta))
    return {name: _of_layer(own, damping) for name, own in parts.items()}


def steps(gradients: Mapping[str, Any], curvature: Mapping[str, Factors]) -> dict[str, Any]:
    """The step of every layer whose curvature is known."""
    return {n: curvature[n].step(g) for n, g in gradients.items() if n in curvature}


def _of_layer(parts: Sequence[tuple[Any, Any]], damping: float) -> Factors:
    rows = sum(len(d) for _, d in parts)
    outgoing = sum(np.asarray(d, np.float64).T @ d for _, d in parts) / rows
    if not sparse.issparse(parts[0][0]):
        incoming = sum(np.asarray(x, np.float64).T @ x for x, _ in parts) / rows
        return Factors(_damped(incoming, damping), _damped(outgoing, damping))
    mean = np.asarray(sum(np.asarray(x.sum(axis=0), np.float64).ravel() for x, _ in parts)) / rows
    square = (
        np.asarray(sum(np.asarray(x.multiply(x).sum(axis=0), np.float64).ravel() for x, _ in parts)) / rows
    )
    seen = square[square > 0]
    level = float(seen.mean()) if len(seen) else 1.0
    variance = np.maximum(square - mean**2, 0.0) + SPARSE * damping * level
    return Factors(variance, _damped(outgoing, damping), mean)


def _damped(matrix: Floats, damping: float) -> Floats:
    size = len(matrix)
    level = float(np.trace(matrix)) / size
    return np.asarray(matrix + (damping * level if level > 0 else 1.0) * np.eye(size))
