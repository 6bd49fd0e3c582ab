"""What the consensus of several annotators gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointset.audit.annotators.votes import Annotations
from jointset.records import Bools, Floats, Ints


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree.

    ``pairwise`` is the share of pairs of votes on one row that agree, ``alpha`` Krippendorff's alpha (1 =
    perfect, 0 = chance; NaN without two votes on a row), ``with_consensus`` ``(A,)`` the share of every
    annotator's votes that equal the consensus.
    """

    pairwise: float
    alpha: float
    with_consensus: Floats


@dataclass(frozen=True)
class Dependence:
    """Pairs of annotators that agree beyond their accuracy, strongest first; columns ``(p,)``.

    ``shared`` is the number of rows compared, ``observed`` and ``expected`` their association (chance-corrected
    agreement, or correlation of what they say for annotators with one label), ``share`` the part of one's
    votes that repeat the other's, in (0, 1], and ``z`` the excess in standard errors.
    """

    first: Ints
    second: Ints
    shared: Ints
    observed: Floats
    expected: Floats
    share: Floats
    z: Floats

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def none(cls) -> Dependence:
        """No dependent pair."""
        i, f = np.empty(0, np.int64), np.empty(0)
        return cls(i, i, i, f, f, f, f)


@dataclass(frozen=True)
class Fit:
    """Fitted annotators.

    ``posterior`` ``(n, K)``; ``confusion`` ``(A, K, K)`` = P(says j | true t, votes); ``coverage`` ``(A, K)``
    = P(votes | true t); ``pooled`` ``(K, K)`` the confusion of the average annotator; ``prior`` ``(K,)``;
    ``strengths`` how many votes the average annotator and what rules claim weigh, where they were fitted.
    """

    posterior: Floats
    confusion: Floats
    coverage: Floats
    pooled: Floats
    prior: Floats
    model_weight: float = float("nan")
    identified: bool = True
    notes: tuple[str, ...] = ()
    strengths: tuple[float, float] | None = None


@dataclass(frozen=True)
class Consensus:
    """The agreed labels of n rows and what they say about the A annotators.

    ``label`` ``(n,)`` is the most probable class, -1 where nobody voted and no model speaks; ``posterior``
    ``(n, K)`` is P(true | votes, x) and ``confidence`` ``(n,)`` P(label is true), NaN where it cannot be told.
    ``vote_quality`` ``(v,)`` scores the votes in the order of ``votes`` (``quality`` spreads them over
    ``(n, A)``) by margin in [0, 1], 0 = surely bad, and ``vote_error`` ``(v,)`` flags those found wrong with
    ``promised_precision``. ``annotator_quality`` ``(A,)`` is the expected share of right votes, and ``interval``
    ``(A, 2)`` a 95 % interval of the chance that a vote of the annotator is right, with what the fit leaves open in it
    (fits under random weights of the rows; by majority, and for a single annotator, the posterior counts as known and
    the interval is too short). ``confusion`` ``(A, K, K)`` is P(says j | true t) where the annotator votes, and
    ``coverage`` ``(A, K)`` is P(votes | true t). ``dependence`` lists annotators that repeat each other and
    ``vote_weight`` ``(v,)`` by how much their votes were discounted. ``gain`` ``(n,)`` is the entropy, in
    nats, that one more vote of the average annotator is expected to take away. ``model_weight`` is the learnt
    exponent of the model's probabilities (NaN without a model).
    """

    votes: Annotations
    label: Ints
    confidence: Floats
    posterior: Floats
    vote_quality: Floats
    vote_error: Bools
    vote_weight: Floats
    promised_precision: float
    annotator_quality: Floats
    interval: Floats
    confusion: Floats
    coverage: Floats
    prior: Floats
    agreement: Agreement
    dependence: Dependence
    gain: Floats
    model_weight: float = float("nan")
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def quality(self) -> Floats:
        """Quality of every annotation, ``(n, A)``, NaN where there is none."""
        return self.votes.dense(self.vote_quality, np.nan)

    @property
    def is_error(self) -> Bools:
        """The annotations found wrong, ``(n, A)``."""
        return self.votes.dense(self.vote_error, False)

    @property
    def ask(self) -> Ints:
        """All rows, the one where one more label is worth most first, ``(n,)``."""
        return np.argsort(-self.gain, kind="stable")

    def ranked(self, n: int | None = None) -> Ints:
        """Annotations, worst first, as flat indices into ``(n, A)``: ``divmod(index, A)`` is row, annotator."""
        order = np.argsort(self.vote_quality, kind="stable")
        order = order[: int(np.isfinite(self.vote_quality).sum())][:n]
        return self.votes.row[order] * self.votes.n_annotators + self.votes.annotator[order]
