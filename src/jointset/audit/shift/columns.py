"""Which columns of a table shifted: a test for each, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.features.tables import as_plain, as_texts, is_missing, is_number
from jointset.audit.findings import Checked, Findings, ended
from jointset.errors import ArrayError
from jointset.records import Floats

Name = TypeVar("Name")

NAMED = 5
COMMON = 30  # values of a category column that are told apart
ENOUGH = 5  # counts that χ² expects of a category (Cochran 1954)
RARE = 1000  # rarer values that are told apart among themselves
DRAWS = (499, *10 * (5000,))  # tables that they are compared with, until one is as far off


@dataclass(frozen=True, repr=False)
class ColumnShift(Checked):
    """``p_value`` of every column, corrected (Holm 1979), and ``effect`` in [0, 1]: the largest difference of the
    distribution functions of numbers, half the sum of the differences of the shares of categories."""

    p_value: dict[str, float]
    effect: dict[str, float]


def column_shift(
    a: Mapping[str, ArrayLike],
    b: Mapping[str, ArrayLike],
    *,
    level: float = 0.01,
    least: float = 0.0,
    subject: str = "",
) -> ColumnShift:
    """Test every column that two tables share, numbers and dates by Kolmogorov and Smirnov, categories by χ²
    (:func:`same_shares`), missing values apart.

    Missing values are tested by χ², or Fisher's exact test where they are few, beside the values; the column's p-value
    is the smaller one, doubled. ``least`` is
    the smallest effect that is reported. Code ``column_shift`` by column, score 1 − effect. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.normal(size=300), rng.normal(size=300)
    >>> column_shift({"x": one, "y": one}, {"x": two, "y": two + 1}).findings.subject.tolist()
    ['y']
    """
    tested = {str(n): _test(*(_column(n, side[n]) for side in (a, b))) for n in a if n in b}
    shared = list(tested)
    if not shared:
        raise ArrayError("a and b have no column in common")
    p_value = holm({n: p for n, (p, _) in tested.items()})
    effect = {n: e for n, (_, e) in tested.items()}
    guilty = sorted(
        (n for n in shared if p_value[n] < level and effect[n] >= least), key=lambda n: -effect[n]
    )
    found = Findings.of(
        "column_shift",
        subjects=[f"{subject}: {n}" if subject else n for n in guilty],
        scores=[1 - effect[n] for n in guilty],
        evidence=[{"p_value": p_value[n], "effect": effect[n]} for n in guilty],
    )
    told = ", ".join(f"{n} ({effect[n]:.2f})" for n in guilty[:NAMED])
    outcome, reason = ended(
        found,
        f"{len(guilty)} of {len(shared)} columns differ: {told}",
        f"none of {len(shared)} columns differs",
    )
    facts = {
        "columns": len(shared),
        "shifted": {n: {"p_value": p_value[n], "effect": effect[n]} for n in guilty},
    }
    return ColumnShift(outcome, reason, found, facts, p_value, effect)


def holm(p: Mapping[Name, float]) -> dict[Name, float]:
    """p-values corrected by Holm's step-down procedure.

    >>> holm({"a": 0.01, "b": 0.04})
    {'a': 0.02, 'b': 0.04}
    """
    out, worst = {}, 0.0
    for i, name in enumerate(sorted(p, key=lambda n: p[n])):
        worst = max(worst, min(1.0, (len(p) - i) * p[name]))
        out[name] = worst
    return out


def same_numbers(x: Floats, y: Floats) -> tuple[float, float]:
    """Kolmogorov and Smirnov's test of two samples of numbers, and the largest difference."""
    from scipy.stats import ks_2samp

    if not len(x) or not len(y):
        return 1.0, 0.0
    found = ks_2samp(x, y, method="asymp")
    return float(found.pvalue), float(found.statistic)


def _column(name: Any, values: ArrayLike) -> NDArray[Any]:
    column = as_plain(values)
    if column.ndim != 1:
        raise ArrayError(f"column {name}: expected (n,), found {column.shape}")
    return column


