"""Agreement between annotators, votes missing anywhere."""

from __future__ import annotations

import numpy as np

from jointset.audit.annotators.base import Agreement
from jointset.audit.annotators.votes import Annotations
from jointset.records import Floats, Ints


def vote_counts(votes: Annotations, n_classes: int) -> Floats:
    """Votes per row and class, ``(n, K)``."""
    flat = np.bincount(votes.row * n_classes + votes.label, minlength=votes.n_rows * n_classes)
    return flat.reshape(votes.n_rows, n_classes).astype(np.float64)


def measure(votes: Annotations, n_classes: int, label: Ints) -> Agreement:
    """Pairwise agreement, Krippendorff's alpha for nominal data, and agreement with the consensus.

    With o the matrix of coincidences over rows of m >= 2 votes, every ordered pair weighted by 1 / (m - 1),
    alpha = 1 - (1 - sum_c o_cc / N) / (1 - sum_c n_c (n_c - 1) / (N (N - 1))) (Krippendorff 2011, nominal).

    >>> from jointset.audit.annotators.votes import from_table
    >>> measure(from_table([[0, 0], [1, 1], [0, 1]]), 2, np.array([0, 1, 0])).alpha.round(3)
    np.float64(0.444)
    """
    counts = vote_counts(votes, n_classes)
    size = counts.sum(axis=1)
    pairs = counts[size > 1]
    m = size[size > 1]
    right = (votes.label == label[votes.row]).astype(np.float64)
    spoke = np.bincount(votes.annotator, minlength=votes.n_annotators)
    same = np.bincount(votes.annotator, right, votes.n_annotators)
    own = np.where(spoke > 0, same / np.maximum(spoke, 1), np.nan)
    if not len(m):
        return Agreement(float("nan"), float("nan"), own)
    agree = (pairs * (pairs - 1)).sum(axis=1)
    total, by_class = m.sum(), pairs.sum(axis=0)
    observed = 1 - (agree / (m - 1)).sum() / total
    expected = 1 - (by_class * (by_class - 1)).sum() / (total * (total - 1))
    alpha = 1 - observed / expected if expected > 0 else 1.0
    return Agreement(float(agree.sum() / (m * (m - 1)).sum()), np.float64(alpha), own)
