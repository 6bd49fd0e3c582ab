"""Diversity: how many different things a dataset holds, and which regions it lacks that others have."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import Checked, Findings, as_codes, as_points, ended
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError
from jointset.records import Floats, Ints, Strings

SAMPLE = 5000
NEIGHBOURS = 5
FEWEST = 20
COVERED = 0.5  # coverage below which a set is said to lack what another has
REGION = 25  # rows of a region, on the average


@dataclass(frozen=True, repr=False)
class Diversity(Checked):
    """``vendi`` is group → Vendi score (the effective number of different rows by cosine), ``effective`` group → rows
    without copies, ``coverage`` ``(g, g)`` the share of the column's rows that have one of the row's group near, and
    ``region`` ``(n,)`` the region of every row, -1 where not sampled."""

    groups: Strings
    vendi: dict[str, float]
    effective: dict[str, int]
    coverage: Floats
    region: Ints


def diversity(
    embedding: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    copies: ArrayLike | None = None,
    level: float = 0.01,
    seed: int = 0,
) -> Diversity:
    """Measure how different the rows of every group are, and what one group has that another lacks.

    ``embedding`` is ``(n, d)``, ``groups`` ``(n,)`` (datasets, sites) and ``copies`` ``(n,)`` numbers rows that are
    equal or nearly so. The Vendi score (Friedman and Dieng 2023, eq. 2) is the exponential of the entropy of the
    spectrum of the cosine kernel. Coverage of group b by a: the share of b's rows that are within the distance of
    their fifth neighbour in b to a row of a (Naeem et al. 2020, eq. 5). Regions are k-means cells of 25 rows on the
    average; a region is a gap of a group when the group has none of its rows though it has others', beyond chance
    (binomial, Holm over regions). Codes: ``low_coverage`` of ordered pairs (below 0.5; score coverage),
    ``coverage_gap`` by group (evidence: regions and an example row), ``redundancy`` (a tenth or more of a group are
    copies). Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> x = np.vstack([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 20])
    >>> diversity(x, groups=np.repeat(["a", "b"], 100)).findings.code.tolist()
    ['low_coverage', 'low_coverage', 'coverage_gap', 'coverage_gap']
    """
    points = as_points(embedding, least=2)
    n = len(points)
    codes, names = as_codes(["all"] * n if groups is None else groups, n, "groups")
    same = np.arange(n) if copies is None else np.asarray(copies)
    if same.shape != (n,):
        raise ArrayError(f"copies must be (n,) like the {n} rows, found {same.shape}")
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(codes == g))[:SAMPLE] for g in range(len(names))]
    vendi = {str(names[g]): vendi_score(points[m]) for g, m in enumerate(members)}
    effective = {str(names[g]): len(np.unique(same[codes == g])) for g in range(len(names))}
    size = {str(names[g]): int((codes == g).sum()) for g in range(len(names))}
    coverage = _coverage(points, members)
    region, gaps = _gaps(points, codes, members, names, level, seed)
    found = Findings.concat([_low(coverage, names), gaps, _redundant(effective, size)])
    worst = min(effective, key=lambda g: effective[g] / size[g])
    outcome, reason = ended(
        found,
        f"{int((found.code == 'low_coverage').sum())} ordered pairs of groups cover each other badly; of {worst} "
        f"{1 - effective[worst] / size[worst]:.0%} are copies",
        f"every group covers the others; of {worst} {1 - effective[worst] / size[worst]:.0%} are copies",
    )
    facts = {
        "groups": names.tolist(),
        "vendi": vendi,
        "effective": effective,
        "rows": size,
        "coverage": coverage.round(4).tolist(),
    }
    return Diversity(outcome, reason, found, facts, names, vendi, effective, coverage, region)


def vendi_score(points: ArrayLike) -> float:
    """exp of the entropy of the eigenvalues of the cosine kernel over n, from the ``d × d`` side; 1 for equal rows, n
    for orthogonal ones.

    >>> round(vendi_score(np.eye(4)), 6), round(vendi_score(np.ones((5, 2))), 6)
    (4.0, 1.0)
    """
    x = as_points(points).astype(np.float64)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    small = x.T @ x if x.shape[1] <= len(x) else x @ x.T
    values = np.linalg.eigvalsh(small / len(x))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _coverage(points: NDArray[np.float32], members: list[Ints]) -> Floats:
    """``[a, b]``: the share of b's rows with a row of a within the radius of their fifth neighbour in b."""
    g = len(members)
    out = np.full((g, g), np.nan)
    np.fill_diagonal(out, 1.0)
    radius = [nearest(points[m], NEIGHBOURS)[0][:, -1] if len(m) >= FEWEST else None for m in members]
    for a, b in permutations(range(g), 2):
        reach = radius[b]
        if reach is not None and len(members[a]) >= FEWEST:
            distance = nearest(points[members[a]], 1, asked=points[members[b]])[0][:, 0]
            out[a, b] = float((distance <= reach * (1 + 1e-6)).mean())
    return out


def _low(coverage: Floats, names: Strings) -> Findings:
    pairs = [(a, b) for a, b in permutations(range(len(names)), 2) if coverage[a, b] < COVERED]
    return Findings.of(
        "low_coverage",
        subjects=[f"{names[a]} of {names[b]}" for a, b in pairs],
        scores=[coverage[a, b] for a, b in pairs],
        evidence=[{"coverage": float(coverage[a, b])} for a, b in pairs],
    )


def _gaps(
    points: NDArray[np.float32], codes: Ints, members: list[Ints], names: Strings, level: float, seed: int
) -> tuple[Ints, Findings]:
    region = np.full(len(points), -1, np.int64)
    rows = np.concatenate([m for m in members if len(m) >= FEWEST] or [np.empty(0, np.int64)])
    if len(members) < 2 or len(rows) < 4 * REGION:
        return region, Findings.empty()
    from sklearn.cluster import MiniBatchKMeans

    cells = max(2, min(len(rows) // REGION, 200))
    region[rows] = MiniBatchKMeans(cells, random_state=seed, n_init=1, batch_size=1024).fit_predict(
        points[rows]
    )
    parts = []
    for g, mine in enumerate(members):
        if len(mine) < FEWEST:
            continue
        own = np.bincount(region[mine], minlength=cells)
        other = np.bincount(region[np.setdiff1d(rows, mine)], minlength=cells)
        # under chance a row of the region is the group's with the group's share of all rows
        p = np.where((own == 0) & (other > 0), (1 - len(mine) / len(rows)) ** other, 1.0)
        empty = np.flatnonzero(p * cells < level)
        if len(empty):
            share = float(other[empty].sum() / max(other.sum(), 1))
            example = int(rows[(region[rows] == empty[np.argmax(other[empty])]) & (codes[rows] != g)][0])
            evidence = {"regions": len(empty), "of": cells, "share_of_others": share, "example_row": example}
            parts.append(
                Findings.of("coverage_gap", subjects=[str(names[g])], scores=[1 - share], evidence=[evidence])
            )
    return region, Findings.concat(parts)


def _redundant(effective: dict[str, int], size: dict[str, int]) -> Findings:
    share = {g: 1 - effective[g] / max(size[g], 1) for g in size}
    bad = [g for g, s in share.items() if s >= 0.1]
    return Findings.of(
        "redundancy",
        subjects=bad,
        scores=[1 - share[g] for g in bad],
        evidence=[{"copies": share[g], "effective": effective[g], "rows": size[g]} for g in bad],
    )
