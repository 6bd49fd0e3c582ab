"""Annotators that agree beyond their accuracy: copies, teams, rules that share their words.

If votes are independent given the truth, the association of two annotators is the product of what each knows:
chance-corrected agreement ``k_ab = c_a c_b``, off its diagonal a matrix of rank one (the moments of Dalvi et
al. 2013 and Ratner et al. 2019). A pair that stands out from the robust fit of rank one repeats itself; the
part of its votes that does is ``(k_ab - c_a c_b) / (1 - c_a c_b)`` (sparse plus low rank, Varma et al. 2019).
With three annotators every matrix fits, so four are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointset.audit.annotators.base import Dependence
from jointset.audit.annotators.confusions import label_counts, speaks_for_itself
from jointset.audit.annotators.dawid_skene import Discount
from jointset.audit.annotators.votes import Annotations
from jointset.records import Bools, Floats, Ints

LEVEL = 0.01  # chance, over all pairs, of calling independent annotators dependent
MIN_ANNOTATORS = 4
ROUNDS = 50
# Rules of one label also go together where a class is of several kinds, without repeating each other. Simulated
# rules over 1, 2 or 4 kinds a class, with and without noisy copies: discounting from half on is best of 0, .3, .5
COPY = 0.5


@dataclass(frozen=True)
class Pairs:
    """Pairs ``(p,)`` with their rows in common, association, its standard error when there is none, and
    ``chance`` agreement (empty for correlations)."""

    first: Ints
    second: Ints
    rows: Ints
    found: Floats
    error: Floats
    chance: Floats

    def excess(self, expected: Floats) -> tuple[Floats, Floats]:
        """z and p-value of associations above ``expected`` ones."""
        from scipy.stats import binom, norm

        z = (self.found - expected) / self.error
        if not len(self.chance):
            return z, norm.sf(z)
        rest = 1 - self.chance
        agree = np.clip(self.chance + rest * expected, 1e-3, 1 - 1e-3)
        same = np.round((self.chance + rest * self.found) * self.rows)
        z = (same - self.rows * agree) / np.sqrt(self.rows * agree * (1 - agree))
        return z, binom.sf(same - 1, self.rows, agree)


def find_dependence(votes: Annotations, n_classes: int) -> Dependence:
    """Pairs whose association exceeds the product of their competences, beyond chance.

    >>> rng = np.random.default_rng(0)
    >>> true = rng.integers(0, 2, 2000)
    >>> said = np.where(rng.random((2000, 6)) < 0.25, 1 - true[:, None], true[:, None])
    >>> said[:, 5] = said[:, 4]
    >>> from jointset.audit.annotators.votes import from_table
    >>> found = find_dependence(from_table(said), 2)
    >>> found.first.tolist(), found.second.tolist(), found.share.round(1).tolist()
    ([4], [5], [1.0])
    """
    fires = speaks_for_itself(votes, n_classes)
    parts = [_excess(_agreement(votes, n_classes, ~fires), votes.n_annotators, None)]
    main = np.where(fires, label_counts(votes, n_classes).argmax(axis=1), -1)
    for label in np.unique(main[fires]) if n_classes > 2 else [1] * int(fires.any()):
        # with two classes one fit serves the rules of both
        mine = None if n_classes == 2 else main == label
        side = main if mine is None else np.where(mine, main, -1)
        parts.append(_excess(_correlation(votes, fires, int(label), mine), votes.n_annotators, side))
    columns = [np.concatenate(c) for c in zip(*parts, strict=True)]
    order = np.argsort(-columns[5] - columns[6] / 1e9, kind="stable")
    return Dependence(*(c[order] for c in columns))


def discount(votes: Annotations, n_classes: int, found: Dependence) -> Discount:
    """Weights ``1 / (1 + sum of shares)`` over the dependent annotators that say the same on the row.

    c copies of one annotator count once; a copy that disagrees did not copy and counts in full. A rule's
    silence is weighed by all that it shares. Rules count as dependent from a share of one half.
    """
    from scipy.sparse import csr_matrix

    a = votes.n_annotators
    rule = speaks_for_itself(votes, n_classes)
    keep = (found.share >= COPY) | ~(rule[found.first] & rule[found.second])
    first, second, part = found.first[keep], found.second[keep], found.share[keep]
    if not len(part):
        return Discount(np.ones(len(votes)), np.ones(a))
    one, two = np.r_[first, second], np.r_[second, first]
    share = csr_matrix((np.r_[part, part], (one, two)), shape=(a, a))
    load = np.zeros(len(votes))
    for label in np.unique(votes.label):
        here = np.flatnonzero(votes.label == label)
        row, who = votes.row[here], votes.annotator[here]
        said = csr_matrix((np.ones(len(here)), (row, who)), shape=(votes.n_rows, a))
        both = (said @ share).multiply(said).tocsr()
        load[here] = np.asarray(both[row, who]).ravel()
    return Discount(1 / (1 + load), 1 / (1 + np.asarray(share.sum(axis=1)).ravel()))


def _agreement(votes: Annotations, n_classes: int, of: Bools) -> Pairs:
    """Cohen's kappa of all pairs of annotators with common rows."""
    counts = label_counts(votes, n_classes)
    share = (counts + 1) / (counts.sum(axis=1, keepdims=True) + n_classes)
    from scipy.sparse import csr_matrix, triu

    use = of[votes.annotator]
    row, who, label = votes.row[use], votes.annotator[use], votes.label[use]
    shape = (votes.n_rows, votes.n_annotators)
    spoke = csr_matrix((np.ones(len(row)), (row, who)), shape=shape)
    common = triu(spoke.T @ spoke, k=1).tocoo()
    first, second, n = common.row.astype(np.int64), common.col.astype(np.int64), common.data
    same = np.zeros(len(n))
    for j in np.unique(label):
        here = label == j
        said = csr_matrix((np.ones(int(here.sum())), (row[here], who[here])), shape=shape)
        same += np.asarray((said.T @ said)[first, second]).ravel() if len(first) else 0
    n = n.astype(np.int64)
    chance = (share[first] * share[second]).sum(axis=1)
    rest = np.maximum(1 - chance, 0.05)
    found = (same / np.maximum(n, 1) - chance) / rest
    return Pairs(first, second, n, found, 0.5 / (np.sqrt(np.maximum(n, 1)) * rest), 1 - rest)