def _test(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    gone = is_missing(a), is_missing(b)
    if not all(is_number(c) or g.all() for c, g in zip((a, b), gone, strict=True)):
        return same_shares(as_texts(a, "\0"), as_texts(b, "\0"))
    x, y = (c[~g].astype(np.float64) for c, g in zip((a, b), gone, strict=True))
    p, effect = same_numbers(x, y)
    if not (gone[0].any() or gone[1].any()):
        return p, effect
    p_gone, effect_gone = same_shares(gone[0].astype(int), gone[1].astype(int))
    return min(1.0, 2 * min(p, p_gone)), max(effect, effect_gone)


def same_shares(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    """The p-value that two samples of categories are draws of one distribution, and their total variation.

    χ² where every count that is expected is 5 or more. Otherwise the commoner categories are tested by χ², the rare
    ones taken together by Fisher's exact test, and, as they may be others on either side, the rare ones among
    themselves by χ² against permutations (Agresti 1992, section 2); the smallest p-value times the number of tests.

    >>> same_shares(np.repeat([0, 1], [199, 1]), np.zeros(4000, int))[0] > 0.01  # χ² alone would say 8e-6
    True
    >>> p, apart = same_shares(np.arange(300) % 100, 100 + np.arange(300) % 100)
    >>> p < 1e-4, round(apart, 3)
    (True, 1.0)
    """
    if not len(a) or not len(b):
        return 1.0, 0.0
    names, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    table = np.stack(
        [np.bincount(c, minlength=len(names)) for c in (codes[: len(a)], codes[len(a) :])]
    ).astype(float)
    order = np.argsort(-table.sum(axis=0), kind="stable")
    table = table[:, order]
    expected = table.sum(axis=0) * min(len(a), len(b)) / (len(a) + len(b))
    alone = min(int((expected >= ENOUGH).sum()), COMMON)
    common, rare = table[:, :alone], table[:, alone:]
    rest = rare.sum(axis=1, keepdims=True)
    found: list[float | None] = []
    if expected[alone:].sum() >= ENOUGH or not rest.any():
        found.append(_chi2(np.concatenate([common, rest], axis=1)))
    else:
        found += [_chi2(common), _exact(np.concatenate([common.sum(axis=1, keepdims=True), rest], axis=1))]
    among, moved = _among(rare)
    told = [p for p in [*found, among] if p is not None] or [1.0]
    whole = np.concatenate([common, rest], axis=1) / table.sum(axis=1, keepdims=True)
    apart = np.abs(whole[0] - whole[1]).sum() / 2 + moved * whole[:, -1].min()
    return min(1.0, len(told) * min(told)), float(min(1.0, apart))


def _chi2(table: Floats) -> float | None:
    from scipy.stats import chi2_contingency

    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    return float(chi2_contingency(table, correction=False).pvalue)


def _exact(table: Floats) -> float | None:
    from scipy.stats import fisher_exact

    return float(fisher_exact(table.astype(np.int64)).pvalue) if table.sum(axis=0).all() else None


def _among(table: Floats) -> tuple[float | None, float]:
    """The p-value of the shares of rare categories among themselves, and by how much their total variation exceeds
    that of permutations; None where no category came twice."""
    total, (n, m) = table.sum(axis=0).astype(np.int64), table.sum(axis=1)
    if min(n, m) < 1 or (total > 1).sum() < 2:
        return None, 0.0
    several, once = np.flatnonzero(total > 1)[:RARE], np.flatnonzero(total == 1)
    left = int(total.sum() - total[several].sum())  # once, or beyond those told apart: one cell, no evidence
    cells = np.append(total[several], left)
    rng = np.random.default_rng(0)

    def statistic(first: NDArray[Any]) -> tuple[Floats, Floats]:
        """χ² but for constants, and the total variation, of counts ``(b, cells)`` on the first side."""
        counts = first[:, :-1]
        share = n / (n + m)
        squared = ((counts - share * cells[:-1]) ** 2 / cells[:-1]).sum(axis=1)
        return squared, np.abs(counts / n - (cells[:-1] - counts) / m).sum(1) / 2

    given = np.append(table[0, several], n - table[0, several].sum())[None, :]
    value, apart = (float(v[0]) for v in statistic(given))
    above, drawn, chance = 0, 0, 0.0
    for size in DRAWS:
        values, aparts = statistic(rng.multivariate_hypergeometric(cells, int(n), size=size))
        if not drawn:
            chance = float(aparts.mean())
        above, drawn = above + int((values >= value - 1e-9).sum()), drawn + size
        if above:
            break
    most = 1 - len(once) / len(total)
    return (1 + above) / (1 + drawn), max(0.0, (apart - chance) / max(1 - chance, 1e-9)) * most
