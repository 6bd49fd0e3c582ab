"""How often every annotator is right, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jointset.audit.annotators.votes import Annotations
from jointset.records import Floats

LEVEL = 0.95
DRAWS = 25
VOTES = 1_000_000  # over all draws; a larger table has fewer of them, though never less than FEWEST
FEWEST = 10

Refit = Callable[[Floats], Floats]
"""Weights of the rows ``(n,)`` → the posterior ``(n, K)`` that a fit with them ends in."""


def accuracy(
    votes: Annotations, posterior: Floats, refit: Refit | None, seed: int = 0
) -> tuple[Floats, Floats]:
    """Share of right votes of every annotator ``(A,)`` under a posterior ``(n, K)``, and a 95 % interval ``(A, 2)`` of
    the chance that a vote of theirs is right; NaN without votes.

    The interval is that of a Beta under a uniform prior, of as many votes as make its variance the mean square by which
    fits with random weights of the rows (the Bayesian bootstrap, Rubin 1981) miss the share, and not more votes than
    there are. Without ``refit`` the posterior counts as known, and only the votes' own chance is in it.

    >>> from jointset.audit.annotators.votes import from_table
    >>> share, interval = accuracy(from_table([[0], [1], [1], [-1]]), np.eye(2)[[0, 1, 0, 0]], None)
    >>> share.round(2).tolist(), interval.round(2).tolist()
    ([0.67], [[0.19, 0.93]])
    """
    from scipy.stats import beta

    n = np.bincount(votes.annotator, minlength=votes.n_annotators)
    share = _shares(votes, posterior, np.ones(votes.n_rows))
    known = n.astype(np.float64)
    if refit is not None and len(votes):
        rng = np.random.default_rng(seed)
        draws = int(np.clip(VOTES // len(votes), FEWEST, DRAWS))
        weights = (rng.standard_exponential(votes.n_rows) for _ in range(draws))
        drawn = np.array([_shares(votes, refit(w), w) for w in weights])
        variance = np.maximum(((drawn - share) ** 2).mean(axis=0), 1e-12)
        known = np.clip(share * (1 - share) / variance - 1, np.minimum(n, 1), n)
    tail = (1 - LEVEL) / 2
    right = known * share
    interval = np.stack([beta.ppf(q, right + 1, known - right + 1) for q in (tail, 1 - tail)], axis=1)
    return share, interval


def _shares(votes: Annotations, posterior: Floats, weights: Floats) -> Floats:
    own = weights[votes.row]
    mass = np.bincount(votes.annotator, own, votes.n_annotators)
    right = np.bincount(votes.annotator, own * posterior[votes.row, votes.label], votes.n_annotators)
    return np.where(mass > 0, right / np.where(mass > 0, mass, 1.0), np.nan)
