"""Shortcuts: a column, or simple features together, that give the label away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.crossfit import folds_of, mean_area
from jointset.audit.features.tables import as_plain, as_texts, is_number
from jointset.audit.findings import Checked, Findings, ended
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

BINS, FOLDS = 64, 5
PER_BIN = 8  # rows that a quantile needs, to have neighbours of a row in other folds
PER_VALUE = 3  # the same of a value of its own
RAREST = 10  # rows that a class needs to be judged
SAMPLE = 5000
NAMED = 5  # features that are named for an artefact


@dataclass(frozen=True, repr=False)
class Shortcuts(Checked):
    """``area`` is the area under the curve that each feature alone reaches, and ``together`` that of all simple
    features (NaN where not asked for)."""

    area: dict[str, float]
    together: float


def find_shortcuts(
    features: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    level: float = 0.97,
    together: bool = False,
    groups: ArrayLike | None = None,
    task: str = "",
    seed: int = 0,
) -> Shortcuts:
    """Find features from which alone the label can be told.

    ``features`` maps names to columns ``(n,)`` of numbers, dates or categories; ``labels`` ``(n,)`` are class codes
    with -1 where missing. A feature is judged by the area under the curve (mean over classes) of the class shares
    in its values or, for numbers of many values, in quantiles (64, or as many as have eight rows each), counted
    without the row's own fold; rows of one of ``groups`` share a fold. ``level`` is the area from which it is a
    shortcut. With ``together`` (for simple features of media, that should say nothing) a boosted model of all of
    them is judged as well. Codes: ``shortcut`` by feature, ``artefact``; the score is 2 (1 − area). Raises
    ``ArrayError``.

    >>> label = np.arange(200) % 2
    >>> found = find_shortcuts({"id": np.arange(200) // 7, "copy": label * 3.0}, label)
    >>> found.findings.subject.tolist()
    ['copy']
    """
    given = np.asarray(labels)
    columns = {str(n): as_plain(c) for n, c in features.items()}
    for name, column in columns.items():
        if column.shape != given.shape:
            raise ArrayError(
                f"features[{name!r}]: expected {given.shape} like the labels, found {column.shape}"
            )
    if not 0.5 < level <= 1:
        raise ArrayError(f"level must be above 0.5 and at most 1, found {level}")
    rows = _judged(given)
    y = np.unique(given[rows], return_inverse=True)[1]
    if len(rows) < 2 * RAREST or int(y.max(initial=0)) < 1:
        reason = f"fewer than two classes have {RAREST} labelled rows"
        return Shortcuts("not applicable", reason, Findings.empty(), {}, {}, float("nan"))
    fold = folds_of(len(rows), None if groups is None else np.asarray(groups)[rows], FOLDS, seed)
    alone = {n: mean_area(y, _by_value(c[rows], y, fold)) for n, c in columns.items()}
    guilty = sorted((n for n, a in alone.items() if a >= level), key=lambda n: -alone[n])
    found = Findings.of(
        "shortcut",
        subjects=guilty,
        scores=[2 * (1 - alone[n]) for n in guilty],
        evidence=[{"area": alone[n], "task": task} for n in guilty],
    )
    whole = float("nan")
    if together:
        whole = mean_area(y, _boosted(columns, rows, y, fold, seed))
        if whole >= level:
            found = Findings.concat([found, _artefact(whole, alone, task)])
    best_one = max(alone, key=lambda n: alone[n], default="")
    facts = {
        "features": len(alone),
        "best": best_one,
        "best_area": alone.get(best_one),
        "together": whole,
        "task": task,
    }
    outcome, reason = ended(
        found,
        f"{', '.join(found.subject[:NAMED])} alone give{'s' if len(found) == 1 else ''} the label away",
        f"no feature alone tells the label (best {best_one}, area {alone.get(best_one, float('nan')):.2f})",
    )
    return Shortcuts(outcome, reason, found, facts, alone, whole)


def _artefact(whole: float, alone: Mapping[str, float], task: str) -> Findings:
    """The finding that all features together tell the label, with those that say most by themselves."""
    best = sorted(alone, key=lambda n: -abs(alone[n] - 0.5))[:NAMED]
    evidence = {"area": whole, "features": {n: round(alone[n], 4) for n in best}, "task": task}
    return Findings.of(
        "artefact", subjects=["simple features"], scores=[2 * (1 - whole)], evidence=[evidence]
    )


def _judged(given: NDArray[Any]) -> Ints:
    """Rows of the classes that have enough of them."""
    known = np.flatnonzero(given >= 0)
    if not len(known):
        return known
    counts = np.bincount(given[known])
    return known[counts[given[known]] >= RAREST]


def _levels(column: NDArray[Any]) -> Ints:
    """A number per value, or per quantile of a column of many numbers; missing values are one of their own."""
    if not is_number(column):
        return np.unique(as_texts(column, "\0"), return_inverse=True)[1]
    values = column.astype(np.float64)
    known = np.isfinite(values)
    out = np.zeros(len(values), np.int64)
    edges = np.unique(values[known])
    if len(edges) > min(BINS, known.sum() / PER_VALUE):
        bins = int(np.clip(known.sum() // PER_BIN, 2, BINS))
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1]))
    out[known] = 1 + np.searchsorted(edges, values[known], side="right")
    return out


def _by_value(column: NDArray[Any], y: Ints, fold: Ints) -> Floats:
    """Class shares among the other folds' rows of the same value, shrunk to the class shares by one row."""
    level, k = _levels(column), int(y.max()) + 1
    prior = np.bincount(y, minlength=k) / len(y)
    counts = np.zeros((FOLDS, int(level.max()) + 1, k))
    np.add.at(counts, (fold, level, y), 1)
    others = counts.sum(axis=0) - counts
    shares = (others + prior) / (others.sum(axis=2, keepdims=True) + 1)
    return shares[fold, level]


def _boosted(columns: Mapping[str, NDArray[Any]], rows: Ints, y: Ints, fold: Ints, seed: int) -> Floats:
    """Cross-fitted probabilities of boosted trees over all features."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x = np.stack(
        [c[rows].astype(np.float64) if is_number(c) else _levels(c[rows]) for c in columns.values()], axis=1
    )
    out = np.tile(np.bincount(y) / len(y), (len(y), 1))
    rng = np.random.default_rng(seed)
    for f in range(FOLDS):
        train, rest = rng.permutation(np.flatnonzero(fold != f))[:SAMPLE], np.flatnonzero(fold == f)
        if len(np.unique(y[train])) < 2 or not len(rest):
            continue
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=8, random_state=seed, early_stopping=False
        )
        model.fit(x[train], y[train])
        out[rest[:, None], model.classes_] = model.predict_proba(x[rest])
    return out
