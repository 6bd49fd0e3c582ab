"""Fitting all class-valued tasks together: single-task noise models, then the joint label model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.audit.joint import Forest, evidence, fit_forest
from jointset.audit.posterior import NoiseModel, fit_noise_model
from jointset.records import Bools, Floats, Ints

CHUNK = 1 << 16


@dataclass(frozen=True)
class Node:
    """One variable: a binary or multiclass task, one class of a multilabel task, or the bins of a numeric one.

    ``model`` is a ready one (of a numeric task), which stands where a noise model would be fitted.
    """

    name: str
    probs: Floats
    given: Ints
    model: Any = None


@dataclass(frozen=True)
class NodeFit:
    """A node's model and what it says: ``alone`` is P(true | x, given), ``posterior`` heeds all tasks."""

    model: NoiseModel
    p_true: Floats
    alone: Floats
    posterior: Floats


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


def fit_nodes(nodes: Sequence[Node], fit_rows: Bools, max_fit: int = 20_000, seed: int = 0) -> Fitted:
    """Fit every node alone, learn how they go together, and refit each with the others' evidence.

    ``fit_rows`` ``(n,)`` are the rows that noise, calibration and relations are learnt from; all rows are
    scored.
    """
    if not nodes:
        return Fitted((), Forest(0, (), ()))
    models = [_fit(node, fit_rows, max_fit, seed) for node in nodes]
    p_true = [m.p_true(n.probs) for m, n in zip(models, nodes, strict=True)]
    alone = [m.posterior(p, n.given) for m, p, n in zip(models, p_true, nodes, strict=True)]
    if len(nodes) == 1:
        return Fitted((NodeFit(models[0], p_true[0], alone[0], alone[0]),), Forest(1, (), ()))
    rows = sample(np.flatnonzero(fit_rows), 1, 10 * max_fit, seed)
    forest = fit_forest([a[rows] for a in alone], [n.given[rows] >= 0 for n in nodes])
    if not forest.tree:
        return Fitted(tuple(NodeFit(*f, f[2]) for f in zip(models, p_true, alone, strict=True)), forest)
    said = _evidence(forest, p_true, alone)
    fits = []
    for i, node in enumerate(nodes):
        if not forest.linked(i):
            fits.append(NodeFit(models[i], p_true[i], alone[i], alone[i]))
            continue
        joint = _fit(node, fit_rows, max_fit, seed, said[i], models[i])
        heeded = joint.p_true(node.probs, said[i])
        fits.append(NodeFit(joint, p_true[i], alone[i], joint.posterior(heeded, node.given)))
    return Fitted(tuple(fits), forest)


def _fit(
    node: Node,
    fit_rows: Bools,
    max_fit: int,
    seed: int,
    extra: Sequence[Floats] = (),
    start: NoiseModel | None = None,
) -> NoiseModel:
    rows = sample(np.flatnonzero(fit_rows & (node.given >= 0)), node.probs.shape[1], max_fit, seed)
    if node.model is not None:
        return node.model.heed(node.probs[rows], node.given[rows], [e[rows] for e in extra])
    return fit_noise_model(node.probs[rows], node.given[rows], [e[rows] for e in extra], start)


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
