"""Linearised gains: what training any set of tasks would do to a task, from gradients around one joint model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import linalg

from jointset.errors import ArrayError, nearest
from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.transfer_gain import WIDTH

RIDGE = 0.01  # of the mean squared length of a row's gradient


@dataclass(frozen=True, eq=False)
class Tangent:
    """Rows of a task as a joint model has them, whose parameters have not learnt these rows.

    Parameters
    ----------
    gradients : (m, d) of each row's output, by the shared parameters, projected.
    outputs : (m,) the outputs themselves. For classes log p / (1 − p), p the probability of the row's label.
    fold : (m,) rows of one fold are predicted by fits to the others; two folds or more.
    targets : (m,) standardised labels of a number, whose predicted value the output is; None for classes.
    constant : the mean loss of the best constant prediction, in which gains are counted; above 0.
    """

    gradients: Floats
    outputs: Floats
    fold: Ints
    targets: Floats | None = None
    constant: float = 1.0

    def losses(self, outputs: Floats) -> Floats:
        """Of each row ``(m,)``: log(1 + e^−f), or half the squared error."""
        if self.targets is None:
            return np.asarray(np.logaddexp(0.0, -outputs))
        return np.asarray((self.targets - outputs) ** 2 / 2)

    def bends(self) -> tuple[Floats, Floats]:
        """−ℓ′ and ℓ″ of each row's loss by its output, ``(m,)`` each."""
        if self.targets is None:
            p = np.exp(-np.logaddexp(0.0, self.outputs))
            return p, p * (1 - p)
        return self.targets - self.outputs, np.ones(len(self.outputs))


@dataclass(frozen=True, eq=False)
class LinearisedGain:
    """``affinity[source, target]``: the estimated gain of the pair over the target alone, in skill, with 90 % intervals
    over rows. :meth:`predicted` has the same of any set, and is a ``score`` for
    :func:`~jointset.relatedness.group_tasks`."""

    tasks: tuple[str, ...]
    tangents: Mapping[str, Tangent]
    normal: Mapping[str, Floats]  # task → (folds, d, d)
    right: Mapping[str, Floats]  # task → (folds, d)
    penalty: float
    seconds: float = field(default=0.0)

    def predicted(self, members: Sequence[str], target: str) -> float:
        """The estimated gain of ``target`` by training with the ``members``; 0 alone, and where nothing is known."""
        gains = self.rows(members, target)
        return float(gains.mean()) if len(gains) else 0.0

    def rows(self, members: Sequence[str], target: str) -> Floats:
        """The gain of each of the target's rows, ``(m,)``; members of which nothing is known count for none."""
        chosen = frozenset(members) | {target}
        for task in chosen:
            if task not in self.tasks:
                raise ArrayError(
                    f"linearised gain: no task {task!r}{nearest(task, self.tasks)}; one of {', '.join(self.tasks)}"
                )
        if target not in self.tangents:
            return np.zeros(0)
        return self._of(self._fitted([t for t in self.tangents if t in chosen]), target)

    @cached_property
    def affinity(self) -> Affinity:
        """All pairs."""
        began, names = time.perf_counter(), self.tasks
        values, error = (np.full((len(names), len(names)), np.nan) for _ in range(2))
        np.fill_diagonal(values, 0.0)
        np.fill_diagonal(error, 0.0)
        known = [(i, n) for i, n in enumerate(names) if n in self.tangents]
        for place, (i, a) in enumerate(known):
            for j, b in known[:place]:
                weights = self._fitted([a, b])
                for source, target, of in ((j, i, a), (i, j, b)):
                    gains = self._of(weights, of)
                    values[source, target] = gains.mean()
                    error[source, target] = WIDTH * gains.std(ddof=1) / np.sqrt(len(gains))
        return Affinity(
            "linearised_gain",
            names,
            values,
            "skill over training alone, estimated",
            (-np.inf, np.inf),
            seconds=self.seconds + time.perf_counter() - began,
            support=np.tile([self._count(t) for t in names], (len(names), 1)),
            low=values - error,
            high=values + error,
        )

    @cached_property
    def _alone(self) -> dict[str, Floats]:
        """Task → loss of each row, of a fit to the task alone, ``(m,)``."""
        return {t: self._losses(self._fitted([t]), t) for t in self.tangents}

    def _fitted(self, tasks: Sequence[str]) -> Floats:
        """The step that the tasks' losses ask for, for the rows of each fold, ``(folds, d)``."""
        normal, right = sum(self.normal[t] for t in tasks), sum(self.right[t] for t in tasks)
        ridge = self.penalty * np.eye(np.shape(right)[1])
        return np.stack(
            [linalg.solve(n + ridge, r, assume_a="pos") for n, r in zip(normal, right, strict=True)]  # type: ignore[arg-type]
        )

    def _of(self, weights: Floats, target: str) -> Floats:
        return (self._alone[target] - self._losses(weights, target)) / self.tangents[target].constant

    def _losses(self, weights: Floats, target: str) -> Floats:
        own = self.tangents[target]
        moved = np.einsum("md,md->m", own.gradients, weights[own.fold])
        return own.losses(own.outputs + moved)

    def _count(self, task: str) -> int:
        return len(self.tangents[task].outputs) if task in self.tangents else 0


