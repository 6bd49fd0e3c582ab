"""Fitting all class-valued tasks together: single-task noise models, then the joint label model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jointset.audit.chunks import one_blas_thread, over_slices
from jointset.audit.copies import Copies
from jointset.audit.joint import Edge, Forest, evidence, fit_forest
from jointset.audit.many_classes import MANY, fit_many
from jointset.audit.noise_fit import fit_mixture, shares
from jointset.audit.posterior import Mixture, NoiseModel
from jointset.records import Bools, Floats, Ints

FEW = 50  # labels a class; on 15 to 30 a promised precision was seen to miss by 15 points and more
MAX_FIT = 60_000  # labels that a noise model is learnt from
RELATED_CELLS = 400_000  # rows that relations between tasks are learnt from, at least two classes each
CHUNK = 1 << 16


class Scorer(Protocol):
    """A fitted noise model, dense or for many classes."""

    @property
    def transition(self) -> Any:
        """T ``(K, K)``, rows = true class; sparse where classes are many."""

    @property
    def informative(self) -> bool:
        """Whether the predictions say anything about the labels."""

    def score(
        self, views: Sequence[NDArray[Any]], given: Ints, extra: Sequence[Floats] = ()
    ) -> tuple[Floats, Floats, Floats]:
        """P(true | x), P(true | x, given), both ``(n, K)``, and the expected number of errors by member."""


@dataclass(frozen=True)
class Node:
    """One class-valued variable: a binary or multiclass task, or one class of a multilabel task.

    ``probs`` ``(n, K)`` may be a memory map in any float type; ``views`` are further predictions of the same shape.
    ``fit(views, given, extra, start)`` takes the place of the noise model of unordered classes.
    ``model`` is a ready ``Scorer`` (of a numeric task's bins); its ``heed(probs, given, extra)`` weighs messages.
    """

    name: str
    probs: NDArray[Any]
    given: Ints
    views: tuple[NDArray[Any], ...] = ()
    fit: Callable[..., NoiseModel] | None = None
    model: Any = None

    @property
    def all_views(self) -> tuple[NDArray[Any], ...]:
        """``probs`` and the further views."""
        return (self.probs, *self.views)


@dataclass(frozen=True)
class NodeFit:
    """A node's model and what it says: ``alone`` is P(true | x, given), ``posterior`` heeds all tasks.

    ``single`` is the model of the task alone; ``model`` and ``said``, two log-messages ``(n, K)`` float32, heed the
    others. The arrays are computed when they are asked for; :meth:`score` does the same for a slice of rows.
    """

    node: Node
    single: Scorer
    model: Scorer
    said: tuple[Floats, ...] = ()

    def score(self, rows: slice) -> tuple[Floats, Floats, Floats]:
        """What ``Scorer.score`` says of some rows, other tasks heeded."""
        views = [v[rows] for v in self.node.all_views]
        return self.model.score(views, self.node.given[rows], [s[rows] for s in self.said])

    @cached_property
    def _alone(self) -> tuple[Floats, Floats]:
        def one(rows: slice) -> tuple[Floats, Floats]:
            return self.single.score([v[rows] for v in self.node.all_views], self.node.given[rows])[:2]

        return self._gathered(one)

    @cached_property
    def posterior(self) -> Floats:
        """P(true | x, given, other tasks' labels), ``(n, K)`` float32."""
        return self._gathered(lambda rows: self.score(rows)[:2])[1] if self.said else self.alone

    @property
    def p_true(self) -> Floats:
        """P(true | x) of the task alone, ``(n, K)`` float32."""
        return self._alone[0]

    @property
    def alone(self) -> Floats:
        """P(true | x, given) of the task alone, ``(n, K)`` float32."""
        return self._alone[1]

    def _gathered(self, one: Any) -> tuple[Floats, Floats]:
        shape = self.node.probs.shape
        out = np.empty(shape, np.float32), np.empty(shape, np.float32)

        def work(rows: slice) -> None:
            out[0][rows], out[1][rows] = one(rows)

        over_slices(shape[0], shape[1], work)
        return out


@dataclass(frozen=True)
class Fitted:
    """All nodes' fits and the joint label model over them."""

    fits: tuple[NodeFit, ...]
    forest: Forest


def sample(rows: Ints, k: int, max_fit: int, seed: int) -> Ints:
    """At most ``max(max_fit, 400 k)`` of ``rows``, in order."""
    size = max(max_fit, 400 * k)
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def fit_nodes(
    nodes: Sequence[Node],
    fit_rows: Bools,
    max_fit: int,
    seed: int = 0,
    *,
    heed: bool = True,
    copies: Copies | None = None,
) -> Fitted:
    """Fit every node alone, learn how they go together, and, with ``heed``, refit each with the others' evidence.

    ``fit_rows`` ``(n,)`` are the rows that noise, calibration and relations are learnt from, at most ``max_fit`` of
    them (400 K if that is more); all rows are scored. ``copies`` bear no witness for one another.
    """
    if not nodes:
        return Fitted((), Forest(0, (), ()))
    with one_blas_thread():
        return _fitted(nodes, fit_rows, max_fit, seed, heed, copies)


def _fitted(
    nodes: Sequence[Node], fit_rows: Bools, max_fit: int, seed: int, heed: bool, copies: Copies | None
) -> Fitted:
    singles = [_fit(node, fit_rows, max_fit, seed) for node in nodes]
    fits = [NodeFit(n, m, m) for n, m in zip(nodes, singles, strict=True)]
    joined = [i for i, n in enumerate(nodes) if n.probs.shape[1] <= MANY]
    if len(joined) < 2:
        return Fitted(tuple(fits), Forest(len(nodes), (), ()))
    rows = sample(np.flatnonzero(fit_rows), 1, RELATED_CELLS // 2, seed)
    among = _forest(fits, joined, rows)
    forest = _numbered(among, joined, len(nodes))
    if not (forest.tree and heed):
        return Fitted(tuple(fits), forest)
    said = _said(among, fits, joined)
    if copies is not None:
        for speaking, hearing in copies.turns(joined):
            apart = _said(_forest(fits, speaking, rows), fits, speaking)
            for i in hearing:
                for whole, own in zip(said[i], apart[i], strict=True):
                    whole[copies.doubled] = own[copies.doubled]
    for i, messages in said.items():
        if forest.linked(i):
            joint = _fit(nodes[i], fit_rows, max_fit, seed, messages, singles[i])
            fits[i] = NodeFit(nodes[i], singles[i], joint, messages)
    return Fitted(tuple(fits), forest)


def _forest(fits: Sequence[NodeFit], numbers: Sequence[int], rows: Ints) -> Forest:
    """How the variables ``numbers`` go together, learnt from ``rows``."""
    known = [fits[i].node.given[rows] >= 0 for i in numbers]
    return fit_forest([fits[i].alone[rows] for i in numbers], known)


def _said(
    forest: Forest, fits: Sequence[NodeFit], numbers: Sequence[int]
) -> dict[int, tuple[Floats, Floats]]:
    """What every variable hears from the others of ``numbers``."""
    made = _evidence(forest, [fits[i].p_true for i in numbers], [fits[i].alone for i in numbers])
    return dict(zip(numbers, made, strict=True))


def _numbered(forest: Forest, numbers: Sequence[int], n: int) -> Forest:
    """The forest over some of ``n`` variables with those variables' own numbers."""

    def moved(edges: Sequence[Edge]) -> tuple[Edge, ...]:
        return tuple(replace(e, a=numbers[e.a], b=numbers[e.b]) for e in edges)

    return Forest(n, moved(forest.tree), moved(forest.related))


def _fit(
    node: Node,
    fit_rows: Bools,
    max_fit: int,
    seed: int,
    extra: Sequence[Floats] = (),
    start: Any = None,
) -> Scorer:
    """Fit one node; the members of its mixture share ``max_fit`` rows where there are more."""
    rows: Ints = np.flatnonzero(fit_rows & (node.given >= 0))
    k = node.probs.shape[1]
    if node.model is not None:
        rows = sample(rows, k, max_fit, seed)
        return node.model.heed(node.probs[rows], node.given[rows], [e[rows] for e in extra])
    if k > MANY and node.fit is None:
        return fit_many(node.all_views, node.given, sample(rows, k, max_fit, seed))
    if node.fit is not None:
        rows = sample(rows, k, max_fit, seed)
        first = start.members[0] if start else None
        views, messages = [v[rows] for v in node.all_views], [e[rows] for e in extra]
        return Mixture((node.fit(views, node.given[rows], messages, first),), (1.0,))
    parts = len(shares(k))
    samples = [sample(rows, k, max_fit // parts, seed + part) for part in range(parts)]
    every = samples[0] if all(len(s) == len(rows) for s in samples) else np.unique(np.concatenate(samples))
    place = [np.searchsorted(every, s) for s in samples]
    return fit_mixture(
        [v[every] for v in node.all_views], node.given[every], place, [e[every] for e in extra], start
    )


def _evidence(
    forest: Forest, p_true: Sequence[Floats], alone: Sequence[Floats]
) -> list[tuple[Floats, Floats]]:
    """``joint.evidence`` in chunks of rows, kept in single precision: it is the largest thing in memory."""
    n = len(p_true[0])
    out = [(np.empty(p.shape, np.float32), np.empty(p.shape, np.float32)) for p in p_true]
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        for (x, g), (part_x, part_g) in zip(
            out, evidence(forest, [p[rows] for p in p_true], [a[rows] for a in alone]), strict=True
        ):
            x[rows], g[rows] = part_x, part_g
    return out


def remarks(fit: NodeFit, labelled: int) -> tuple[str, ...]:
    """Why a task could not be judged, if so."""
    if not labelled:
        return ("no label was given",)
    if not fit.model.informative:
        return ("predictions say no more about the labels than the class shares; nothing can be flagged",)
    noise = fit.model.transition
    if not isinstance(noise, np.ndarray):
        return ()
    lost = np.flatnonzero(np.diag(noise) < noise.max(axis=1))
    if len(lost):
        codes = ", ".join(map(str, lost))
        return (f"most labels of class {codes} look wrong; which class is which cannot be told: check some",)
    if labelled < FEW * len(noise):
        return (f"{labelled} labels of {len(noise)} classes are few: the precision promised is a rough one",)
    return ()