def _correlation(votes: Annotations, of: Bools, label: int, of_label: Bools | None) -> Pairs:
    """Correlations of rules' statements: 1 = says ``label``, -1 = another, 0 = silent.

    With two classes the covariance of any two statements, independent given the truth, is of rank one. With
    more it is so for pairs of which one (``of_label``) only speaks for ``label`` and errs alike elsewhere.
    """
    from scipy.sparse import csr_matrix

    use = of[votes.annotator]
    value = np.where(votes.label[use] == label, 1.0, -1.0)
    shape = (votes.n_rows, votes.n_annotators)
    said = csr_matrix((value, (votes.row[use], votes.annotator[use])), shape=shape)
    who, n = np.flatnonzero(of), max(votes.n_rows, 1)
    said = said[:, who]
    mean = np.asarray(said.mean(axis=0)).ravel()
    square = np.asarray(said.multiply(said).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 1e-12))
    both = np.asarray((said.T @ said).todense()) / n
    found = (both - np.outer(mean, mean)) / np.outer(spread, spread)
    i, j = np.triu_indices(len(who), k=1)
    if of_label is not None:
        about = of_label[who]
        keep = about[i] | about[j]
        i, j = i[keep], j[keep]
    rows, error = np.full(len(i), votes.n_rows), np.full(len(i), 1 / np.sqrt(n))
    return Pairs(who[i], who[j], rows, found[i, j], error, np.empty(0))


def _excess(pairs: Pairs, n_annotators: int, side: Ints | None) -> tuple[Ints | Floats, ...]:
    """Pairs (of one ``side``) that stand out from the fit of rank one."""
    first, second, found = pairs.first, pairs.second, pairs.found
    if len(np.union1d(first, second)) < MIN_ANNOTATORS:
        empty = np.empty(0, np.int64)
        return (empty, empty, empty, *([np.empty(0)] * 4))
    competence = rank_one(first, second, found, pairs.error, n_annotators)
    expected = competence[first] * competence[second]
    z, chance = pairs.excess(expected)
    picked = (chance < LEVEL / len(z)) & (found > 0)
    if side is not None:
        picked &= (side[first] == side[second]) & (side[first] >= 0)
    share = (found - expected) / np.maximum(1 - np.maximum(expected, 0), 1e-3)
    columns = (first, second, pairs.rows, found, expected, np.clip(share, 0, 1), z)
    return tuple(c[picked] for c in columns)


def rank_one(first: Ints, second: Ints, found: Floats, error: Floats, n: int) -> Floats:
    """Competences c ``(n,)`` in [-1, 1] with ``found ≈ c[first] c[second]``, by least absolute deviations.

    Iteratively reweighted least squares: a few dependent pairs do not bend the fit.

    >>> i, j = np.triu_indices(4, k=1)
    >>> c = np.array([0.9, 0.8, 0.6, 0.4])
    >>> rank_one(i, j, c[i] * c[j], np.full(6, 0.01), 4).round(2)
    array([0.9, 0.8, 0.6, 0.4])
    """
    c = _start(first, second, found, error, n)
    for _ in range(ROUNDS):
        off = np.abs(found - c[first] * c[second])
        weight = 1 / (np.maximum(off, error) * error)
        old = c
        for a, b in ((first, second), (second, first)):
            top = np.bincount(a, weight * found * c[b], n) + np.bincount(b, weight * found * c[a], n)
            low = np.bincount(a, weight * c[b] ** 2, n) + np.bincount(b, weight * c[a] ** 2, n)
            c = np.clip(0.5 * c + 0.5 * top / np.maximum(low, 1e-12), -1, 1)
        if np.abs(c - old).max() < 1e-6:
            break
    return c


def _start(first: Ints, second: Ints, found: Floats, error: Floats, n: int) -> Floats:
    """One size for all, the median, from which a few strong pairs cannot lead astray; signs by weighted sums."""
    pull = found / (error**2 + 0.05**2)
    total = np.bincount(first, pull, n) + np.bincount(second, pull, n)
    for _ in range(5):
        sign = np.where(total >= 0, 1.0, -1.0)
        total = np.bincount(first, pull * sign[second], n) + np.bincount(second, pull * sign[first], n)
    sign = np.where(total >= 0, 1.0, -1.0)
    size = np.sqrt(max(float(np.median(found * sign[first] * sign[second])), 0.01))
    return size * (sign if sign.sum() >= 0 else -sign)
