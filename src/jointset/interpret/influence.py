"""Which training rows helped or hurt which task: influence over linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.interpret.curvature import DAMPING, Direction, factors, mean_direction, products, steps
from jointset.interpret.gradients import RowGradients, labelled_rows, row_gradients
from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints, is_labelled
from jointset.training.problem import Problem

SAMPLE = 4000  # rows of a task from which curvature is estimated


@dataclass(frozen=True)
class Influence:
    """``scores[source, target]`` ``(n,)``: what a step on the source task's label of each of ``rows`` ``(n,)`` does for
    the mean held-out loss of the target task, summed over checkpoints; above 0 it helps, below it hurts, NaN where the
    row has no such label, 0 between tasks that have models of their own. ``layers`` are those whose parameters are
    counted, by target."""

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
    damping: float | None = DAMPING,
) -> Influence:
    """Σ_c η_c ∇ℓ(train row)ᵀ H⁻¹ ∇ℓ(held-out rows), over checkpoints c, with the curvature H of each layer.

    H is the Kronecker-factored Fisher matrix over the training rows (Grosse et al. 2023, eq. 17, with the labels
    given): directions that training would correct at once, such as what all rows have in common, count little. With
    ``damping`` None it is left out: TracInCP (Pruthi et al. 2020, eq. 1).

    The gradients are those of the task's head and, across tasks, of the shared layers that are linear and of the bag of
    n-grams, where a row's gradient is an outer product δ hᵀ, so that ⟨∇_i, ∇_j⟩ = ⟨δ_i, δ_j⟩ ⟨h_i, h_j⟩ is exact
    without forming a gradient (for heads: Pruthi et al., sec. 4.2). Other parameters are left out; ``layers`` tells.

    Parameters
    ----------
    models : checkpoints of one training; early ones, where rows have not been memorised, tell most.
    problem : what was trained on.
    train, held_out : positions ``(n,)``, ``(m,)`` in the pool.
    rates : learning rate η_c of each checkpoint; all 1 by default.
    labels : labels of the held-out rows by task, over the whole pool; by default those of the problem.
    damping : above 0, a share of the mean eigenvalue of each factor; None = no curvature.

    Raises ``ArrayError`` where there is no checkpoint, or none for each rate, or ``damping`` is not above 0.
    """
    known = {t.name for t in models[0].tasks} if models else set()
    names = [t.name for t in problem.tasks if t.name in known]
    given = labels or problem.labels
    judged = {
        t: labelled_rows(problem, t, held_out)
        if labels is None
        else held_out[is_labelled(given[t][held_out])]
        for t in names
    }
    targets = {t: Rows(problem.inputs, r, t, given[t][r]) for t, r in judged.items() if len(r)}
    return influence_on(models, problem, train, targets, rates=rates, damping=damping)


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
    damping: float | None = DAMPING,
) -> Influence:
    """As :func:`influence`, on any rows: ``targets`` are named, and may be new rows or a single one."""
    eta = [1.0] * len(models) if rates is None else list(rates)
    if not models or len(eta) != len(models):
        raise ArrayError(f"expected a checkpoint for each rate, found {len(models)} and {len(eta)}")
    if damping is not None and not damping > 0:
        raise ArrayError(f"damping must be above 0, or None for no curvature; found {damping}")
    known = {t.name for t in models[0].tasks}
    sources = {t.name: labelled_rows(problem, t.name, train) for t in problem.tasks if t.name in known}
    sources = {s: rows for s, rows in sources.items() if len(rows)}
    place = {int(r): i for i, r in enumerate(train)}
    where = {s: [place[int(r)] for r in rows] for s, rows in sources.items()}
    scores = {(s, t): np.full(len(train), np.nan) for s in sources for t in targets}
    for (source, _), found in scores.items():
        found[where[source]] = 0.0
    layers: dict[str, tuple[str, ...]] = {}
    for model, rate in zip(models, eta, strict=True):
        for member in {id(m): m for m in (model.serving(t.task) for t in targets.values())}.values():
            judged = {n: t for n, t in targets.items() if model.serving(t.task) is member}
            own = {t.name: sources[t.name] for t in member.tasks if t.name in sources}
            for n, score in _of_one(member, problem, own, judged, damping, layers).items():
                scores[n][where[n[0]]] += rate * score
    return Influence(np.asarray(train), scores, layers)


def _of_one(
    model: JointModel, problem: Problem, sources: Mapping[str, Ints], targets: Mapping[str, Rows],
    damping: float | None, layers: dict[str, tuple[str, ...]],
) -> dict[tuple[str, str], Floats]:  # fmt: skip
    """Scores of one model, in which all tasks share their trunk; fills ``layers``."""

    def gradients(source: str, rows: Ints) -> RowGradients:
        return row_gradients(model, problem.inputs, rows, source, problem.labels[source][rows])

    sampled: dict[str, RowGradients] = {}
    means = {n: _mean(row_gradients(model, t.inputs, t.rows, t.task, t.labels)) for n, t in targets.items()}
    if damping is not None:
        sampled = {s: gradients(s, rows[:: max(1, len(rows) // SAMPLE)]) for s, rows in sources.items()}
        trunk = factors([_without_head(g) for g in sampled.values()], damping=damping)
        heads = {s: factors([_head_alone(g)], damping=damping) for s, g in sampled.items()}
        means = {n: steps(m, trunk | heads.get(targets[n].task, {})) for n, m in means.items()}
    layers |= {n: tuple(m) for n, m in means.items()}
    scores: dict[tuple[str, str], Floats] = {}
    for source, rows in sources.items():
        own = sampled[source] if source in sampled and len(rows) < 2 * SAMPLE else gradients(source, rows)
        sums = {n: np.zeros(len(rows)) for n in means}
        for layer, delta in own.deltas.items():
            known = [
                n for n, m in means.items() if layer in m and (layer != "head" or source == targets[n].task)
            ]
            if known:
                found = products(own.inputs[layer], delta, [means[n][layer] for n in known])
                for n, more in zip(known, found, strict=True):
                    sums[n] += more
        scores |= {(source, n): total for n, total in sums.items()}
    return scores


def _head_alone(found: RowGradients) -> RowGradients:
    return RowGradients(*({n: x for n, x in p.items() if n == "head"} for p in (found.deltas, found.inputs)))


def _without_head(found: RowGradients) -> RowGradients:
    return RowGradients(*({n: x for n, x in p.items() if n != "head"} for p in (found.deltas, found.inputs)))


def _mean(found: RowGradients) -> dict[str, Direction]:
    """The mean gradient by layer."""
    return {n: mean_direction(found.inputs[n], d) for n, d in found.deltas.items()}
