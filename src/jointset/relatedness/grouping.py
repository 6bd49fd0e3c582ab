"""Groups of tasks that are trained together, at most so many, each task served by one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity

EXACT = 11  # tasks up to which the optimum is found: 3^11 pairs of sets
BEAM = 64
BELOW = 1 / 3

Score = Callable[[tuple[str, ...], str], float]


@dataclass(frozen=True)
class Group:
    """Tasks ``trained`` together, and those of them that the group ``serves``; the others only help."""

    trained: tuple[str, ...]
    serves: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """The groups and their value, the sum over tasks of the value in the serving group.

    ``exact`` says that no other grouping is better; ``bound`` is what none exceeds (NaN where it is not known), and
    ``share`` the value over it.
    """

    groups: tuple[Group, ...]
    value: float
    bound: float
    exact: bool

    @property
    def share(self) -> float:
        """Value over bound, in [0, 1] for a positive bound; 1 when none exceeds it, NaN where that is not known."""
        if self.exact or self.value >= self.bound - 1e-9:
            return 1.0
        return self.value / self.bound if self.bound > 0 else float("nan")


def group_tasks(
    affinity: Affinity,
    groups: int,
    *,
    floor: float = 0.0,
    helpers: bool = False,
    score: Score | None = None,
    exact_up_to: int = EXACT,
) -> Grouping:
    """At most ``groups`` groups of tasks of the greatest value (Standley et al. 2020; Fifty et al. 2021, section 3.3).

    A task's value in a group is the mean over the other members of ``affinity − floor`` (NaN counts as ``floor``), and
    0 alone; or ``score(members, task)``, such as a surrogate's prediction. With ``helpers`` a group may hold tasks
    that it does not serve. Up to ``exact_up_to`` tasks dynamic programming over subsets finds the optimum, beyond that
    a beam search with moves of single tasks finds a good grouping without helpers, with a bound where the value is that
    of pairs: a mean, or :func:`company`. Raises ArrayError.

    >>> a = np.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0.0]])
    >>> found = group_tasks(Affinity("gain", ("a", "b", "c"), a, "skill", (-1, 1)), 2)
    >>> [g.serves for g in found.groups], found.value, found.share
    ([('a', 'b'), ('c',)], 2.0, 1.0)
    """
    if groups < 1:
        raise ArrayError(f"groups must be at least 1, found {groups}")
    names = affinity.tasks
    n = len(names)
    gain = np.where(np.isfinite(affinity.values), affinity.values - floor, 0.0)
    np.fill_diagonal(gain, 0.0)
    value = _from_matrix(gain) if score is None else _from_score(names, score)
    if n <= exact_up_to:
        return _optimum(names, value, groups, helpers)
    bound = float("nan")
    if score is None or isinstance(score, Company):
        pairs, mean = (gain, True) if score is None else (score.among(names), False)
        worth, bound = _of_pairs(pairs, mean), _bound(pairs, groups, mean)
    else:
        worth = cache(lambda block: sum(value(block, i) for i in _bits(block)))
    parts, total = _beam(n, worth, groups)
    named = [tuple(names[i] for i in _bits(b)) for b in parts]
    return Grouping(tuple(Group(m, m) for m in named), total, bound, False)


@dataclass(frozen=True, eq=False)
class Company:
    """A score of groups: the sum of ``values[source, target]`` of the others to the task, ``(t, t)``."""

    tasks: tuple[str, ...]
    values: Floats

    def __call__(self, members: tuple[str, ...], task: str) -> float:
        """The sum for a member."""
        place = {name: i for i, name in enumerate(self.tasks)}
        return float(sum(self.values[place[m], place[task]] for m in members if m != task))

    def among(self, names: Sequence[str]) -> Floats:
        """The values between some of the tasks, 0 from a task to itself."""
        keep = [self.tasks.index(n) for n in names]
        found = self.values[np.ix_(keep, keep)]
        np.fill_diagonal(found, 0.0)
        return found


def company(affinity: Affinity, *, below: float = BELOW) -> Company:
    """A score of groups for affinities that nobody measured by training: the sum of those of the others to the task.

    A mean would part tasks that help each other for the sake of the few that help most; more rows help, too. What is
    below 0, such as less than chance, is no evidence of harm, and counts ``below`` of its size. NaN counts nothing.

    >>> values = np.array([[1, 0.9, 0.2, -0.3], [0.9, 1, 0.2, -0.3], [0.2, 0.2, 1, -0.3], [-0.3, -0.3, -0.3, 1]])
    >>> found = Affinity("consensus", ("a", "b", "c", "d"), values, "share", (-1, 1))
    >>> [g.serves for g in group_tasks(found, 3, score=company(found)).groups]
    [('a', 'b', 'c'), ('d',)]
    >>> [g.serves for g in group_tasks(found, 3).groups]
    [('a', 'b'), ('c',), ('d',)]
    """
    value = np.where(np.isfinite(affinity.values), affinity.values, 0.0)
    return Company(affinity.tasks, np.where(value < 0, below * value, value))


Value = Callable[[int, int], float]  # of a set (bits) to a member
Worth = Callable[[int], float]  # of a set (bits) to all its members


def _from_matrix(gain: Floats) -> Value:
    def value(members: int, task: int) -> float:
        others = [i for i in _bits(members) if i != task]
        return float(gain[others, task].mean()) if others else 0.0

    return value


def _from_score(names: Sequence[str], score: Score) -> Value:
    def value(members: int, task: int) -> float:
        return float(score(tuple(names[i] for i in _bits(members)), names[task]))

    return value


def _bits(members: int) -> list[int]:
    return [i for i in range(members.bit_length()) if members >> i & 1]


def _optimum(names: Sequence[str], value: Value, groups: int, helpers: bool) -> Grouping:
    """Dynamic programming over subsets: the best serving group of every set of tasks, then the best partition."""
    n = len(names)
    best, trained = _serving(n, value, helpers)
    full = (1 << n) - 1
    reach = [0.0] + [float("-inf")] * full
    cuts: list[list[int]] = []
    for _ in range(min(groups, n)):
        nxt, cut = list(reach), [0] * (full + 1)
        for mask in range(1, full + 1):
            low = mask & -mask
            rest = mask ^ low
            sub = rest
            while True:  # every block that holds the lowest task of the mask
                block = sub | low
                worth = reach[mask ^ block] + best[block]
                if worth > nxt[mask] + 1e-12:
                    nxt[mask], cut[mask] = worth, block
                if not sub:
                    break
                sub = (sub - 1) & rest
        reach = nxt
        cuts.append(cut)
    found, mask = [], full
    for cut in reversed(cuts):
        if cut[mask]:
            found.append(cut[mask])
            mask ^= cut[mask]
    made = [
        Group(tuple(names[i] for i in _bits(trained[b])), tuple(names[i] for i in _bits(b)))
        for b in sorted(found, key=lambda b: b & -b)
    ]
    return Grouping(tuple(made), round(reach[full], 12), round(reach[full], 12), True)


def _serving(n: int, value: Value, helpers: bool) -> tuple[list[float], list[int]]:
    """For every set of tasks what the group that serves it is worth, and the group's members."""
    size = 1 << n
    best, trained = [float("-inf")] * size, list(range(size))
    for members in range(1, size):
        own = {i: value(members, i) for i in _bits(members)}
        if not helpers:
            best[members] = sum(own.values())
            continue
        for served in _subsets(members):
            worth = sum(own[i] for i in _bits(served))
            tie = abs(worth - best[served]) <= 1e-12 and members.bit_count() < trained[served].bit_count()
            if worth > best[served] + 1e-12 or tie:
                best[served], trained[served] = worth, members
    return best, trained


