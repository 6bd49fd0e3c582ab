"""Gradients of tasks in training: cosines and conflicts, read off the Gramians that the weighting sees anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity


@dataclass(frozen=True, eq=False)
class GradientState:
    """Sums over the steps, each ``(K, K)``: weights of the steps in which both tasks were there, of their cosines, of
    the squares of these, and of conflicts; ``steps`` counts the steps of every pair. Where the losses were told,
    ``product`` sums the inner products of the gradients of their logarithms, and ``length`` the source's own."""

    weight: Floats
    cosine: Floats
    square: Floats
    conflict: Floats
    steps: Floats
    product: Floats
    length: Floats


def start(n_tasks: int) -> GradientState:
    """The state before the first step.

    >>> start(2).weight.shape
    (2, 2)
    """
    return GradientState(*(np.zeros((n_tasks, n_tasks)) for _ in range(7)))


def step(
    state: GradientState, gramian: Any, present: Any = None, losses: Any = None, *, decay: float = 1.0
) -> GradientState:
    """The state after one more step.

    Parameters
    ----------
    gramian : (K, K) inner products of the tasks' gradients, a NumPy array.
    present : (K,) bool, the tasks that had a label in the batch (all by default). A gradient of zero or that is not
        finite counts as absent as well.
    losses : (K,) the losses of the step, for :func:`first_order_lookahead`; those that are not above 0 say nothing.
    decay : of all steps before, in (0, 1]; 1 is the plain mean, 0.99 forgets over about 100 steps.

    Raises ArrayError. Cost: a few operations on K × K numbers.

    >>> once = step(start(2), np.array([[4.0, -1.0], [-1.0, 1.0]]))
    >>> float(once.cosine[0, 1] / once.weight[0, 1])
    -0.5
    """
    products = np.asarray(gramian, np.float64)
    k = len(state.weight)
    if products.shape != (k, k):
        raise ArrayError(f"gramian of shape {(k, k)} expected, found {products.shape}")
    if not 0 < decay <= 1:
        raise ArrayError(f"decay must lie in (0, 1], found {decay}")
    with np.errstate(invalid="ignore"):
        squares = np.diag(products)
        there = np.isfinite(squares) & (squares > 0)
        if present is not None:
            there &= np.asarray(present, bool)
        lengths = np.sqrt(np.where(there, squares, 1.0))
        cosine = np.clip(np.where(np.isfinite(products), products, 0.0) / lengths / lengths[:, None], -1, 1)
    both = (there[:, None] & there[None, :]).astype(np.float64)
    cosine = cosine * both
    product, length = _of_logarithms(np.where(both > 0, products, 0.0), losses)
    return GradientState(
        decay * state.weight + both,
        decay * state.cosine + cosine,
        decay * state.square + cosine**2,
        decay * state.conflict + (cosine < 0),
        state.steps + both,
        decay * state.product + product,
        decay * state.length + length * both,
    )


def _of_logarithms(products: Floats, losses: Any) -> tuple[Floats, Floats]:
    """⟨∇log L_i, ∇log L_j⟩ and ‖∇log L_i‖² of pairs whose losses are known, ``(K, K)`` each; 0 elsewhere."""
    level = np.full(len(products), np.nan) if losses is None else np.asarray(losses, np.float64)
    known = np.isfinite(level) & (level > 0)
    inverse = np.where(known, 1.0 / np.where(known, level, 1.0), 0.0)
    scaled = products * inverse * inverse[:, None]
    both = known[:, None] & known[None, :]
    return scaled, np.where(both, np.diag(scaled)[:, None], 0.0)


def gradient_cosine(state: GradientState, tasks: Sequence[str]) -> Affinity:
    """The mean cosine of two tasks' gradients, with an interval of 1.645 standard errors over steps.

    Steps that follow each other are alike, so the interval is rather too narrow.

    >>> gradient_cosine(step(start(2), np.eye(2)), ("a", "b"))["a", "b"]
    0.0
    """
    mean = _over(state.cosine, state.weight)
    spread = np.maximum(_over(state.square, state.weight) - mean**2, 0.0)
    error = 1.645 * np.sqrt(spread / np.maximum(np.minimum(state.weight, state.steps), 1.0))
    return Affinity(
        "gradient_cosine",
        tuple(tasks),
        mean,
        "cosine",
        (-1.0, 1.0),
        symmetric=True,
        support=state.steps.astype(np.int64),
        low=np.maximum(mean - error, -1.0),
        high=np.minimum(mean + error, 1.0),
    )


def conflict_rate(state: GradientState, tasks: Sequence[str]) -> Affinity:
    """The share of the steps in which two gradients point against each other (Yu et al. 2020, def. 1).

    Greater is worse here; :func:`~jointset.relatedness.treatments` reads it as ``conflict``.

    >>> conflict_rate(step(start(2), np.array([[1.0, -1.0], [-1.0, 1.0]])), ("a", "b"))["a", "b"]
    1.0
    """
    return Affinity(
        "conflict_rate",
        tuple(tasks),
        _over(state.conflict, state.weight),
        "share of the steps",
        (0.0, 1.0),
        symmetric=True,
        support=state.steps.astype(np.int64),
    )


def first_order_lookahead(state: GradientState, tasks: Sequence[str]) -> Affinity:
    """What a step on the source's loss does to the target's, to first order: TAG (Fifty et al. 2021, eq. 1) for free.

    The transfer 1 − L_j(θ − η ∇L_i) / L_j is η ⟨∇L_i, ∇L_j⟩ / L_j for a small step. Both losses count by their
    logarithms, and the step is the one that takes 1 % off the source's: Σ ⟨∇log L_i, ∇log L_j⟩ / Σ ‖∇log L_i‖² is how
    many % it takes off the target's. Not symmetric: 1 on the diagonal, below 0 where the step harms. NaN where
    losses were not told.

    >>> state = step(start(2), np.array([[4.0, 1.0], [1.0, 1.0]]), losses=[2.0, 1.0])
    >>> found = first_order_lookahead(state, ("a", "b"))
    >>> float(found["a", "b"]), float(found["b", "a"])
    (0.5, 0.5)
    """
    return Affinity(
        "lookahead",
        tuple(tasks),
        _over(state.product, state.length),
        "% of the loss for 1 % of the source's",
        (-np.inf, np.inf),
        support=state.steps.astype(np.int64),
    )


def _over(total: Floats, weight: Floats) -> Floats:
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)
