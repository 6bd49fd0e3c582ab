"""Rows' gradients in few dimensions: where they lie in the span of those of rows that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from jointset.interpret.gradients import RowGradients
from jointset.records import Floats

NOTHING = 1e-6  # of the greatest eigenvalue: directions that the drawn rows hardly span


def products(a: RowGradients, b: RowGradients) -> Floats:
    """⟨∇_i, ∇_j⟩ of rows i of ``a`` and j of ``b`` over the shared layers, ``(m, n)``: Σ ⟨δ_i, δ_j⟩ ⟨h_i, h_j⟩.

    Heads are left out: no two tasks share one.

    >>> one = RowGradients({"trunk": np.ones((2, 3)), "head": np.ones((2, 1))}, {"trunk": np.eye(2), "head": np.eye(2)})
    >>> products(one, one).tolist()
    [[3.0, 0.0], [0.0, 3.0]]
    """
    total = np.zeros((_rows(a), _rows(b)))
    for name, delta in a.deltas.items():
        if name != "head" and name in b.deltas:
            inputs: Any = a.inputs[name] @ b.inputs[name].T
            total += (delta @ b.deltas[name].T) * (inputs.toarray() if sparse.issparse(inputs) else inputs)
    return total


@dataclass(frozen=True, eq=False)
class Span:
    """An orthonormal basis of the gradients of the ``drawn`` rows, ``basis`` ``(rows, d)``: coordinates by products."""

    drawn: tuple[RowGradients, ...]
    basis: Floats

    def __call__(self, found: RowGradients) -> Floats:
        """The coordinates of rows, ``(m, d)``: their inner products are those of the gradients' parts in the span."""
        return np.asarray(np.concatenate([products(found, g) for g in self.drawn], axis=1) @ self.basis)


def span(found: Sequence[RowGradients], *, size: int, seed: int) -> Span:
    """The span of ``size`` rows at most, drawn from all of ``found`` in equal numbers (Williams and Seeger 2001).

    A projection to d random directions (Johnson and Lindenstrauss 1984) keeps inner products up to |∇_i| |∇_j| / √d.
    Those of rows of different tasks, whose gradients mostly have nothing in common, are less than that; here they are
    exact as far as the span goes.

    >>> rng = np.random.default_rng(0)
    >>> rows = RowGradients({"trunk": rng.normal(size=(9, 2))}, {"trunk": rng.normal(size=(9, 3))})
    >>> small = span([rows], size=9, seed=0)(rows)
    >>> small.shape, bool(np.allclose(small @ small.T, products(rows, rows)))
    ((9, 6), True)
    """
    rng, each = np.random.default_rng(seed), max(1, size // max(len(found), 1))
    drawn = tuple(_taken(g, np.sort(rng.permutation(_rows(g))[:each])) for g in found)
    gram = np.concatenate([np.concatenate([products(a, b) for b in drawn], axis=1) for a in drawn])
    values, vectors = np.linalg.eigh(gram)
    kept = values > NOTHING * max(float(values.max(initial=0.0)), NOTHING)
    return Span(drawn, np.asarray(vectors[:, kept] / np.sqrt(values[kept])))


def _taken(found: RowGradients, rows: Any) -> RowGradients:
    return RowGradients(
        {n: x[rows] for n, x in found.deltas.items()}, {n: x[rows] for n, x in found.inputs.items()}
    )


def _rows(found: RowGradients) -> int:
    return len(next(iter(found.deltas.values()))) if found.deltas else 0
