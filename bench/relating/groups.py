"""Groups of tasks: what those that are chosen before training are worth on test rows, against other ways to group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.relating.pairs import kept
from bench.relating.trainings import Trainings

FEW = 5  # tasks up to which every set of them is trained, so that the best grouping is known
DRAWS = 2
Blocks = tuple[tuple[str, ...], ...]


def partitions(tasks: Sequence[str], groups: int) -> Iterator[Blocks]:
    """Every way to part the tasks into exactly so many groups.

    >>> len(list(partitions("abcdef", 2))), sum(len(list(partitions("abcdef", g))) for g in range(1, 7))
    (31, 203)
    """
    if not tasks:
        if groups == 0:
            yield ()
        return
    first, rest = tasks[0], tasks[1:]
    for blocks in partitions(rest, groups - 1):
        yield ((first,), *blocks)
    for blocks in partitions(rest, groups):
        for i, block in enumerate(blocks):
            yield (*blocks[:i], (first, *block), *blocks[i + 1 :])


def random(tasks: Sequence[str], groups: int, seed: int) -> Blocks:
    """A grouping into groups of about one size.

    >>> sorted(map(len, random("abcde", 2, 0)))
    [2, 3]
    """
    order = np.random.default_rng(seed).permutation(len(tasks))
    return tuple(tuple(tasks[i] for i in sorted(part)) for part in np.array_split(order, groups))


def of_affinity(affinity: Any, tasks: Sequence[str], groups: int, *, guessed: bool) -> Blocks:
    """The library's grouping of some tasks by an affinity that is guessed before training, or measured."""
    from jointset.relatedness import Affinity, company, group_tasks

    keep = [affinity.index(t) for t in tasks]
    own = Affinity(
        affinity.measure, tuple(tasks), affinity.values[np.ix_(keep, keep)], affinity.unit, affinity.bounds
    )
    score = company(own) if guessed else None
    return tuple(g.trained for g in group_tasks(own, groups, score=score).groups)


def worth(trainings: Trainings, blocks: Blocks, seed: int, side: str) -> float:
    """Mean over tasks of the skill on ``side``, each task in its group."""
    return float(np.mean([trainings.scores(b, seed)["tasks"][t][side][0] for b in blocks for t in b]))


def every_set(trainings: Trainings, tasks: Sequence[str], groups: int, seed: int) -> dict[str, float]:
    """Test skills where all sets of the tasks are trained: by row of the table."""
    affinities, _ = kept(trainings)
    alone, pairs = tuple((t,) for t in tasks), _pair_gains(trainings, tasks, seed)
    ways = [p for g in range(1, groups + 1) for p in partitions(tasks, g)]
    test = {p: worth(trainings, p, seed, "test") for p in ways}
    return {
        "alone": worth(trainings, alone, seed, "test"),
        "all in one": worth(trainings, (tuple(tasks),), seed, "test"),
        "random": float(np.mean([test[p] for p in ways if len(p) == groups])),
        "chosen by consensus": worth(
            trainings, of_affinity(affinities["consensus"], tasks, groups, guessed=True), seed, "test"
        ),
        "chosen by measured pairs": worth(
            trainings, of_affinity(pairs, tasks, groups, guessed=False), seed, "test"
        ),
        "best on the rows to judge": test[max(ways, key=lambda p: worth(trainings, p, seed, "judge"))],
        "best on the test rows": max(test.values()),
    }


def some_sets(trainings: Trainings, groups: int, seed: int) -> dict[str, float]:
    """Test skills where only some groupings can be trained: by row of the table."""
    affinities, _ = kept(trainings)
    tasks = trainings.names
    drawn = [random(tasks, groups, d) for d in range(DRAWS)]
    return {
        "alone": worth(trainings, tuple((t,) for t in tasks), seed, "test"),
        "all in one": worth(trainings, (tuple(tasks),), seed, "test"),
        "random": float(np.mean([worth(trainings, d, seed, "test") for d in drawn])),
        "chosen by consensus": worth(
            trainings, of_affinity(affinities["consensus"], tasks, groups, guessed=True), seed, "test"
        ),
    }


def _pair_gains(trainings: Trainings, tasks: Sequence[str], seed: int) -> Any:
    from jointset.relatedness import Affinity

    out = np.zeros((len(tasks), len(tasks)))
    for i, source in enumerate(tasks):
        for j, target in enumerate(tasks):
            if i != j:
                both, alone = trainings.scores((source, target), seed), trainings.scores((target,), seed)
                out[i, j] = both["tasks"][target]["judge"][0] - alone["tasks"][target]["judge"][0]
    return Affinity("gain", tuple(tasks), out, "skill", (-np.inf, np.inf))


def few(names: Sequence[str], seed: int) -> list[str]:
    """The drawn tasks, every set of which is trained."""
    return [names[i] for i in sorted(np.random.default_rng(seed).permutation(len(names))[:FEW])]


def table(found: Mapping[tuple[str, int], Sequence[Mapping[str, float]]]) -> str:
    """A line per way to group, a column per set and number of groups: gain over alone, its share of the best on test
    rows, and that of each seed."""
    heads = [f"{name}, at most {groups}" for name, groups in found]
    lines = [f"| grouping | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    rows = list(dict.fromkeys(r for seeds in found.values() for one in seeds for r in one))
    for row in rows:
        cells = []
        for seeds in found.values():
            if row not in seeds[0]:
                cells.append("not feasible")
                continue
            gain = [one[row] - one["alone"] for one in seeds]
            best = "best on the test rows"
            whole = float(np.mean([one[best] - one["alone"] for one in seeds])) if best in seeds[0] else 0.0
            share = f" ({np.mean(gain) / whole:.0%} of the best's)" if whole > 0 and row != "alone" else ""
            each = ", ".join(f"{g:+.4f}" for g in gain)
            cells.append(f"{np.mean(gain):+.4f}{share}; {each}" if row != "alone" else f"{seeds[0][row]:.4f}")
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)
