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
BATCH = 1 << 18  # cells of tables sharpened at once
ENTRIES = 1 << 22  # of posteriors held at once


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
    blocks = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
    both, every = _products(posteriors, known)
    alike: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a in range(len(sizes)):
        for b in range(a + 1, len(sizes)):
            alike.setdefault((sizes[a], sizes[b]), []).append((a, b))
    found: list[Edge] = []
    for (i, j), pairs in alike.items():
        step = max(BATCH // (i * j), 1)
        for start in range(0, len(pairs), step):
            found += _relations(pairs[start : start + step], blocks, both, every)
    edges = sorted(found, key=lambda e: -e.information)
    return Forest(len(sizes), _spanning(edges, len(sizes)), tuple(edges[:MAX_RELATED]))


def _products(posteriors: Sequence[Floats], known: Sequence[Bools]) -> tuple[Floats, Floats]:
    """Sums over rows of the products of all posteriors: of given labels only, and of all, ``(sum K, sum K)``."""
    sizes = [p.shape[1] for p in posteriors]
    n, width = len(posteriors[0]), sum(sizes)
    both, every = np.zeros((width, width)), np.zeros((width, width))
    step = max(ENTRIES // width, 1)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        soft = np.concatenate([p[rows].astype(np.float32) for p in posteriors], axis=1)
        every += soft.T @ soft
        soft *= np.repeat(np.stack([k[rows] for k in known], axis=1), sizes, axis=1)
        both += soft.T @ soft
    return both, every


def _relations(
    pairs: Sequence[tuple[int, int]], blocks: Sequence[slice], both: Floats, every: Floats
) -> list[Edge]:
    """The edges among pairs of one shape, all of them at once."""

    def tables(source: Floats, s: int, t: int) -> Floats:
        return np.stack([source[blocks[p[s]], blocks[p[t]]] for p in pairs])

    table = tables(both, 0, 1)
    use = (table.sum(axis=(1, 2)) >= 20 * max(table.shape[1:]))[:, None, None]
    table = np.where(use, table, tables(every, 0, 1))
    linked = np.flatnonzero(_dependent(table))
    pairs, table, use = [pairs[int(i)] for i in linked], table[linked], use[linked]
    if not pairs:
        return []
    mix = [np.where(use, tables(both, s, s), tables(every, s, s)) for s in (0, 1)]
    joint = _sharpen(table, mix[0], mix[1])
    outer = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    # what was never seen together is improbable, not impossible
    joint = 0.999 * joint + 0.001 * outer
    information, lift = _information(joint), joint / np.maximum(outer, 1e-12)
    return [
        Edge(a, b, lift[i], float(information[i]))
        for i, (a, b) in enumerate(pairs)
        if information[i] >= MIN_INFORMATION
    ]


def _information(table: Floats) -> Floats:
    """Mutual information of every table, ``(P, K_a, K_b)`` to ``(P,)``, in nats."""
    p = table / np.maximum(table.sum(axis=(1, 2), keepdims=True), 1e-300)
    outer = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
    return np.asarray((p * np.log(np.maximum(p, 1e-300) / np.maximum(outer, 1e-300))).sum(axis=(1, 2)))


def _dependent(table: Floats) -> Bools:
    """G-test of independence at about one in a thousand (normal approximation of chi-squared)."""
    freedom = (table.shape[1] - 1) * (table.shape[2] - 1)
    critical = freedom * (1 - 2 / (9 * freedom) + 3.09 * np.sqrt(2 / (9 * freedom))) ** 3
    return np.asarray(2 * table.sum(axis=(1, 2)) * _information(table) > critical)


def _sharpen(table: Floats, mix_a: Floats, mix_b: Floats) -> Floats:
    """Sharpen tables of posterior products by EM: each posterior is a blurred view of its true label.

    For a calibrated posterior q, ``E[q(s) | true t] = E[q(s) q(t)] / E[q(t)]`` is the blur, and the table is
    the true joint seen through both blurs; independent tasks are a fixed point. All are ``(P, K, K)``.
    """
    blur_a, blur_b = (m / np.maximum(m.sum(axis=2, keepdims=True), 1e-12) for m in (mix_a, mix_b))
    back_a, back_b = blur_a.transpose(0, 2, 1), blur_b.transpose(0, 2, 1)
    total, cells = table.sum(axis=(1, 2), keepdims=True), table[0].size
    outer = table.sum(axis=2, keepdims=True) * table.sum(axis=1, keepdims=True) / np.maximum(total, 1e-300)
    target = (table + outer * cells / np.maximum(total, 1.0)) / (total + cells)
    target /= target.sum(axis=(1, 2), keepdims=True)
    joint = target.copy()
    for _ in range(STEPS):
        joint *= blur_a @ (target / np.maximum(back_a @ joint @ blur_b, 1e-12)) @ back_b
        joint /= joint.sum(axis=(1, 2), keepdims=True)
    return joint


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

    ``p_true`` are P(true | x), ``posteriors`` P(true | x, given), both of every task alone, ``(n, K_t)``; the
    messages are in single precision, worked out over as many rows at a time as memory likes.
    """
    n = len(p_true[0]) if len(p_true) else 0
    out = [(np.zeros(p.shape, np.float32), np.zeros(p.shape, np.float32)) for p in p_true]
    step = max(ENTRIES // max(sum(p.shape[1] for p in p_true), 1), 1)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        through_x = messages(forest, [p[rows] for p in p_true])
        with_given = messages(forest, [p[rows] for p in posteriors])
        for (x, added), of_x, of_given in zip(out, through_x, with_given, strict=True):
            x[rows], added[rows] = of_x, of_given - of_x
    return out
