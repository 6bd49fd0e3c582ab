"""Overlap of n-grams: how much of the target's wording does the source know?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import is_labelled
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import checked
from jointset.relatedness.pairs import Pair, filled

BITS = 20
FEWEST = 20


def ngrams(labels: Mapping[str, Any], texts: Sequence[Any], *, seed: int = 0) -> Affinity:
    """The share of the target's words and word pairs, as often as they occur, that the source has at least once.

    Directed: a wide source covers a narrow target. ``texts`` ``(n,)``, None where a row has none; ``labels`` say which
    rows a task has. Words are hashed to 2²⁰ places. NaN with fewer than 20 texts on a side. Nothing is drawn; ``seed``
    is not used. Raises ArrayError.

    >>> rows = np.repeat([0, -1], 20), np.repeat([-1, 0], 20)
    >>> ngrams({"a": rows[0], "b": rows[1]}, ["good film"] * 20 + ["bad film"] * 20).values.round(2)
    array([[1.  , 0.33],
           [0.33, 1.  ]])
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    given = checked(labels)
    if len(texts) != len(next(iter(given.values()))):
        raise ArrayError(f"texts: {len(texts)} for {len(next(iter(given.values())))} rows of labels")
    maker = HashingVectorizer(
        n_features=1 << BITS,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        token_pattern=r"(?u)\b\w+\b|[^\w\s]",
    )
    there = np.array([t is not None for t in texts], bool)
    counts = maker.transform(["" if t is None else str(t) for t in texts])
    rows = {name: is_labelled(y) & there for name, y in given.items()}
    sums = {name: np.asarray(counts[mine].sum(axis=0)).ravel() for name, mine in rows.items()}

    def of(source: str, target: str) -> Pair:
        support = int(min(rows[source].sum(), rows[target].sum()))
        total = sums[target].sum()
        if support < FEWEST or not total:
            return Pair(support=support)
        return Pair(float(sums[target][sums[source] > 0].sum() / total), support)

    return filled("ngrams", list(given), of, unit="share of the target's n-grams", bounds=(0.0, 1.0))
