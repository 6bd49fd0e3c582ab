"""Which columns of a table shifted: a test for each, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.features.tables import is_number
from jointset.audit.findings import Checked, Findings, ended
from jointset.errors import ArrayError
from jointset.records import Floats

Name = TypeVar("Name")

NAMED = 5
COMMON = 30  # values of a category column that are told apart


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
    """Test every column that two tables share, numbers by Kolmogorov and Smirnov, categories by χ², missing values
    apart.

    Missing values are tested by χ² beside the values; the column's p-value is the smaller one, doubled. ``least`` is
    the smallest effect that is reported. Code ``column_shift`` by column, score 1 − effect. Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.normal(size=300), rng.normal(size=300)
    >>> column_shift({"x": one, "y": one}, {"x": two, "y": two + 1}).findings.subject.tolist()
    ['y']
    """
    shared = [str(n) for n in a if n in b]
    if not shared:
        raise ArrayError("a and b have no column in common")
    tested = {n: _test(np.asarray(a[n]), np.asarray(b[n])) for n in shared}
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


def _test(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    if is_number(a) and is_number(b):
        x, y = a.astype(np.float64), b.astype(np.float64)
        gone = np.isnan(x), np.isnan(y)
        p, effect = same_numbers(x[~gone[0]], y[~gone[1]])
        if not (gone[0].any() or gone[1].any()):
            return p, effect
        p_gone, effect_gone = same_shares(gone[0].astype(int), gone[1].astype(int))
        return min(1.0, 2 * min(p, p_gone)), max(effect, effect_gone)
    return same_shares(_texts(a), _texts(b))


def _texts(column: NDArray[Any]) -> NDArray[Any]:
    return np.array(["" if v is None or v != v else str(v) for v in column.tolist()] or [""])


def same_shares(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    """χ² test of two samples of categories, the rare ones taken together, and the total variation."""
    from scipy.stats import chi2_contingency

    names, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    table = np.stack(
        [np.bincount(c, minlength=len(names)) for c in (codes[: len(a)], codes[len(a) :])]
    ).astype(float)
    order = np.argsort(-table.sum(axis=0), kind="stable")
    table = table[:, order]
    expected = table.sum(axis=0) * min(len(a), len(b)) / (len(a) + len(b))
    alone = min(int((expected >= 5).sum()), COMMON)
    table = np.concatenate([table[:, :alone], table[:, alone:].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, 0.0
    shares: Floats = table / table.sum(axis=1, keepdims=True)
    return float(chi2_contingency(table, correction=False).pvalue), float(
        np.abs(shares[0] - shares[1]).sum() / 2
    )
