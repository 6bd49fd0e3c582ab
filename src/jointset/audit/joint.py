"""The joint label model: which labels of different tasks go together, and what one says about another.

A forest over tasks (Chow and Liu 1968) with a table of lifts ``C[s, t] = P(s, t) / (P(s) P(t))`` on every
edge. The model of x already knows what x says about a task, so another task's *given label* may add only what
it says beyond x: its message is the ratio of sum-product belief propagation with the given labels to the same
without. A deterministic relation passes its evidence whole, an absent label adds nothing, and unrelated tasks
have no edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jointset.records import Bools, Floats

MIN_INFORMATION = 5e-3  # nats; less cannot move a label
MAX_RELATED = 200
STEPS = 100


@dataclass(frozen=True)
class Edge:
    """A relation between tasks ``a`` and ``b``: ``lift`` is ``(K_a, K_b)``, ``information`` in nats."""

    a: int
    b: int
    lift: Floats
    information: float

    def reversed(self) -> Edge:
        """The same relation seen from ``b``."""
        return Edge(self.b, self.a, self.lift.T, self.information)


@dataclass(frozen=True)
class Forest:
    """``tree``: edges from parent ``a`` to child ``b``, parents first; ``related``: the strongest pairs."""

    n_tasks: int
    tree: tuple[Edge, ...]
    related: tuple[Edge, ...]

    def linked(self, task: int) -> bool:
        """Whether any other task says something about this one."""
        return any(task in (e.a, e.b) for e in self.tree)


def fit_forest(posteriors: Sequence[Floats], known: Sequence[Bools]) -> Forest:
    """Learn the forest from single-task posteriors ``(n, K_t)`` and masks of given labels ``(n,)``.

    A pair is judged on the rows where both labels were given, or on all rows if there are too few of them.
    """
    sizes = [p.shape[1] for p in posteriors]
    cut = np.concatenate([[0], np.cumsum(sizes)])
    blocks = [slice(cut[i], cut[i + 1]) for i in range(len(sizes))]
    soft = np.concatenate([p.astype(np.float32) for p in posteriors], axis=1)
    given = soft * np.concatenate(
        [np.repeat(k[:, None], s, axis=1) for k, s in zip(known, sizes, strict=True)], axis=1
    )
    both, every = (given.T @ given).astype(np.float64), (soft.T @ soft).astype(np.float64)
    edges = []
    for a in range(len(sizes)):
        for b in range(a + 1, len(sizes)):
            source = both if both[blocks[a], blocks[b]].sum() >= 20 * max(sizes[a], sizes[b]) else every
            table = source[blocks[a], blocks[b]]
            if _dependent(table):
                mix = [source[blocks[t], blocks[t]] for t in (a, b)]
                edges.append(_relation(a, b, table, mix[0], mix[1]))
    edges = sorted((e for e in edges if e.information >= MIN_INFORMATION), key=lambda e: -e.information)
    return Forest(len(sizes), _spanning(edges, len(sizes)), tuple(edges[:MAX_RELATED]))


def _information(table: Floats) -> float:
    p = table / max(table.sum(), 1e-300)
    outer = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    used = p > 0
    return float((p[used] * np.log(p[used] / np.maximum(outer[used], 1e-300))).sum())


def _dependent(table: Floats) -> bool:
    """G-test of independence at about one in a thousand (normal approximation of chi-squared)."""
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    critical = freedom * (1 - 2 / (9 * freedom) + 3.09 * np.sqrt(2 / (9 * freedom))) ** 3
    return 2 * table.sum() * _information(table) > critical


def _relation(a: int, b: int, table: Floats, mix_a: Floats, mix_b: Floats) -> Edge:
    """Sharpen the table of posterior products by EM: each posterior is a blurred view of its true label.

    For a calibrated posterior q, ``E[q(s) | true t] = E[q(s) q(t)] / E[q(t)]`` is the blur, and the table is
    the true joint seen through both blurs; independent tasks are a fixed point.
    """
    blur_a, blur_b = (m / np.maximum(m.sum(axis=1, keepdims=True), 1e-12) for m in (mix_a, mix_b))
    outer = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    target = (table + outer * table.size / max(table.sum(), 1.0)) / (table.sum() + table.size)
    joint = target / target.sum()
    target = joint.copy()
    for _ in range(STEPS):
        joint = joint * (blur_a @ (target / np.maximum(blur_a.T @ joint @ blur_b, 1e-12)) @ blur_b.T)
        joint /= joint.sum()
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    # what was never seen together is improbable, not impossible
    joint = 0.999 * joint + 0.001 * outer
    return Edge(a, b, joint / np.maximum(outer, 1e-12), _information(joint))


def _spanning(edges: Sequence[Edge], n: int) -> tuple[Edge, ...]:
    """Maximum-information spanning forest (Kruskal), then directed away from the first task of every tree."""
    group = list(range(n))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    near: dict[int, list[Edge]] = {i: [] for i in range(n)}
    for edge in edges:
        ra, rb = root(edge.a), root(edge.b)
        if ra != rb:
            group[rb] = ra
            near[edge.a].append(edge)
            near[edge.b].append(edge.reversed())
    tree: list[Edge] = []
    done: set[int] = set()
    for start in range(n):
        queue = [] if start in done else [start]
        done.update(queue)
        while queue:
            here = queue.pop(0)
            for edge in near[here]:
                if edge.b not in done:
                    done.add(edge.b)
                    tree.append(edge)
                    queue.append(edge.b)
    return tuple(tree)


def messages(forest: Forest, beliefs: Sequence[Floats]) -> list[Floats]:
    """Log of what reaches every task from the others, given every task's own belief; both ``(n, K_t)``.

    Sum-product on the forest: one pass from the leaves, one from the roots; a task's own belief is left out
    of its own message.

    >>> forest = Forest(2, (Edge(0, 1, np.array([[2.0, 0.0], [0.0, 2.0]]), 0.7),), ())
    >>> np.exp(messages(forest, [np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])])[0]).round(2)
    array([[0.9, 0.1]])
    """
    total = [np.log(np.maximum(b, 1e-12)) for b in beliefs]
    own = [t.copy() for t in total]
    upward = {}
    for edge in reversed(forest.tree):
        upward[edge.b] = _send(edge.lift, total[edge.b])
        total[edge.a] += upward[edge.b]
    for edge in forest.tree:
        total[edge.b] += _send(edge.lift.T, total[edge.a] - upward[edge.b])
    return [t - o for t, o in zip(total, own, strict=True)]


def _send(lift: Floats, belief: Floats) -> Floats:
    weight = np.exp(belief - belief.max(axis=1, keepdims=True))
    out = np.maximum(weight @ lift.T, 1e-12)
    return np.log(out / out.sum(axis=1, keepdims=True))


def evidence(
    forest: Forest, p_true: Sequence[Floats], posteriors: Sequence[Floats]
) -> list[tuple[Floats, Floats]]:
    """Per task what x says through other tasks, and what their given labels add to it, as log-messages.

    ``p_true`` are P(true | x), ``posteriors`` P(true | x, given), both of every task alone.
    """
    through_x = messages(forest, p_true)
    with_given = messages(forest, posteriors)
    return [(x, g - x) for x, g in zip(through_x, with_given, strict=True)]