def _subsets(members: int) -> list[int]:
    found, sub = [], members
    while sub:
        found.append(sub)
        sub = (sub - 1) & members
    return found


def _of_pairs(pairs: Floats, mean: bool) -> Worth:
    """The worth of a block: all its pairs' values ``(n, n)``, over one less than its size for a mean."""

    def worth(block: int) -> float:
        inside = _bits(block)
        if len(inside) < 2:
            return 0.0
        return float(pairs[np.ix_(inside, inside)].sum()) / (len(inside) - 1 if mean else 1)

    return cache(worth)


def _bound(pairs: Floats, groups: int, mean: bool) -> float:
    """What no grouping exceeds: every task beside its best ``s − 1`` others, in a block of a size ``s`` of its own.

    The sizes must allow ``groups`` blocks, Σ 1 / s ≤ groups, as a task takes 1 / s of its block. Any price λ ≥ 0 of a
    block gives a bound, λ · groups + Σ max over s of (value − λ / s) (weak duality), and the best price the least.
    """
    from scipy.optimize import minimize_scalar

    n, sizes, found = len(pairs), np.arange(1, len(pairs) + 1), []
    for given in (pairs, (pairs + pairs.T) / 2):  # of a pair both tasks are in the block, or neither
        others = np.sort(given.T[~np.eye(n, dtype=bool)].reshape(n, n - 1), axis=1)[:, ::-1]
        gained = np.concatenate([np.zeros((n, 1)), np.cumsum(others, axis=1)], axis=1)  # (task, size − 1)
        if mean:
            gained = gained / np.maximum(sizes - 1, 1)

        def at(price: float, gained: Floats = gained) -> float:
            return float(price * groups + (gained - price / sizes).max(axis=1).sum())

        most = max(float(np.abs(gained).sum()), 1e-9)
        found += [at(0.0), float(minimize_scalar(at, bounds=(0.0, most), method="bounded").fun)]
    return min(found)


def _beam(n: int, worth: Worth, groups: int) -> tuple[list[int], float]:
    """Tasks one after another into one of the groups or a new one, the best 64 partial groupings kept; then moves."""
    states: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for task in range(n):
        grown: dict[tuple[int, ...], float] = {}
        for total, blocks in states:
            for g in range(min(len(blocks) + 1, groups)):
                old = blocks[g] if g < len(blocks) else 0
                new = (*blocks[:g], old | 1 << task, *blocks[g + 1 :])
                grown[new] = total - (worth(old) if old else 0.0) + worth(old | 1 << task)
        states = sorted(((v, b) for b, v in grown.items()), key=lambda s: -s[0])[:BEAM]
    total, blocks = states[0]
    return _moved(list(blocks), total, n, groups, worth)


def _moved(blocks: list[int], total: float, n: int, groups: int, worth: Worth) -> tuple[list[int], float]:
    """Move single tasks as long as one is better elsewhere."""
    better = True
    while better:
        better = False
        for task in range(n):
            here = next(g for g, b in enumerate(blocks) if b >> task & 1)
            places = [*range(len(blocks)), *([len(blocks)] if len(blocks) < groups else [])]
            for there in places:
                if there == here:
                    continue
                old = blocks[there] if there < len(blocks) else 0
                left, joined = blocks[here] & ~(1 << task), old | 1 << task
                change = worth(left) + worth(joined) - worth(blocks[here]) - worth(old)
                if change > 1e-9:
                    blocks = [*blocks, 0] if there == len(blocks) else list(blocks)
                    blocks[here], blocks[there] = left, joined
                    blocks, total, better = [b for b in blocks if b], total + change, True
                    break
    return blocks, total
