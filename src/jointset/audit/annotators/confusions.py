"""Annotators' parameters from soft counts, shrunk towards the average annotator by empirical Bayes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointset.audit.annotators.votes import Annotations
from jointset.audit.noise_fit import shrink
from jointset.records import Bools, Floats

STRENGTHS = 2.0 ** np.arange(1, 12)  # pseudo-votes per row of a confusion; 2 hardly shrinks, 2048 pools
SURE = 1e-2  # the chance at which an annotator's single label is no accident
FLOOR = 1e-6
# What a rule claims (that its label is right as often as rules' labels are on average) weighs at least as much
# as its own votes. Other rules are the only witnesses against it, and where a class is of several kinds, each
# caught by rules of its own, they are silent about most of what it finds. Simulated rules, 10 or 20 over 1, 2
# or 4 kinds a class: 0 is best by .01 with one kind; with more, 1 gains up to .04 and sometimes loses.
CLAIM = 1.0


@dataclass(frozen=True)
class Rates:
    """``said[a K + j, t]`` = log P(a says j | t), and ``silent[a, t]`` = log P(a is silent | t), 0 where silence
    is no evidence."""

    said: Floats
    silent: Floats
    confusion: Floats
    coverage: Floats
    pooled: Floats


def speaks_for_itself(votes: Annotations, n_classes: int) -> Bools:
    """Annotators that only ever use one label, beyond chance, ``(A,)``: rules that fire or are silent.

    Such an annotator's confusion is a column of ones whatever the truth; all it says is *where* it votes.
    One with v votes uses label j only by chance with probability (share of j)^v.

    >>> from jointset.audit.annotators.votes import from_table
    >>> rule = np.where(np.arange(40) < 20, 1, -1)
    >>> person = np.arange(40) % 2
    >>> speaks_for_itself(from_table(np.stack([rule, person], axis=1)), 2)
    array([ True, False])
    """
    counts = label_counts(votes, n_classes)
    share = (counts.sum(axis=0) + 1) / (counts.sum() + n_classes)
    spoke = counts.sum(axis=1)
    chance = share[counts.argmax(axis=1)] ** spoke
    return (counts.max(axis=1) == spoke) & (chance < SURE)


def label_counts(votes: Annotations, n_classes: int) -> Floats:
    """Votes per annotator and label, ``(A, K)``."""
    flat = np.bincount(votes.annotator * n_classes + votes.label, minlength=votes.n_annotators * n_classes)
    return flat.reshape(votes.n_annotators, n_classes).astype(np.float64)


def strength(counts: Floats, centre: Floats) -> float:
    """Pseudo-counts of the Dirichlet prior around ``centre`` that make ``counts`` most likely.

    ``counts`` ``(r, K)`` are drawn from Dirichlet-multinomials with means ``centre`` ``(r, K)``; the strength
    is the grid point of highest marginal likelihood (Minka 2000, "Estimating a Dirichlet distribution").

    >>> strength(np.array([[50.0, 50.0]] * 20), np.full((20, 2), 0.5)) > 500
    True
    """
    from scipy.special import gammaln

    full = counts.sum(axis=1) > 0
    counts, centre = counts[full], np.maximum(centre[full], FLOOR)
    total = counts.sum(axis=1)
    best = [
        (gammaln(s) - gammaln(s + total)).sum() + (gammaln(s * centre + counts) - gammaln(s * centre)).sum()
        for s in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(best))])


def estimate(
    counts: Floats, prior: Floats, n_rows: float, fires: Bools, held: tuple[float, float] | None
) -> tuple[Rates, tuple[float, float]]:
    """All annotators' rates from soft counts ``(A, K, K)``: ``counts[a, j, t]`` votes j on rows of truth t.

    Where an annotator votes at random rows, P(j | t, votes) is its counts plus ``s`` pooled ones (Dawid and
    Skene 1979, eq. 2.3, with a Dirichlet prior). For a rule (``fires``) the prior is on P(t | it says j), and
    P(it says j | t) = P(t | it says j) P(it says j) / P(t), so that silence is evidence too (the propensity of
    Ratner et al. 2017). ``held`` keeps the strengths of both priors; None fits them.
    """
    a, k, _ = counts.shape
    spoke = counts.sum(axis=(1, 2))
    people = counts[~fires]
    pooled = shrink((people if len(people) else counts).sum(axis=0).T)
    right = shrink(counts[fires].sum(axis=0)) if fires.any() else np.eye(k)  # [j, t]
    rows = people.transpose(0, 2, 1)
    if held is None:
        rules = strength(counts[fires].reshape(-1, k), np.tile(right, (int(fires.sum()), 1)))
        held = (
            strength(rows.reshape(-1, k), np.tile(pooled, (len(rows), 1))),
            max(rules, CLAIM * spoke[fires].mean() if fires.any() else 0.0),
        )
    confusion = counts.transpose(0, 2, 1) + held[0] * pooled
    confusion /= confusion.sum(axis=2, keepdims=True)
    said, silent = confusion.transpose(0, 2, 1).copy(), np.zeros((a, k))
    coverage = np.repeat((spoke / max(n_rows, 1))[:, None], k, axis=1)
    if fires.any():
        said[fires] = _propensity(counts[fires], prior, n_rows, right, held[1])
        total = said[fires].sum(axis=1)
        coverage[fires], silent[fires] = total, np.log1p(-total)
        confusion[fires] = (said[fires] / np.maximum(total, FLOOR)[:, None]).transpose(0, 2, 1)
    said = np.log(np.maximum(said, FLOOR)).reshape(a * k, k)
    return Rates(said, silent, confusion, coverage, pooled), held


def _propensity(counts: Floats, prior: Floats, n_rows: float, right: Floats, held: float) -> Floats:
    """P(says j | t) ``(a, j, t)`` of rules."""
    spoke = counts.sum(axis=2, keepdims=True)
    truth = (counts + held * right) / (spoke + held)
    rate = truth * (spoke / max(n_rows, 1)) / np.maximum(prior, FLOOR)
    over = np.maximum(rate.sum(axis=1, keepdims=True) / 0.99, 1.0)
    return rate / over