def linearised_gain(
    tangents: Mapping[str, Tangent], *, tasks: Sequence[str] = (), ridge: float = RIDGE
) -> LinearisedGain:
    """Estimate what training sets of tasks would gain each, by regression on gradients, without training.

    After Li, Sharma and Zhang (2024, Grad-TAG): around the parameters θ* of a joint model a row's output is
    f(θ) ≈ f(θ*) + ⟨∇f(θ*), θ − θ*⟩, so that training a set S of tasks is a logistic regression on projected gradients,
    min over w of Σ_{t ∈ S} mean_i ℓ(f_i + ⟨g_i, w⟩) + λ |w|² / 2. Of that we take the first Newton step,
    (λ + Σ_t H_t)⁻¹ Σ_t r_t with H_t = mean ℓ″ g gᵀ and r_t = −mean ℓ′ g: each task is summed up once, and a set costs
    one solution in d unknowns, however many rows there are. Gains are those of the target's loss over that of its own
    regression, cross-fitted over folds.

    Three deviations: the rows are such as the joint model has not learnt (of rows it has, f(θ*) leaves nothing to
    gain); the loss is compared, not the metric; gains of pairs take the place of means over random sets.

    Parameters
    ----------
    tangents : task → its rows, gradients in the same d directions for all.
    tasks : those of the affinity, in order; of one without rows nothing is known. By default those of ``tangents``.
    ridge : λ over the mean squared length of a gradient; above 0.

    Raises ArrayError for gradients of different widths, folds without rows to fit to, or a ridge of 0.

    >>> rng = np.random.default_rng(0)
    >>> g, fold, way = rng.normal(size=(3, 200, 4)), np.arange(200) % 2, np.array([1.0, 1, 0, 0])
    >>> signs = [np.sign(g[0] @ way), np.sign(g[1] @ way), -np.sign(g[2] @ way)]    # c asks for the opposite
    >>> rows = {t: Tangent(x * s[:, None], np.zeros(200), fold) for t, x, s in zip("abc", g, signs)}
    >>> found = linearised_gain(rows)
    >>> found.affinity["a", "b"] > 0 > found.affinity["c", "b"]
    True
    >>> found.predicted(("b",), "b"), found.predicted("abc", "b") < found.predicted("ab", "b")
    (0.0, True)
    """
    began = time.perf_counter()
    if not tangents or not ridge > 0:
        raise ArrayError(
            f"linearised gain: tasks and a ridge above 0 are needed, found {len(tangents)}, {ridge}"
        )
    folds = max(int(t.fold.max(initial=0)) for t in tangents.values()) + 1
    width = next(iter(tangents.values())).gradients.shape[1]
    for name, own in tangents.items():
        _check(name, own, width, folds)
    normal, right = {}, {}
    for name, own in tangents.items():
        pull, bend = own.bends()
        kept = [own.fold != k for k in range(folds)]
        right[name] = np.stack([own.gradients[k].T @ pull[k] / k.sum() for k in kept])
        normal[name] = np.stack(
            [(own.gradients[k] * bend[k, None]).T @ own.gradients[k] / k.sum() for k in kept]
        )
    length = float(np.mean([(t.gradients**2).sum(1).mean() for t in tangents.values()]))
    seconds = time.perf_counter() - began
    names = tuple(tasks) or tuple(tangents)
    return LinearisedGain(names, tangents, normal, right, ridge * max(length, 1e-12), seconds)


def _check(name: str, own: Tangent, width: int, folds: int) -> None:
    m = len(own.outputs)
    if own.gradients.shape != (m, width) or own.fold.shape != (m,):
        raise ArrayError(
            f"linearised gain: task {name!r} needs gradients {(m, width)} and folds {(m,)}, found "
            f"{own.gradients.shape} and {own.fold.shape}"
        )
    if own.targets is not None and own.targets.shape != (m,):
        raise ArrayError(f"linearised gain: task {name!r} needs targets {(m,)}, found {own.targets.shape}")
    if folds < 2 or any((own.fold != k).sum() == 0 for k in range(folds)) or m < 2:
        raise ArrayError(
            f"linearised gain: task {name!r} has too few rows in {folds} folds; two or more are needed"
        )
    if not own.constant > 0:
        raise ArrayError(
            f"linearised gain: task {name!r} needs a constant's loss above 0, found {own.constant:g}"
        )
