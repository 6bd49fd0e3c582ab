"""How the loss bends around a model, layer by layer, so that a gradient can be turned into a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse

from jointset.interpret.gradients import RowGradients
from jointset.records import Floats, Ints

DAMPING = 0.1
CELLS = 1 << 23  # numbers that are held at once
SPARSE = (
    100.0  # times the damping, of a bag of n-grams: most are so rare that their own curvature says nothing
)


@dataclass(frozen=True, eq=False)
class Direction:
    """A gradient or a step of one layer, ``(in, out)``: ``values`` ``(c, out)`` at the rows ``columns`` ``(c,)``, or at
    all, less the outer product of ``along`` ``(in,)`` and ``back`` ``(out,)`` where there is one.

    Tables of n-grams have a million rows, of which a sample touches few.
    """

    values: Floats
    columns: Ints | None = None
    along: Floats | None = None
    back: Floats | None = None

    def dot(self, inputs: Any, deltas: Any) -> Floats:
        """Inner products with gradients δ_i h_iᵀ of rows, ``(n,)``."""
        made = np.asarray((inputs if self.columns is None else inputs[:, self.columns]) @ self.values)
        if self.along is not None:
            made = made - np.outer(inputs @ self.along, self.back)  # type: ignore[arg-type]
        return np.asarray((made * deltas).sum(1, dtype=np.float64))


def products(inputs: Any, deltas: Any, directions: Sequence[Direction]) -> Floats:
    """Inner products of the gradients δ_i h_iᵀ of n rows with T directions, ``(T, n)``; dense ones all at once."""
    if sparse.issparse(inputs):
        return np.stack([d.dot(inputs, deltas) for d in directions])
    together = np.concatenate([d.values for d in directions], axis=1, dtype=inputs.dtype)  # (in, T · out)
    size = max(1, CELLS // together.shape[1])
    found = np.empty((len(directions), len(deltas)))
    for start in range(0, len(deltas), size):
        rows = slice(start, start + size)
        made = (inputs[rows] @ together).reshape(-1, len(directions), deltas.shape[1])
        found[:, rows] = np.einsum("nto,no->tn", made, deltas[rows], dtype=np.float64)
    return found


def mean_direction(inputs: Any, deltas: Any) -> Direction:
    """The mean gradient of rows."""
    rows = max(len(deltas), 1)
    if not sparse.issparse(inputs):
        return Direction(np.asarray((inputs.T @ deltas) / rows))
    columns = np.unique(inputs.indices).astype(np.int64)
    return Direction(np.asarray(inputs[:, columns].T @ deltas) / rows, columns)


@dataclass(frozen=True, eq=False)
class Factors:
    """The curvature of one layer as A ⊗ S: of what goes in, A = E[h hᵀ] ``(in, in)``, and of what comes back,
    S = E[δ δᵀ] ``(out, out)`` (Martens and Grosse 2015, eq. 8), both damped.

    For a bag of n-grams A is the diagonal of variances, ``incoming`` ``(in,)``, plus the outer product of the ``mean``.
    """

    incoming: Floats
    outgoing: Floats
    mean: Floats | None = None

    def step(self, gradient: Direction) -> Direction:
        """A⁻¹ G S⁻¹ of a gradient G."""
        if self.mean is None:
            return Direction(self._back(linalg.cho_solve(self._inwards, gradient.values)))
        at = slice(None) if gradient.columns is None else gradient.columns
        half = gradient.values / self.incoming[at][:, None]  # (D + m mᵀ)⁻¹ by Sherman and Morrison
        along = self.mean / self.incoming
        back = (self.mean[at] @ half) / (1.0 + self.mean @ along)
        return Direction(self._back(half), gradient.columns, along, self._back(back[None])[0])

    def _back(self, half: Floats) -> Floats:
        return np.asarray(linalg.cho_solve(self._outwards, half.T).T)

    @cached_property
    def _inwards(self) -> Any:
        return linalg.cho_factor(self.incoming)

    @cached_property
    def _outwards(self) -> Any:
        return linalg.cho_factor(self.outgoing)


def factors(found: Sequence[RowGradients], *, damping: float = DAMPING) -> dict[str, Factors]:
    """The curvature of every layer over the rows of all of ``found``; 0 < ``damping``, a share of the mean eigenvalue.

    >>> one = RowGradients({"head": np.ones((4, 1))}, {"head": np.array([[1.0, 0], [1, 1], [1, 0], [1, 1]])})
    >>> factors([one], damping=1e-9)["head"].step(Direction(np.array([[1.0], [0.0]]))).values.round(3).ravel().tolist()
    [2.0, -2.0]
    """
    parts: dict[str, list[tuple[Any, Any]]] = {}
    for one in found:
        for name, delta in one.deltas.items():
            if len(delta):
                parts.setdefault(name, []).append((one.inputs[name], delta))
    return {name: _of_layer(own, damping) for name, own in parts.items()}


def steps(gradients: Mapping[str, Direction], curvature: Mapping[str, Factors]) -> dict[str, Direction]:
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
