"""A Gramian as cosines and norms: what the small problems are solved on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jointset.records import Floats


@dataclass(frozen=True)
class Cosines:
    """``G = diag(norms) matrix diag(norms)``, in float64.

    Problems are solved on ``matrix``, whose entries are of one size whatever the scales of the tasks. A gradient of
    zero has norm 1 here and is orthogonal to all others, so that nothing divides by zero; ``zero`` says where.
    ``noise`` bounds the rounding error of ``matrix``: its eigenvalues are not known any better.
    """

    matrix: Floats  # (k, k), ones on the diagonal
    norms: Floats  # (k,)
    zero: np.ndarray  # (k,) bool
    noise: float

    def raised(self, least: float = 1e-10) -> Floats:
        """The matrix with its rounding error, or ``least``, added to the diagonal: positive definite.

        Of weights that give the same update, such as those of identical tasks, the most even are then the solution.
        """
        return self.matrix + max(self.noise, least) * np.eye(len(self.norms))

    def inverse_times_ones(self) -> Floats:
        """matrix⁺ 1, ``(k,)``, the pseudo-inverse of all that is above the rounding error; 0 for zero gradients."""
        values, vectors = np.linalg.eigh(self.matrix)
        kept = values > self.noise * values[-1]
        ones = np.where(self.zero, 0.0, 1.0)
        found: Floats = vectors[:, kept] @ ((ones @ vectors[:, kept]) / values[kept])
        return found

    def rows(self, weights: Floats) -> Floats:
        """Weights of unit gradients as weights of the gradients."""
        return weights / self.norms


def symmetric(gramian: Tensor) -> Floats:
    """The Gramian as a symmetric float64 array."""
    array: Floats = gramian.detach().cpu().double().numpy()
    return (array + array.T) / 2


def cosines(gramian: Tensor) -> Cosines:
    """Split a Gramian ``(k, k)``.

    >>> found = cosines(torch.tensor([[4.0, -2.0], [-2.0, 4.0]]))
    >>> found.matrix, found.norms
    (array([[ 1. , -0.5],
           [-0.5,  1. ]]), array([2., 2.]))
    """
    array = symmetric(gramian)
    squares = np.maximum(array.diagonal(), 0.0)
    norms = np.sqrt(squares)
    zero = norms <= 0.0
    norms = np.where(zero, 1.0, norms)
    matrix = array / norms / norms[:, None]
    matrix[zero], matrix[:, zero] = 0.0, 0.0
    np.fill_diagonal(matrix, 1.0)
    kind = gramian.dtype if gramian.dtype.is_floating_point else torch.float32
    return Cosines(np.clip(matrix, -1.0, 1.0), norms, zero, 4 * len(array) * torch.finfo(kind).eps)
