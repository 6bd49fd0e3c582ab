"""Which training rows helped or hurt which task: TracIn over linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.interpret.gradients import RowGradients, labelled_rows, row_gradients
from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints
from jointset.training.problem import Problem


@dataclass(frozen=True)
class Influence:
    """``scores[source, target]`` ``(n,)``: what a step on the source task's label of each of ``rows`` ``(n,)`` does for
    the mean held-out loss of the target task, summed over checkpoints; above 0 it helps, below it hurts, NaN where the
    row has no such label. ``layers`` are those whose parameters are counted, by target."""

    rows: Ints
    scores: Mapping[tuple[str, str], Floats]
    layers: Mapping[str, tuple[str, ...]]

    def table(self, dataset_of: Ints, names: Sequence[str]) -> list[dict[str, Any]]:
        """Source dataset × task × target task: ``mean`` influence of a row, ``total``, share of rows that ``hurt``."""
        told = []
        where = dataset_of[self.rows]
        for (source, target), score in self.scores.items():
            for d, name in enumerate(names):
                own = score[(where == d) & ~np.isnan(score)]
                if len(own):
                    told.append(
                        {"dataset": name, "task": source, "target": target, "rows": len(own), "mean": float(own.mean()),
                         "total": float(own.sum()), "hurt": float((own < 0).mean())}
                    )  # fmt: skip
        return told


def influence(
    models: Sequence[JointModel],
    problem: Problem,
    train: Ints,
    held_out: Ints,
    *,
    rates: Sequence[float] | None = None,
    labels: Mapping[str, NDArray[Any]] | None = None,
) -> Influence:
    """TracInCP (Pruthi et al. 2020, eq. 1): Σ_c η_c ∇ℓ(train row) · ∇ℓ(held-out rows), over checkpoints c.

    The gradients are those of the task's head and, across tasks, of the shared layers that are linear and of the bag of
    n-grams, where a row's gradient is an outer product δ hᵀ, so that ⟨∇_i, ∇_j⟩ = ⟨δ_i, δ_j⟩ ⟨h_i, h_j⟩ is exact
    without forming a gradient (for heads: ibid., sec. 4.2). Other parameters are left out; ``layers`` tells.

    Parameters
    ----------
    models : checkpoints of one training; early ones, where rows have not been memorised, tell most.
    problem : what was trained on.
    train, held_out : positions ``(n,)``, ``(m,)`` in the pool.
    rates : learning rate η_c of each checkpoint; all 1 by default.
    labels : labels of the held-out rows by task, over the whole pool; by default those of the problem.

    Raises ``ArrayError`` where there is no checkpoint, or none for each rate.
    """
    names = [t.name for t in problem.tasks]
    judged = {t: labelled_rows(problem, t, held_out) if labels is None else held_out for t in names}
    given = labels or problem.labels
    targets = {t: Rows(problem.inputs, r, t, given[t][r]) for t, r in judged.items() if len(r)}
    return influence_on(models, problem, train, targets, rates=rates)


@dataclass(frozen=True)
class Rows:
    """Rows ``(m,)`` of ``inputs`` with their ``labels`` ``(m, …)`` of one task: whose mean loss is explained."""

    inputs: Inputs
    rows: Ints
    task: str
    labels: NDArray[Any]


def influence_on(
    models: Sequence[JointModel],
    problem: Problem,
    train: Ints,
    targets: Mapping[str, Rows],
    *,
    rates: Sequence[float] | None = None,
) -> Influence:
    """As :func:`influence`, on any rows: ``targets`` are named, and may be new rows or a single one."""
    eta = [1.0] * len(models) if rates is None else list(rates)
    if not models or len(eta) != len(models):
        raise ArrayError(f"expected a checkpoint for each rate, found {len(models)} and {len(eta)}")
    place = {int(r): i for i, r in enumerate(train)}
    sources = {t.name: labelled_rows(problem, t.name, train) for t in problem.tasks}
    scores = {
        (s, t): np.full(len(train), np.nan) for s, rows in sources.items() if len(rows) for t in targets
    }
    where = {s: [place[int(r)] for r in rows] for s, rows in sources.items()}
    for key, found in scores.items():
        found[where[key[0]]] = 0.0
    layers: dict[str, tuple[str, ...]] = {}
    for model, rate in zip(models, eta, strict=True):
        means = {
            n: _mean(row_gradients(model, t.inputs, t.rows, t.task, t.labels)) for n, t in targets.items()
        }
        layers = {n: tuple(m) for n, m in means.items()}
        for s, rows in sources.items():
            if len(rows):
                own = row_gradients(model, problem.inputs, rows, s, problem.labels[s][rows])
                for n, mean in means.items():
                    scores[s, n][where[s]] += rate * _products(own, mean, same=s == targets[n].task)
    return Influence(np.asarray(train), scores, layers)


def _mean(found: RowGradients) -> dict[str, Any]:
    """The mean gradient by layer, ``(in, out)``."""
    return {n: np.asarray((found.inputs[n].T @ d) / max(len(d), 1)) for n, d in found.deltas.items()}


def _products(own: RowGradients, mean: Mapping[str, Any], *, same: bool) -> Floats:
    """Each row's inner product with the mean gradient, ``(n,)``; heads meet only those of their own task."""
    names = [n for n in own.deltas if n in mean and (same or n != "head")]
    if not names:
        return np.zeros(len(next(iter(own.deltas.values()))) if own.deltas else 0)
    return np.asarray(
        sum(((own.inputs[n] @ mean[n]) * own.deltas[n]).sum(1, dtype=np.float64) for n in names)
    )
